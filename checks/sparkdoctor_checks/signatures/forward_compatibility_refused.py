"""Errors 803 and 804."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    ": system has unsupported display driver / cuda driver combination",
    ": forward compatibility was attempted on non supported HW",
    "-> system has unsupported display driver / cuda driver combination",
    "-> forward compatibility was attempted on non supported HW",
    "error forward compatibility was attempted on non supported HW",
    "error system has unsupported display driver / cuda driver combination",
    "[[ Forward compatibility was attempted on non supported HW (error 804) ]]",
    "[[ System has unsupported display driver / cuda driver combination (error 803) ]]",
    "results in CUDA_ERROR_SYSTEM_DRIVER_MISMATCH ",
    "results in CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE ",
    checks=("driver-library-mismatch", "reboot-pending", "driver-too-old"),
    because=("driver-updated-without-restart",),
)
def forward_compatibility_refused(found: Found) -> Verdict:
    """The libcuda that was loaded does not go with the driver (803, 804).

    A container's own libcuda, for forward compatibility, was loaded in place of the driver's and does not work here, or the
    driver was updated and the machine not restarted.

    Sources:
    - CUDA runtime, errors 803 and 804; NVIDIA, CUDA Compatibility, "Forward Compatibility"
    - NVIDIA/nvidia-docker #1256, #1479; oobabooga/textgen #4407; gpustack/gpustack #1254
    """
    code = 804 if "forward" in found.line.lower() or "COMPAT_NOT" in found.line else 803
    return fail(
        f"libcuda does not go with the driver that is loaded (error {code})",
        remedy="Restart after an update of the driver. In a container, do without its libcuda in /usr/local/cuda/compat, or take "
        "an image whose CUDA the driver knows.",
        command="unset LD_LIBRARY_PATH; ldconfig -p | grep libcuda.so",
    )
