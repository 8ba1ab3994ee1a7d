"""The driver's kernel module against its library."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "Failed to initialize NVML: Driver/library version mismatch",
    "failed to initialize NVML: Driver/library version mismatch",
    "nvml error: driver/library version mismatch",
    "NVMLError_LibRmVersionMismatch: Driver/library version mismatch",
    "API mismatch: the client has the version {client:number}",
    "API mismatch: the NVIDIA kernel module has version {module:number}",
    "NVRM: API mismatch: the client '{program}'",
    "initialize NVML: ERROR_LIB_RM_VERSION_MISMATCH",
    checks=("driver-library-mismatch", "reboot-pending"),
)
def driver_updated_without_restart(found: Found) -> Verdict:
    """The driver was updated, and the machine not restarted.

    The files are new, the kernel module that is loaded is old, and neither speaks to the other. A restart mends it;
    reinstalling does not. A container that was started before the update still carries the old library.

    Sources:
    - NVML's NVML_ERROR_LIB_RM_VERSION_MISMATCH (18)
    - NVIDIA/nvidia-container-toolkit #394, #171; saharmor/dalle-playground #104 (NVRM's lines)
    """
    del found
    return fail(
        "the driver's library and its loaded kernel module are of two versions: it was updated and the machine not restarted",
        remedy="Restart (reboot) the machine, then start containers anew. Do not reinstall anything.",
        command="sudo reboot",
        needs_root=True,
        needs_reboot=True,
    )
