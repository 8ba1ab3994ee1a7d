"""The driver of the host, as the NVIDIA Container Toolkit asks for it."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "initialization error: nvml error: driver not loaded",
    "initialization error: driver error: {words}",
    "initialization error: driver rpc error: {words}",
    "initialization error: nvml error: {words}",
    "initialization error: nvcgo rpc error: {words}",
    "detection error: nvml error: {words}",
    "detection error: driver error: {words}",
    checks=("driver-missing", "gpu-not-visible", "reboot-pending"),
)
def container_without_driver(found: Found) -> Verdict | None:
    """A container was refused a GPU because the host's driver does not answer.

    The host's `nvidia-smi` then mostly fails as well: no kernel module is loaded, or its library is missing. In a container or
    a virtual machine that has no GPU itself there is nothing to pass on.

    Sources:
    - NVIDIA/nvidia-container-toolkit #202, #556, #2102; NVIDIA/nvidia-docker #1523; containerd/containerd #6042
    """
    if any(words in found.line for words in ("version mismatch", "driver not loaded", "No devices were found")):
        return None  # told for itself
    if "rpc error" in found.line or "driver error: timed out" in found.line:
        return fail(
            "the host's driver did not answer in the ten seconds that the NVIDIA Container Toolkit waits",
            remedy="Keep the driver loaded (persistence mode), and start the container again; a busy machine is slow to answer.",
            command="sudo nvidia-smi -pm 1",
            needs_root=True,
        )
    if "nsufficient permissions" in found.line:
        return fail(
            "the container engine may not open the GPU's device nodes",
            remedy="Give it access to /dev/nvidia* (in a rootless container: group keep-groups, or --device).",
            command="ls -l /dev/nvidia*; id",
        )
    return fail(
        "the host's NVIDIA driver does not answer: no container can be given a GPU",
        remedy="Look at `nvidia-smi` on the host; install the modules for the running kernel and restart.",
        command="sudo apt update && sudo apt dist-upgrade && sudo reboot",
        needs_root=True,
        needs_reboot=True,
    )
