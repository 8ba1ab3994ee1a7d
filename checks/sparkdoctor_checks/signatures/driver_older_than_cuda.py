"""A driver that is too old for a program."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "CUDA driver version is insufficient for CUDA runtime version",
    " code=35(cudaErrorInsufficientDriver) ",
    "The NVIDIA driver on your system is too old (found version {version:int})",
    ": API call is not supported in the installed CUDA driver",
    checks=("driver-too-old", "cuda-newer-than-driver", "driver-missing"),
    because=("container-without-gpu", "driver-not-found", "driver-library-missing", "driver-updated-without-restart"),
)
def driver_older_than_cuda(found: Found) -> Verdict:
    """The driver is too old for the CUDA of a program.

    CUDA 13 needs driver 580 or later. Error 35 is also what CUDA says where there is no driver at all, as in a container that
    was started without the GPU.

    Sources:
    - CUDA runtime, error 35; c10/cuda/CUDAFunctions.cpp
    - NVIDIA, CUDA Compatibility, "Minor Version Compatibility"
    """
    version = found["version"]
    if version:
        return fail(
            f"the driver is too old for this PyTorch: it runs CUDA up to {int(version) // 1000}.{int(version) % 1000 // 10}",
            remedy="Update DGX OS (or the driver package) on the host and restart.",
            command="sudo apt update && sudo apt dist-upgrade && sudo reboot",
            needs_root=True,
            needs_reboot=True,
        )
    return fail(
        "the driver is too old for this program's CUDA, or no driver can be reached at all",
        remedy="See what nvidia-smi says: CUDA 13 needs driver 580. In a container without a driver, start it with --gpus all.",
        command="nvidia-smi",
    )
