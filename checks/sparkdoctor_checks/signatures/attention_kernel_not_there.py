"""OpenFold3's kernels for attention."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

OFF = "model_update.custom.settings.memory.eval"
CHECK = "sparkdoctor check kernel-backend-unavailable triton-missing"


@signature(
    "Triton kernels requested (use_triton_triangle_kernels=True) but",
    "requires that DeepSpeed be installed and that the deepspeed.ops.deepspeed4science package exists",
    "requires that DeepSpeed be installed ",
    "Running with {switch:word} but package is not",
    "Choose at most one alternative attention algorithm",
    checks=("kernel-backend-unavailable", "triton-missing", "deepspeed-missing"),
    because=("gpu-backend-not-found", "openfold-module-missing"),
)
def attention_kernel_not_there(found: Found) -> Verdict | None:
    """The attention kernels that the settings ask for are not there.

    By default these are DeepSpeed's up to 0.4.2 and OpenFold3's own in Triton from 0.4.4 on. The query fails in the middle of
    the prediction, whose exit status is 0 all the same.

    Sources:
    - OpenFold3 0.5.0, run without Triton, DeepSpeed and cuEquivariance; core/model/primitives/attention.py of 0.3.1 to 0.5.0
    - model_config.py of OpenFold3 0.4.1 to 0.4.4; aqlaboratory/openfold-3 #300
    """
    text = found.line
    if text.endswith(('"', "(")) and "Error:" not in text and "query_id" not in text:  # a traceback shows the source
        return None
    if "Triton" in text:
        return fail(
            "OpenFold3's Triton kernels are asked for, as is the default, and Triton is not installed or does not load",
            remedy=f"Install Triton, or turn them off in the runner YAML (use_triton_triangle_kernels: false under {OFF}).",
            command=CHECK,
        )
    if "DeepSpeed" in text:
        return fail(
            "the settings ask for DeepSpeed's attention, and DeepSpeed is not installed",
            remedy=f"Install it, or turn it off in the runner YAML (use_deepspeed_evo_attention: false under {OFF}).",
            command="sparkdoctor check kernel-backend-unavailable deepspeed-missing",
        )
    if "cueq" in found["switch"]:
        return fail(
            "the settings ask for cuEquivariance's kernels, and it is not installed, or finds no GPU",
            remedy=f"Install it, or turn it off in the runner YAML (use_cueq_triangle_kernels: false under {OFF}).",
            command="sparkdoctor check kernel-backend-unavailable",
        )
    if found["switch"]:
        return None
    return fail(
        "the settings ask for two kinds of attention at once",
        remedy=f"Leave one of them on in the runner YAML ({OFF}); use_lma goes with none of the others.",
        command="sparkdoctor check kernel-backend-unavailable",
    )
