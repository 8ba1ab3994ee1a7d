"""The driver's branch."""

from sparkdoctor.facts import Driver
from sparkdoctor.plugin import Verdict, check, ok, skip, warn
from sparkdoctor.profiles import Profile


@check
def driver_branch_unsupported(driver: Driver, profile: Profile) -> Verdict:
    """The driver is of a branch that NVIDIA supports on this machine.

    DGX OS ships branch 580. NVIDIA: "Driver 595 is not yet supported on DGX Spark"; users report trouble with CUDA graphs
    under 590. Containers of CUDA 13.1 and later run on 580 by minor version compatibility: a newer driver is not needed.

    Sources:
    - NVIDIA forum t/364688, 2026-06-08
    - NVIDIA, CUDA Compatibility, "Minor Version Compatibility"
    """
    if not profile.driver_branches:
        return skip(f"the profile {profile.name} asks for no driver branch")
    if driver.version is None:
        return skip("the driver's version is not known")
    branch = int(driver.version.partition(".")[0])
    wanted = " or ".join(str(number) for number in profile.driver_branches)
    if branch < min(profile.driver_branches):
        return skip(f"driver {driver.version} is older than branch {wanted}; see driver-too-old")
    if branch in profile.driver_branches:
        return ok(f"branch {branch}", expected=wanted, observed=str(branch))
    return warn(
        f"driver {driver.version} is of branch {branch}; NVIDIA supports branch {wanted} on this machine",
        expected=wanted,
        observed=str(branch),
        remedy=f"Go back to branch {wanted} if you meet crashes, hangs or CUDA graph errors; restart afterwards.",
        command=f"sudo apt install nvidia-driver-{min(profile.driver_branches)}-open && sudo reboot",
        needs_root=True,
        needs_reboot=True,
    )
