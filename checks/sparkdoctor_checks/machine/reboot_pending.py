"""The driver that is loaded against the one that is installed."""

from sparkdoctor.facts import Driver
from sparkdoctor.plugin import Verdict, check, fail, ok, skip


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
    if not versions and not driver.mismatch:
        return skip("no version of the driver is known")
    shown = ", ".join(f"{name} {version}" for name, version in versions.items())
    if driver.mismatch or (driver.loaded and len(set(versions.values())) > 1):
        return fail(
            f"the driver was updated and the machine not restarted since: {shown or 'library and kernel module differ'}",
            expected=driver.installed or driver.library or driver.firmware,
            observed=driver.loaded,
            evidence=tuple(f"{name}: {version}" for name, version in versions.items()),
            remedy="Restart (reboot) the machine; from inside a container, its host.",
            command="sudo reboot",
            needs_root=True,
            needs_reboot=True,
        )
    return ok(f"driver {shown}")
