"""Whether OpenFold3 is there."""

from sparkdoctor.facts import Openfold3, Python, System
from sparkdoctor.facts.openfold3 import Damaged
from sparkdoctor.plugin import Broken, Missing, Verdict, check, fail, ok, skip
from sparkdoctor.profiles import Profile

UNBUILT = "biotraj and kalign-python have no wheel for aarch64: pip compiles them, with gcc, g++, cmake and Python's headers"


@check
def openfold3_missing(openfold3: Openfold3 | Missing, python: Python, system: System, profile: Profile) -> Verdict:
    """OpenFold3 is installed.

    On aarch64 pip must compile what has no wheel for it: biotraj and kalign-python, for OpenFold3 0.3 also mkl (which is
    Intel's and builds nowhere else) and a biotite before 1.3.

    Sources:
    - the files of openfold3, biotite, biotraj, kalign-python and mkl on PyPI, November 2026
    """
    if not isinstance(openfold3, Missing):
        return ok(f"OpenFold3 {openfold3.version}", observed=openfold3.version)
    if isinstance(openfold3, Damaged):
        installed = python.distribution("openfold3")
        whole = f"openfold3=={installed.version}" if installed else "openfold3"
        return fail(
            openfold3.reason,
            expected=whole,
            observed="damaged",
            remedy="Install it again.",
            command=python.pip_install(f"--force-reinstall --no-deps '{whole}'"),
        )
    if not profile.openfold3.required and not isinstance(openfold3, Broken):
        return skip(openfold3.reason)
    fresh = f"openfold3{profile.openfold3.fresh or ''}"
    arm = system.architecture == "aarch64"
    return fail(
        openfold3.reason,
        expected=fresh,
        observed="none",
        evidence=(UNBUILT,) if arm else (),
        remedy="Install the compilers (see compiler-missing and python-headers-missing) and cmake, then OpenFold3."
        if arm
        else "Install it beside PyTorch.",
        command=python.pip_install(f"'{fresh}'"),
    )
