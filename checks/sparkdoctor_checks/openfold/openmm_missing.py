"""OpenMM, for OpenFold 2."""

from sparkdoctor.facts import Openfold3, Python
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok, skip


@check
def openmm_missing(python: Python, openfold3: Openfold3 | Missing) -> Verdict:
    """OpenFold 2 has OpenMM and PDBFixer.

    OpenFold 2 relaxes its structures with them (`No module named 'openmm'`). OpenFold3 needs neither.

    Sources:
    - openfold/np/relax of aqlaboratory/openfold; imports of OpenFold3 0.3.1 to 0.5.0
    """
    openfold = python.distribution("openfold")
    if openfold is None:
        if isinstance(openfold3, Missing):
            return skip(openfold3.reason)
        return ok(f"OpenFold3 {openfold3.version} needs none")
    lacking = [name for name in ("openmm", "pdbfixer") if python.distribution(name) is None]
    if not lacking:
        return ok(f"OpenFold {openfold.version} has both")
    return fail(
        f"OpenFold {openfold.version} (OpenFold 2) imports {' and '.join(lacking)}, and there is none",
        expected=" ".join(lacking),
        observed="none",
        remedy="Install it. PDBFixer is not on PyPI: conda has it, or its repository.",
        command=python.pip_install("openmm git+https://github.com/openmm/pdbfixer"),
    )
