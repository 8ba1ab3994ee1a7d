"""Ligands and residues by their names in the Chemical Component Dictionary."""

from sparkdoctor.plugin import Found, Verdict, fail, signature
from sparkdoctor_checks.signatures.ccd_unreadable import STANDARD


@signature(
    "No atom information found for residue '{component:name}' in CCD",
    "No rows with residue name '{component:name}' found in",
    "ValueError: CCD component {component:name} not found!",
    checks=("ccd-missing", "query-invalid"),
    because=("ccd-unreadable",),
)
def component_unknown(found: Found) -> Verdict | None:
    """The query names a component that the dictionary does not have.

    OpenFold3 counts the query as failed, and ends with exit status 0. Components that are newer than biotite's dictionary, or
    were withdrawn, are not in it: a ligand can be given as SMILES instead.

    Sources:
    - OpenFold3 0.5.0, run with such a ligand; biotite/structure/info/atoms.py of 1.2.0 and 1.6.0
    - aqlaboratory/openfold-3 #94; jwohlwend/boltz #295
    """
    name = found["component"]
    if name in STANDARD and "CCD component" in found.line:
        return None
    return fail(
        f"the dictionary of components has no {name}: the query's code is wrong, or newer than the dictionary",
        remedy=f"Correct {name} in the query, or give the ligand as SMILES.",
        command="sparkdoctor check ccd-missing",
    )
