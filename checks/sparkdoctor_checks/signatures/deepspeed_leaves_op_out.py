"""Operators that DeepSpeed does without."""

from sparkdoctor.plugin import Found, Verdict, ok, signature


@signature(
    "{operator:name} requires a torch version >= 1.5 and < 2.0 but detected",
    "using untested triton version ({version:name}), only",
    "please install triton==1.0.0 if you want to use sparse attention",
    "please install triton==2.3.0, 2.3.1 or 3.0.0 if you want to use the FP Quantizer Kernels",
    "FP Quantizer is using an untested triton version",
    "NVIDIA Inference is only supported on {name:name} and newer architectures",
    "{operator:name} cuda is not available from torch",
    "{operator:name} cuda is missing or is incompatible with installed torch, only cpu ops can be compiled!",
    "Skip pre-compile of incompatible {operator:name}; One can disable",
    "compatibility check failed ({reason}), treating the op as not compatible",
    "Please install torch CUDA if trying to pre-compile GDS",
    "gds requires the dev libaio .so object and headers but these were not found",
    "Torch did not find cuda available, if cross-compiling or running with cpu only you can ignore this message",
    "The cache directory for DeepSpeed Triton autotune, {directory:path}, appears to be on an NFS system",
    checks=("deepspeed-version-conflict",),
)
def deepspeed_leaves_op_out(found: Found) -> Verdict:
    """DeepSpeed says which of its operators it can do without here.

    sparse_attn wants PyTorch 1 and Triton 1.0, fp_quantizer Triton 2.3 to 3.2: neither is ever there on this machine, and
    OpenFold3 uses neither. evoformer_attn does not depend on them; where it is itself left out, OpenFold3 lacks
    its DeepSpeed kernels alone.

    Sources:
    - sparse_attn.py, fp_quantizer.py, builder.py and setup.py of DeepSpeed 0.15.4 and 0.19.8; deepspeedai/DeepSpeed #7452
    """
    if found["directory"]:
        return ok("DeepSpeed's Triton cache is on NFS: slower, not wrong; TRITON_CACHE_DIR moves it")
    return ok("DeepSpeed goes on without operators that it cannot build here: it matters only where they are asked for")
