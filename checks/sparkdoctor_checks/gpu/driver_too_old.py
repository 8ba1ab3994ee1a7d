"""The driver's version."""

from sparkdoctor.facts import Driver
from sparkdoctor.plugin import Verdict, check, fail, ok, skip
from sparkdoctor.profiles import Profile


@check
def driver_too_old(driver: Driver, profile: Profile) -> Verdict:
    """The driver is new enough.

    GB10 is known to drivers from 580 on, and CUDA 13 needs 580; an older driver either does not find the GPU or refuses
    CUDA 13 programs with `CUDA driver version is insufficient for CUDA runtime version`.

    Sources:
    - NVIDIA, CUDA Compatibility, "Minor Version Compatibility" (CUDA 13.x: 580)
    - NVIDIA/k8s-device-plugin #1482 (580.95.05 at launch)
    """
    if profile.driver is None or driver.version is None:
        return skip("the profile asks for no driver version" if profile.driver is None else "the driver's version is not known")
    if driver.version in profile.driver:
        return ok(f"driver {driver.version}", expected=str(profile.driver), observed=driver.version)
    return fail(
        f"driver {driver.version} is too old; {profile.title or profile.name} needs {profile.driver}",
        expected=str(profile.driver),
        observed=driver.version,
        remedy="Update DGX OS (or the driver package) on the host and restart.",
        command="sudo apt update && sudo apt dist-upgrade && sudo reboot",
        needs_root=True,
        needs_reboot=True,
    )
