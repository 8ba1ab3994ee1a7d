"""The NVIDIA driver."""

from sparkdoctor.facts import Container, Devices, Driver
from sparkdoctor.facts.nvml import DRIVER_NOT_LOADED
from sparkdoctor.plugin import Broken, Missing, Verdict, check, fail, ok, skip


@check
def driver_missing(driver: Driver | Missing, container: Container, devices: Devices) -> Verdict:
    """An NVIDIA driver is loaded.

    On a DGX Spark the open kernel modules come with DGX OS (package nvidia-driver-580-open). A kernel that was updated
    without its NVIDIA modules starts without them.

    Sources:
    - NVIDIA forum t/378200 (torn updates)
    - NVML's NVML_ERROR_DRIVER_NOT_LOADED (9)
    """
    if not isinstance(driver, Missing) and driver.loaded:
        return ok(f"the NVIDIA kernel module {driver.loaded} is loaded", observed=driver.loaded)
    if isinstance(driver, Broken):
        return skip(f"{driver.reason}; see gpu-not-visible")
    if not isinstance(driver, Missing) and (driver.mismatch or driver.started):
        return ok("an NVIDIA kernel module is loaded: NVML has spoken to it, though its version is not known")
    if not isinstance(driver, Missing) and driver.refusal and driver.refusal.code != DRIVER_NOT_LOADED:
        return skip(f"NVML will not say: {driver.refusal.text}; see gpu-not-visible")
    if container:
        return fail(
            f"no NVIDIA driver reaches this {container.engine} container: its host has no NVIDIA kernel module loaded",
            remedy="Run `sparkdoctor check` on the host: the driver is missing there.",
        )
    if not isinstance(driver, Missing):
        return fail(
            f"the driver's library{f' {driver.library}' if driver.library else ''} is installed, no kernel module is loaded",
            observed="not loaded",
            remedy="Install the modules for the running kernel and restart.",
            command="sudo apt update && sudo apt dist-upgrade && sudo reboot",
            needs_root=True,
            needs_reboot=True,
        )
    if devices.pci:
        return fail(
            "this machine has an NVIDIA GPU and no driver for it",
            evidence=tuple(f"PCI {device}" for device in devices.pci),
            remedy="Install the driver and restart.",
            command="sudo apt update && sudo apt install nvidia-driver-580-open && sudo reboot",
            needs_root=True,
            needs_reboot=True,
        )
    return fail(
        driver.reason,
        remedy="Run sparkdoctor on the machine with the GPU, or look at a tape of it: sparkdoctor check --replay TAPE.",
    )
