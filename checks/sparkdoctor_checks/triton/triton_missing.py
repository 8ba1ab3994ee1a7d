"""Whether Triton is there."""

from sparkdoctor.facts import Python, Triton
from sparkdoctor.plugin import Broken, Missing, Verdict, check, fail, ok, skip
from sparkdoctor.profiles import Profile


@check
def triton_missing(triton: Triton | Missing, python: Python, profile: Profile) -> Verdict:
    """Triton is installed.

    torch.compile and OpenFold3 from 0.4.4 on need it. It comes with CUDA builds of PyTorch.

    Sources:
    - the metadata of PyTorch's and OpenFold3's wheels
    """
    if not isinstance(triton, Missing):
        return ok(f"Triton {triton.version}", observed=triton.version)
    if not profile.triton.required and not isinstance(triton, Broken):
        return skip(triton.reason)
    fresh = f"triton{profile.triton.fresh or ''}"
    return fail(
        triton.reason,
        expected=fresh,
        observed="none",
        remedy="Install it beside PyTorch.",
        command=python.pip_install(f"'{fresh}'"),
    )
