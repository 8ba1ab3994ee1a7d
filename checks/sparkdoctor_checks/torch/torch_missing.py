"""Whether PyTorch is there."""

from sparkdoctor.facts import Python, Torch
from sparkdoctor.plugin import Broken, Missing, Verdict, check, fail, ok, skip
from sparkdoctor.profiles import Profile


@check
def torch_missing(torch: Torch | Missing, python: Python | Missing, profile: Profile) -> Verdict:
    """PyTorch is installed in the Python that is examined.

    Which Python that is stands at the head of the report; `--python PATH` or an activated environment chooses another. On
    aarch64 the wheels on PyPI are CUDA builds from 2.11 on.

    Sources:
    - the aarch64 wheels of PyTorch 2.8 to 2.15 on PyPI, unpacked
    """
    if not isinstance(torch, Missing):
        return ok(f"PyTorch {torch.version}", observed=torch.version)
    if not profile.torch.required and not isinstance(torch, Broken):
        return skip(torch.reason)
    if isinstance(python, Missing):
        return fail(
            f"there is no Python to examine: {python.reason}",
            remedy="Name a Python interpreter that works: sparkdoctor check --python PATH.",
        )
    fresh = f"torch{profile.torch.fresh or ''}"
    return fail(
        torch.reason,
        expected=fresh,
        observed="damaged" if isinstance(torch, Broken) else "none",
        evidence=(f"Python {python.version}: {python.path} ({python.why})",),
        remedy="Install it; or name the Python that has it with --python.",
        command=python.pip_install(f"{'--force-reinstall ' if isinstance(torch, Broken) else ''}'{fresh}'"),
    )
