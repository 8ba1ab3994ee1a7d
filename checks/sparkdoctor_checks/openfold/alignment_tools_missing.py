"""What aligns templates."""

from sparkdoctor.facts import Openfold3, Python
from sparkdoctor.plugin import Verdict, check, ok, warn


@check
def alignment_tools_missing(openfold3: Openfold3, python: Python) -> Verdict:
    """Templates can be aligned.

    Kalign is all that OpenFold3 calls, and only for templates: 0.3 the program on PATH, later versions the package
    kalign-python. HMMER and HH-suite are not needed: alignments come from the ColabFold server or from files.

    Sources:
    - imports and subprocesses of OpenFold3 0.3.1, 0.4.0, 0.4.5 and 0.5.0
    """
    if (0,) < openfold3.release < (0, 4):
        if openfold3.kalign:
            return ok(openfold3.kalign)
        return warn(
            f"OpenFold3 {openfold3.version} aligns templates with kalign, which is not on PATH",
            expected="kalign",
            observed="none",
            remedy="Install it, or predict with --use_templates False, as is the default.",
            command="sudo apt install kalign",
            needs_root=True,
        )
    package = python.distribution("kalign-python")
    if package is not None:
        return ok(f"kalign-python {package.version}", observed=package.version)
    return warn(
        f"OpenFold3 {openfold3.version} aligns templates with kalign-python, which is not installed",
        expected="kalign-python",
        observed="none",
        remedy="Install it (on aarch64 pip compiles it, with g++ and cmake), or predict with --use-templates False.",
        command=python.pip_install("kalign-python"),
    )
