"""The kernel module against the library."""

from sparkdoctor.facts import Container, Driver
from sparkdoctor.plugin import Verdict, check, fail, ok, skip


@check
def driver_library_mismatch(driver: Driver, container: Container) -> Verdict:
    """The driver's kernel module and library are of one version.

    `Failed to initialize NVML: Driver/library version mismatch` comes after an update of the driver: the files are new,
    the loaded module is old. A restart mends it; reinstalling does not. A container that was started before the update,
    or from a stale CDI file, still carries the old library.

    Sources:
    - NVML's NVML_ERROR_LIB_RM_VERSION_MISMATCH (18)
    - NVIDIA Container Toolkit, nvidia-cdi-refresh
    """
    both = driver.loaded is not None and driver.library is not None
    if driver.mismatch or (both and driver.loaded != driver.library):
        versions = f"kernel module {driver.loaded or 'unknown'}, library {driver.library or 'unknown'}"
        said = ("NVML: Driver/library version mismatch",) if driver.mismatch else ()
        if container:
            return fail(
                f"the driver on the host and the library in this container do not match: {versions}",
                expected=driver.loaded,
                observed=driver.library,
                evidence=said,
                remedy="Restart (reboot) the host, then start the container anew. Do not reinstall anything.",
                needs_reboot=True,
            )
        return fail(
            f"driver and library do not match: {versions}; the driver was updated and the machine not restarted",
            expected=driver.library,
            observed=driver.loaded,
            evidence=said,
            remedy="Restart (reboot) the machine. Do not reinstall anything.",
            command="sudo reboot",
            needs_root=True,
            needs_reboot=True,
        )
    if driver.version is None:
        return skip("no version of the driver is known")
    return ok(f"both are {driver.loaded}" if both else f"driver {driver.version}; there is nothing to compare it with")
