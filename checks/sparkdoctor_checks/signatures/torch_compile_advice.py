"""What torch.compile and Triton say in passing."""

from sparkdoctor.plugin import Found, Verdict, ok, signature


@signature(
    "Not enough SMs to use max_autotune_gemm mode",
    "not enough SMs to use max_autotune_gemm mode",
    "TensorFloat32 tensor cores for float32 matrix multiplication available but not enabled",
    "TRITON_DEFAULT_FP_FUSION is unset: defaulting to FP fusion ENABLED",
    "torch._dynamo hit config.{limit:name} ({number:int})",
    "skipping cudagraphs due to {reason}",
    "Online softmax is disabled on the fly since Inductor decides to",
    "You are using a CUDA device {device} that has Tensor Cores",
    checks=("torch-cannot-compute",),
)
def torch_compile_advice(found: Found) -> Verdict:
    """PyTorch or Triton gives advice about speed.

    A GPU with fewer than 68 multiprocessors, as GB10 with its 48, is not searched for the fastest products of matrices;
    results are the same.

    Sources:
    - torch/_inductor/utils.py and compile_fx.py of PyTorch 2.13, lowering.py of earlier ones
    - triton/knobs.py of Triton 3.9.0
    """
    if "enough SMs" in found.line:
        return ok("torch.compile does not try out all kernels on a GPU of this size: slower at most")
    return ok("advice about speed, not an error")
