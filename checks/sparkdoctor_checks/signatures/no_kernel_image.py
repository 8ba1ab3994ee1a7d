"""Code for another GPU."""

from sparkdoctor.plugin import Found, Verdict, fail, signature
from sparkdoctor_checks.signatures.renewal import renewed

_BUILT_HERE = {
    "flash_attn": "flash-attn",
    "mamba_ssm": "mamba-ssm",
    "causal_conv1d": "causal-conv1d",
    "torch_scatter": "torch-scatter",
    "torch_sparse": "torch-sparse",
    "torch_cluster": "torch-cluster",
    "natten": "natten",
    "gsplat": "gsplat",
}
"""Packages with kernels of their own that pip builds, and their names there."""
_WHEELS = {
    "xformers": "xformers",
    "bitsandbytes": "bitsandbytes",
    "vllm": "vllm",
    "sgl_kernel": "sgl-kernel",
    "flashinfer": "flashinfer-python",
    "transformer_engine": "'transformer-engine[pytorch]'",
    "cupy": "cupy-cuda13x",
}
"""Those that come as wheels."""


@signature(
    ": no kernel image is available for execution on the device",
    " no kernel image is available for execution on the device ",
    "Error named symbol not found at line {number:int} in file {file:path}",
    "' failed with 'CUDA_ERROR_INVALID_PTX'",
    "' failed with 'CUDA_ERROR_NO_BINARY_FOR_GPU'",
    'CUDA_ERROR_NO_BINARY_FOR_GPU, "no kernel image is available',
    "results in CUDA_ERROR_NO_BINARY_FOR_GPU ",
    "Cuda failure 'no kernel image is available for execution on the device",
    "Cuda failure {code:int} 'no kernel image is available for execution on the device",
    "CUDA failure {place:path} 'no kernel image is available for execution on the device",
    " code=209(cudaErrorNoKernelImageForDevice) ",
    ": device kernel image is invalid",
    "CUDA error: invalid device function",
    " CUBLAS_STATUS_ARCH_MISMATCH ",
    " CUDNN_STATUS_ARCH_MISMATCH ",
    " CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH ",
    checks=("torch-lacks-kernels", "torch-cannot-compute", "extension-cache-foreign", "arch-list-wrong"),
    because=("torch-warns-of-capability", "container-does-not-know-gpu"),
)
def no_kernel_image(found: Found) -> Verdict | None:
    """A program has no machine code that runs on this GPU.

    It was built for other architectures. On GB10 (12.1) code for sm_120 and sm_121 runs; code for sm_90 or sm_100 does not,
    and what chooses sm_100 for every GPU above 10.0 ends here too.

    Sources:
    - CUDA runtime, errors 209, 200 and 98; CUDA C++ Programming Guide, "Binary Compatibility"
    - pytorch/pytorch #31981, #178891; flashinfer-ai/flashinfer #3170; romain-jacotin/cuda #1
    - bitsandbytes-foundation/bitsandbytes #223, #382; sgl-project/sglang #7249; InternLM/lmdeploy #3806; ollama/ollama #6997
    - tensorflow/tensorflow #99592, #101746
    """
    if "raises(" in found.line or "Raises" in found.line:
        return None  # a test that expects it
    said, alone, _ = found.line.partition("no kernel image is available for execution on the device")
    if alone and said.rstrip(" \t>|#") and not said.rstrip().endswith((":", "'", '"', "rror", "code", ".", "]", ")")):
        return None  # someone writes about it
    files = [line for line in found.before if 'File "' in line]
    last = files[-1].replace("\\", "/") if files else ""
    if "/torch_extensions/" in found.line + last:
        return fail(
            "an extension in PyTorch's cache was built for another GPU",
            remedy="Put it out of the way; it is built anew for this GPU at the next use.",
            command="sparkdoctor fix quarantine-foreign-extension",
        )
    if any("ggml" in line for line in (found.line, *found.before[-3:], *found.after[:3])):
        return fail(
            "llama.cpp (ggml) was not built for this GPU: it has no kernel that runs here",
            remedy="Build it for this GPU; of a program that brings it, as Ollama does, take a newer release.",
            command="cmake -B build -DGGML_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES=121 && cmake --build build -j 8",
        )
    if other := _other_framework(found):
        return other
    near = (last, found.line, *found.after[:1])
    package = next((name for name in (*_BUILT_HERE, *_WHEELS) if any(f"/{name}/" in line for line in near)), None)
    if package is None and "cupy" in found.line:
        package = "cupy"
    if (package is None and found["file"].endswith("ops.cu")) or "/csrc/ops.cu" in found.line.replace("\\", "/"):
        package = "bitsandbytes"
    if package in _BUILT_HERE:
        architecture = "FLASH_ATTN_CUDA_ARCHS=120" if package == "flash_attn" else "TORCH_CUDA_ARCH_LIST=12.1"
        return fail(
            f"{package} was not built for this GPU: it has no kernel that runs here",
            remedy="Build it here, for this GPU, within the memory there is.",
            command=f"{architecture} sparkdoctor build -- python3 -m pip install --no-build-isolation --no-deps "
            f"--force-reinstall --no-binary :all: {_BUILT_HERE[package]}",
        )
    if package:
        remedy, command = renewed(found, "Install one that has code for sm_120 or sm_121.", f"--upgrade {_WHEELS[package]}")
        return fail(f"{package} was not built for this GPU: it has no kernel that runs here", remedy=remedy, command=command)
    remedy, command = renewed(
        found,
        "Install a PyTorch that was built for this GPU; build extensions anew with TORCH_CUDA_ARCH_LIST=12.1.",
        "--upgrade 'torch>=2.11'",
    )
    return fail(
        "a library or PyTorch itself was not built for this GPU: it has no kernel that runs here",
        remedy=remedy,
        command=command,
    )


def _other_framework(found: Found) -> Verdict | None:
    """What is not built with PyTorch, and is had otherwise."""
    line = found.line
    if "' failed with '" in line:
        return fail(
            "this TensorFlow was not built for this GPU: it has no code that runs here",
            remedy="Take NVIDIA's container of TensorFlow, which has code for it.",
        )
    near = " ".join((*found.before[-4:], line))
    if any(mark in near for mark in ("/jax/", "jax.errors", "jaxlib", "JaxRuntimeError")):
        return fail(
            "this JAX was not built for this GPU: it has no code that runs here",
            remedy="Take JAX's build for CUDA 13.",
            command="python3 -m pip install --upgrade 'jax[cuda13]'",
        )
    if "onnxruntime" in line:
        return fail(
            "this ONNX Runtime was not built for this GPU: it has no kernel that runs here",
            remedy="Build it here with CMAKE_CUDA_ARCHITECTURES=121, or let it compute on the CPU (CPUExecutionProvider).",
        )
    return None
