"""NVML that is refused the GPU."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "Failed to initialize NVML: Unknown Error",
    "initialize NVML: ERROR_UNKNOWN",
    "Failed to initialize NVML: Insufficient Permissions",
    "NVMLError_NoPermission: Insufficient Permissions",
    checks=("gpu-not-visible",),
    because=("gpu-fault", "gpu-did-not-come-up"),
)
def nvml_refuses(found: Found) -> Verdict:
    """The driver may not be asked: the device nodes are closed.

    A container that had the GPU loses it when systemd on the host is reloaded. A user without access to /dev/nvidia* never
    has it. On the host itself an unknown error means that the driver is in disorder.

    Sources:
    - NVIDIA Container Toolkit, "Troubleshooting": containers losing access to GPUs
    - NVML's NVML_ERROR_NO_PERMISSION (4)
    """
    if "Permission" in found.line:
        return fail(
            "this user (or container) may not open the GPU's device nodes",
            remedy="Give it access to /dev/nvidia* (in a rootless container: group keep-groups, or --device).",
            command="ls -l /dev/nvidia*; id",
        )
    return fail(
        "NVML is refused the GPU: a reload of systemd on the host takes the device nodes from running containers",
        remedy="Restart the container; on the host itself, restart the machine.",
    )
