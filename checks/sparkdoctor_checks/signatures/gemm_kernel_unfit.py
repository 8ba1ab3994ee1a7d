"""Products of matrices in FP8 and FP4 in vLLM and SGLang."""

from sparkdoctor.plugin import Found, Verdict, fail, signature
from sparkdoctor_checks.signatures.renewal import renewed

_KERNELS = {
    "deepgemm": "DeepGEMM",
    "deep_gemm": "DeepGEMM",
    "flashmla": "FlashMLA",
    "flash_mla": "FlashMLA",
    "fmharunner": "TensorRT-LLM's attention",
    "tllmgen": "TensorRT-LLM's attention",
    "trtllm": "a kernel of TensorRT-LLM",
    "tensorrt_llm": "a kernel of TensorRT-LLM",
}
_PACKAGES = {
    "sglang": "'sglang[all]'",
    "sgl_kernel": "'sglang[all]'",
    "vllm": "vllm",
    "cutlass_gemm_caller": "vllm",
    "flashinfer": "flashinfer-python",
}
"""What a log shows of the programs that bring such kernels, and their packages."""


@signature(
    "No compiled {kernel} for CUDA device capability: {capability:int}",
    "No compiled {kernel} for a compute capability less than CUDA device capability: {capability:int}",
    "No compiled {kernel} kernel for SM {capability:int}",
    "No compiled nvfp4 {kernel:name} kernel",
    "No implemented {kernel:name} for current compute capability",
    "This kernel only supports {architecture:name}",
    "gemm is not implemented for Blackwell",
    "[FP4 gemm Runner] Failed to {step:word} cutlass FP4 gemm",
    " RuntimeError: Error Internal ",
    "cutlass_gemm_caller{} Error Internal",
    "RuntimeError: No supported CUDA architectures found for major versions",
    ": Unsupported architecture ",
    checks=("compute-capability-mismatch", "torch-cannot-compute"),
)
def gemm_kernel_unfit(found: Found) -> Verdict | None:
    """A program has a kernel of this kind for other GPUs only.

    vLLM, SGLang and FlashInfer bring products of matrices in FP8 and FP4, and attention, for each architecture. Some of their
    releases have none for 12.x, or have them for 12.0 alone, and these stop on 12.1 with "This kernel only supports sm120".
    DeepGEMM and TensorRT-LLM's attention are for 9.0 and 10.x.

    Sources:
    - vllm-project/vllm #16515, #24377, #32109, #40758, #43367; Avarok-Cybersecurity/dgx-vllm #9
    - flashinfer-ai/flashinfer #3263, #5237; deepseek-ai/DeepGEMM #236; NVIDIA/TensorRT-LLM #199
    - csrc/cutlass_extensions/common.hpp and csrc/quantization of vllm-project/vllm
    """
    line = found.line
    if "Error Internal" in line:
        if not any("cutlass" in other or "scaled_mm" in other for other in (line, *found.before)):
            return None
        what = "a kernel of CUTLASS could not be started on this GPU"
    elif "Unsupported architecture" in line:
        whose = next((name for mark, name in _KERNELS.items() if mark in line.lower()), "")
        if not whose:
            return None
        what = f"{whose} does not know this GPU"
    elif "major versions" in line:
        what = "FlashInfer has a kernel for GPUs of other major versions only"
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
    remedy, command = renewed(
        found,
        "Upgrade it, or take NVIDIA's container of it; a model that is not quantized so needs no such kernel.",
        f"--upgrade {_package(found)}",
    )
    return fail(f"{what}: this release is not made for 12.1", remedy=remedy, command=command if _package(found) else None)


def _package(found: Found) -> str:
    """The package of the program that the lines around show, the nearest first; empty where none is shown."""
    for line in (found.line, *reversed(found.before), *found.after):
        for mark, package in _PACKAGES.items():
            if mark in line.lower():
                return package
    return ""
