"""ptxas and the architecture that it is asked for."""

from sparkdoctor.plugin import Found, Verdict, fail, ok, signature

KNOBS = ("TRITON_PTXAS_PATH", "TRITON_PTXAS_BLACKWELL_PATH")


@signature(
    "Value '{gpu:name}' is not defined for option 'gpu-name'",
    "; ptxas does not support CC {capability:number}",
    checks=("triton-ptxas-too-old", "triton-ptxas-path-ignored"),
)
def ptxas_refuses_architecture(found: Found) -> Verdict:
    """The assembler ptxas is too old for the architecture that it was given.

    sm_121 and sm_121a came with CUDA 12.9. Triton hands every kernel to a ptxas of its own: that of 3.4 and 3.5 is of CUDA 12.8;
    from 3.6 on a newer one is bundled for Blackwell. TRITON_PTXAS_PATH names another, and from Triton 3.6 on
    TRITON_PTXAS_BLACKWELL_PATH.

    Sources:
    - triton-lang/triton #8539, #9181, #10331; gpustack/gpustack #4372; InternLM/lmdeploy #3410
    - ptxas 12.8.93, 12.9.86 and 13.0.88, asked
    - openxla/xla #5932; jax-ml/jax #13570
    """
    if capability := found["capability"]:
        if not any(mark in line for line in found.after for mark in ("Check failed", "CUDA_ERROR_", "INTERNAL:")):
            return ok(f"XLA's ptxas does not know compute capability {capability}: the driver compiles in its place")
        return fail(
            f"XLA's ptxas does not know compute capability {capability}, and the driver cannot take its place",
            remedy="Put the ptxas of a newer toolkit first on PATH.",
            command="export PATH=/usr/local/cuda/bin:$PATH",
        )
    gpu = found["gpu"]
    digits = gpu.rpartition("_")[2].rstrip("af")
    if digits.isdigit() and int(digits) < 75:
        return fail(
            f"ptxas was asked for {gpu}, which CUDA 13 has dropped",
            remedy="Name this GPU's architecture, and build again.",
            command="export TORCH_CUDA_ARCH_LIST=12.1",
        )
    first = {"120": "12.8", "100": "12.8", "121": "12.9", "103": "12.9", "110": "13.0"}.get(digits)
    since = f": that came with CUDA {first}" if first else ": it is older than what wrote the code"
    return fail(
        f"ptxas does not know {gpu}{since}",
        remedy="Let Triton use the toolkit's ptxas (CUDA 12.9 or later), or upgrade PyTorch to 2.11 with its Triton 3.6.",
        command="export " + " ".join(f"{knob}=/usr/local/cuda/bin/ptxas" for knob in KNOBS),
    )
