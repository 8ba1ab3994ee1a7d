"""Sources that CUDA 13 has left behind."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

_GONE = (
    "clockRate",
    "memoryClockRate",
    "deviceOverlap",
    "computeMode",
    "kernelExecTimeoutEnabled",
    "maxTexture1DLinear",
    "cooperativeMultiDeviceLaunch",
    "singleToDoublePrecisionPerfRatio",
)
"""What CUDA 13 has taken out of cudaDeviceProp."""


@signature(
    'namespace "{space:name}" has no member "{member:name}"',
    'namespace "{space}" has no member class "{member:name}"',
    "error: '{member:name}' is not a member of '{space:name}'",
    "error: no member named '{member:name}' in namespace '{space:name}'",
    "error: no template named '{member:name}' in namespace '{space:name}'",
    'class "{space:name}" has no member "{member:name}"',
    "'struct {space:name}' has no member named '{member:name}'",
    "'{space:name}' has no member named '{member:name}'",
    "error: no member named '{member:name}' in '{space:name}'",
    'to convert from "{from}" to "cudaMemLocation"',
    "cannot convert '{from}' to 'cudaMemLocation'",
    "could not convert '{}' from '{from}' to 'cudaMemLocation'",
    checks=("nvcc-torch-mismatch",),
)
def source_older_than_toolkit(found: Found) -> Verdict | None:
    """Sources use what CUDA 13 no longer has.

    Its Thrust and CUB (CCCL 3) are without cub::Max, cub::Sum, thrust::unary_function and the like; cudaDeviceProp is without
    clockRate and others; cudaMemAdvise and cudaMemPrefetchAsync take a cudaMemLocation.

    Sources:
    - NVIDIA, CUDA Toolkit 13.0 release notes; CCCL 3.0 migration guide
    - microsoft/onnxruntime #24774, microsoft/superbenchmark #768, icl-utk-edu/magma #61, NVIDIA/cuda-samples #382
    """
    space, member = found["space"].strip("\"'"), found["member"]
    if space == "cudaDeviceProp":
        if member not in _GONE:
            return None
        what = f"cudaDeviceProp::{member}"
    elif space.partition("::")[0] in ("cub", "thrust"):
        what = f"{space}::{member}"
    elif "cudaMemLocation" in found.line and not space:
        what = "cudaMemAdvise or cudaMemPrefetchAsync with a device's number"
    else:
        return None
    return fail(
        f"these sources are older than the CUDA toolkit: they use {what}, which CUDA 13 does not have",
        remedy="Take a version of them that knows CUDA 13. With PyTorch for CUDA 12, build them with a toolkit of 12.9, the last "
        "that has it.",
    )
