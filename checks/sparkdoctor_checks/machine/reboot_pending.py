"""The driver that is loaded against the one that is installed."""

from sparkdoctor.facts import Driver
from sparkdoctor.plugin import Verdict, check, fail, ok


@check
def reboot_pending(driver: Driver) -> Verdict:
    """The loaded driver is the installed one.

    An update replaces the driver's files while the old kernel module stays loaded. Until the next restart programs fail
    with `Driver/library version mismatch`, and a new kernel may find no module. Nothing needs to be reinstalled.

    Sources:
    - NVCheckup's specification: /sys/module/nvidia/version against dpkg
    - hasso5703/dgx-spark-qwen38, doctor
    """
    said = {"loaded": driver.loaded, "library": driver.library, "installed": driver.installed}
    versions = {name: version for name, version in said.items() if version}
    shown = ", ".join(f"{name} {version}" for name, version in versions.items())
    if driver.loaded and len(set(versions.values())) > 1:
        return fail(
            f"the driver was updated and this machine has not been restarted since: {shown}",
            expected=driver.installed or driver.library,
            observed=driver.loaded,
            evidence=(f"loaded kernel module: {driver.loaded}", f"library: {driver.library}", f"package: {driver.installed}"),
            remedy="Restart the machine (a container: restart the container once the host has been).",
            command="sudo reboot",
            needs_root=True,
            needs_reboot=True,
        )
    return ok(f"driver {shown}")
