"""Products of matrices in FP8 and FP4 in vLLM and SGLang."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

_UPGRADE = "python3 -m pip install --upgrade vllm"


@signature(
    "No compiled {kernel} for CUDA device capability: {capability:int}",
    "No compiled {kernel} for a compute capability less than CUDA device capability: {capability:int}",
    "No compiled {kernel} kernel for SM {capability:int}",
    "No compiled nvfp4 {kernel:name} kernel",
    "This kernel only supports {architecture:name}",
    "gemm is not implemented for Blackwell",
    "[FP4 gemm Runner] Failed to {step:word} cutlass FP4 gemm",
    " RuntimeError: Error Internal ",
    "cutlass_gemm_caller{} Error Internal",
    checks=("compute-capability-mismatch", "torch-cannot-compute"),
)
def gemm_kernel_unfit(found: Found) -> Verdict | None:
    """A program has no product of matrices in FP8 or FP4 for this GPU.

    vLLM and SGLang bring kernels of CUTLASS for each architecture. Some of their releases have none for 12.x, or have them for
    12.0 alone, and these stop on 12.1 with “This kernel only supports sm120”.

    Sources:
    - vllm-project/vllm #16515, #24377, #32109, #40758, #43367; Avarok-Cybersecurity/dgx-vllm #9
    - csrc/cutlass_extensions/common.hpp and csrc/quantization of vllm-project/vllm
    """
    line = found.line
    if "Error Internal" in line:
        if not any("cutlass" in other or "scaled_mm" in other for other in (line, *found.before)):
            return None
        what = "a kernel of CUTLASS could not be started on this GPU"
    elif architecture := found["architecture"].rstrip(".:,"):
        if not architecture.startswith("sm") or not architecture[2:].strip("_af").isdigit():
            return None
        what = f"a kernel of CUTLASS was built for this GPU, and refuses to run on any but {architecture}"
    elif "is not implemented" in line:
        what = "there is no product of matrices in block-scaled FP8 for this GPU"
    elif "FP4 gemm Runner" in line:
        what = "the product of matrices in FP4 could not be started on this GPU"
    else:
        kernel = found["kernel"].strip() or "kernel"
        what = f"there is no {kernel} for this GPU"
    return fail(
        f"{what}: this release is not made for 12.1",
        remedy="Upgrade it, or take NVIDIA's container of it; a model that is not quantized so needs no such kernel.",
        command=_UPGRADE,
    )
