"""The age of PyTorch."""

from sparkdoctor.facts import Python, Torch
from sparkdoctor.plugin import Verdict, check, fail, ok, skip
from sparkdoctor.profiles import Profile


@check
def torch_too_old(torch: Torch, python: Python, profile: Profile) -> Verdict:
    """PyTorch is new enough.

    2.7 is the first release that was built with CUDA 12.8 and so has code for Blackwell (sm_100, sm_120).

    Sources:
    - PyTorch's release notes, 2.7; the architecture lists of its wheels
    """
    if profile.torch.version is None:
        return skip(f"the profile {profile.name} asks for no version of PyTorch")
    if torch.version in profile.torch.version:
        return ok(f"PyTorch {torch.version}", expected=str(profile.torch.version), observed=torch.version)
    remedy, command = torch.renewal(python, profile.torch.fresh or profile.torch.version)
    return fail(
        f"PyTorch {torch.version} is too old; {profile.title or profile.name} needs {profile.torch.version}",
        expected=str(profile.torch.version),
        observed=torch.version,
        remedy=remedy,
        command=command,
    )
