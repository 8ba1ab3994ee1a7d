"""The driver's libraries."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

_LIBRARIES = ("libcuda.so", "libnvidia-ml.so", "libnvidia-ptxjitcompiler.so", "libnvidia-nvvm.so", "libcudadebugger.so")


@signature(
    "{library:path}: cannot open shared object file",
    "NVIDIA-SMI couldn't find {library:path} library in your system",
    "NVMLError_LibraryNotFound: NVML Shared Library Not Found",
    "initialize NVML: could not load NVML library",
    " init failed: ERROR_LIBRARY_NOT_FOUND",
    "initialize NVML: ERROR_LIBRARY_NOT_FOUND",
    ": PTX JIT compiler library not found",
    checks=("driver-missing", "gpu-not-visible", "driver-library-mismatch"),
    because=("container-without-gpu", "driver-not-found", "snap-docker"),
)
def driver_library_missing(found: Found) -> Verdict | None:
    """A library of the driver is not there.

    libcuda.so.1 and libnvidia-ml.so.1 belong to the driver, not to CUDA: no wheel brings them. In a container they come from
    the host, if it is started with the GPU.

    Sources:
    - NVIDIA Container Toolkit documentation; NVML's NVML_ERROR_LIBRARY_NOT_FOUND (12)
    - NVIDIA/nvidia-container-toolkit, libnvidia-container (`load library failed`)
    """
    name = found["library"].rpartition("/")[2]
    if name and not name.startswith(_LIBRARIES):
        return None
    if not name:
        name = (
            "libcuda.so.1"
            if "libcuda" in found.line
            else "libnvidia-ptxjitcompiler.so"
            if "PTX" in found.line
            else "libnvidia-ml.so.1"
        )
    if "nvidia-container-cli" in found.line:
        return fail(
            f"the container runtime finds no {name}: the host has no driver, or docker is a snap that cannot see it",
            remedy="See whether nvidia-smi works on the host; replace a docker from snap by docker's own packages.",
            command="nvidia-smi; readlink -f $(which docker)",
        )
    return fail(
        f"{name}, a library of the driver, is not there",
        remedy="In a container, start it with --gpus all. On the machine itself, install the driver's library.",
        command="sudo apt update && sudo apt dist-upgrade",
        needs_root=True,
    )
