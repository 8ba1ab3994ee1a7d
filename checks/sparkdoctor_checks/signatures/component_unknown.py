"""Ligands and residues by their names in the Chemical Component Dictionary."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "No atom information found for residue '{component:name}' in CCD",
    "No rows with residue name '{component:name}' found in",
    checks=("ccd-missing", "query-invalid"),
    because=("ccd-unreadable",),
)
def component_unknown(found: Found) -> Verdict:
    """The query names a component that the dictionary does not have.

    OpenFold3 counts the query as failed, and ends with exit status 0. Components that are newer than biotite's dictionary, or
    were withdrawn, are not in it: a ligand can be given as SMILES instead.

    Sources:
    - OpenFold3 0.5.0, run with such a ligand; biotite/structure/info/atoms.py of 1.2.0 and 1.6.0
    - aqlaboratory/openfold-3 #94
    """
    name = found["component"]
    return fail(
        f"the dictionary of components has no {name}: the query's code is wrong, or newer than the dictionary",
        remedy=f"Correct {name} in the query, or give the ligand as SMILES.",
        command="sparkdoctor check ccd-missing",
    )
