"""No driver."""

from sparkdoctor.plugin import Found, Verdict, fail, ok, signature, warn

_GIVEN = ("--gpus", "runtime=nvidia", "runtime nvidia", "nvidia.com/gpu=")
"""How docker and podman are told to give a container the GPU."""


@signature(
    "Found no NVIDIA driver on your system",
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver",
    "Failed to initialize NVML: Driver Not Loaded",
    "NVMLError_DriverNotLoaded: Driver Not Loaded",
    "nvml error: driver not loaded",
    "modprobe: FATAL: Module nvidia not found in directory {modules:path}",
    "modprobe: FATAL: Module nvidia not found.",
    "could not insert 'nvidia': {why}",
    "initialize NVML: ERROR_DRIVER_NOT_LOADED",
    ": nvidia-smi: command not found",
    ": nvidia-smi: not found",
    ": command not found: nvidia-smi",
    "Command 'nvidia-smi' not found",
    'exec: "nvidia-smi": executable file not found in',
    "No such file or directory: 'nvidia-smi'",
    checks=("driver-missing", "gpu-not-visible", "reboot-pending"),
    because=("container-without-gpu", "driver-updated-without-restart", "gpu-did-not-come-up", "driver-module-unfit"),
)
def driver_not_found(found: Found) -> Verdict:
    """No NVIDIA driver is loaded, or none reaches this container.

    On the host the kernel module is missing, mostly because a new kernel was started that has none. In a container nothing is
    missing but --gpus all: nvidia-smi comes from the host then.

    Sources:
    - c10/cuda/CUDAFunctions.cpp; NVML's NVML_ERROR_DRIVER_NOT_LOADED (9)
    - NVIDIA Container Toolkit documentation; NVIDIA forum t/378200; canonical/docker-snap #184
    """
    line = found.line
    after = " ".join(found.after[:6]).lower()
    if "nvidia-smi" in line:
        if " cpu" in after:
            return ok("nvidia-smi is not there, and the program goes on without a GPU")
        if "exec:" in line and any(words in near for near in found.before[-4:] for words in _GIVEN):
            return fail(
                "the container was to have the GPU, and was given nothing of the driver: there is no nvidia-smi in it",
                remedy="See whether docker is a snap, which keeps the driver elsewhere, and whether the image asks for compute"
                " alone (NVIDIA_DRIVER_CAPABILITIES=all brings nvidia-smi).",
                command="snap list docker; docker info | grep -iE 'runtime|cdi|root dir'",
            )
        return warn(
            "nvidia-smi is not there: the container was started without the GPU, or no driver is installed",
            remedy="Start the container with --gpus all. On the machine itself, see whether a driver is loaded, and install it.",
            command="cat /proc/driver/nvidia/version",
        )
    if "Warning: " in line:
        if " passed in " in after or "device=cpu" in after or "--device cpu" in after:
            return ok("no NVIDIA driver is there, and none is used")
        return warn(
            "PyTorch finds no NVIDIA driver, and goes on without the GPU",
            remedy="In a container, start it with --gpus all. On the machine itself, see what nvidia-smi says.",
            command="nvidia-smi",
        )
    kernel = found["modules"].rstrip("/").rpartition("/")[2]
    if kernel or found["why"]:
        said = f"the kernel {kernel} has no NVIDIA module" if kernel else f"the NVIDIA module cannot be loaded: {found['why']}"
    else:
        said = "no NVIDIA driver is loaded, or none reaches this container"
    return fail(
        said,
        remedy="In a container, start it with --gpus all. On the machine, bring kernel and driver to one release, and restart.",
        command="sudo apt update && sudo apt dist-upgrade && sudo reboot",
        needs_root=True,
        needs_reboot=True,
    )
