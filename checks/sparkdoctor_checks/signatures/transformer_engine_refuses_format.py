"""TransformerEngine's number formats."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "{format:name} (for all gemm layouts) is not supported on {architecture:name} architectures yet",
    "Device compute capability {needed:number} or higher required for {format:name} execution",
    checks=("compute-capability-mismatch",),
)
def transformer_engine_refuses_format(found: Found) -> Verdict:
    """TransformerEngine refuses a number format on this GPU.

    MXFP8 is not supported on GPUs of 12.x yet (August 2026); FP8 with one factor for a whole tensor is.

    Sources:
    - transformer_engine/pytorch/quantization.py; NVIDIA/TransformerEngine #1939, #2668, #3195; NVIDIA/Megatron-LM #4175
    """
    name = found["format"]
    if found["needed"]:
        return fail(
            f"TransformerEngine needs a GPU of {found['needed']} for {name}",
            remedy=f"Train without {name}, in bf16.",
        )
    return fail(
        f"TransformerEngine does not do {name} on GPUs of 12.x",
        remedy="Take a recipe that scales whole tensors (DelayedScaling or Float8CurrentScaling), or bf16.",
    )
