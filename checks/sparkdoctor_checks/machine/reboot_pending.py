"""The driver that is loaded against the one that is installed."""

from sparkdoctor.facts import Driver
from sparkdoctor.plugin import Verdict, check, fail, ok


@check
def reboot_pending(driver: Driver) -> Verdict:
    """The loaded driver is the installed one.

    An update replaces the driver's files while the old kernel module stays loaded. Until the next restart programs fail
    with `Driver/library version mismatch`, and a new kernel may find no module. Nothing needs to be reinstalled.

    Sources:
    - thatcooperguy/NVCheckup: /sys/module/nvidia/version against dpkg, driver against GSP firmware
    - hasso5703/dgx-spark-qwen38, doctor
    """
    said = {"loaded": driver.loaded, "library": driver.library, "installed": driver.installed, "firmware": driver.firmware}
    versions = {name: version for name, version in said.items() if version}
    shown = ", ".join(f"{name} {version}" for name, version in versions.items())
    if driver.loaded and len(set(versions.values())) > 1:
        return fail(
            f"the driver was updated and this machine has not been restarted since: {shown}",
            expected=driver.installed or driver.library or driver.firmware,
            observed=driver.loaded,
            evidence=tuple(f"{name}: {version}" for name, version in versions.items()),
            remedy="Restart the machine (a container: restart the container once the host has been).",
            command="sudo reboot",
            needs_root=True,
            needs_reboot=True,
        )
    return ok(f"driver {shown}")
