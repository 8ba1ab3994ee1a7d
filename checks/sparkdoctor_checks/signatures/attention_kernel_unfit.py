"""Attention kernels that refuse this GPU."""

from sparkdoctor.plugin import Found, Verdict, fail, signature, warn
from sparkdoctor_checks.signatures.renewal import renewed


@signature(
    " FlashAttention only supports Ampere GPUs or newer",
    "FATAL: kernel {kernel} is for sm{least:int}-sm{most:int}, but was built for sm{built:int}",
    "FATAL: kernel built for sm{least:int}-sm{most:int}, but running on sm{built:int}",
    "FlashAttention{generation:int} has been toggled on, but it cannot be used due to the following error: {reason}",
    "xFormers can't load C++/CUDA extensions",
    "No operator found for `memory_efficient_attention_{direction:name}` with inputs",
    checks=("compute-capability-mismatch", "torch-cannot-compute", "torch-lacks-kernels"),
)
def attention_kernel_unfit(found: Found) -> Verdict:
    """An attention kernel does not take this GPU.

    A flash-attn that counts only 8.x and 9.x calls a newer GPU too old; the kernels in custom builds of PyTorch and in
    xformers end at sm_100 or 9.0. PyTorch's own scaled_dot_product_attention runs on 12.1 in its official wheels. OpenFold3
    needs none of these packages.

    Sources:
    - Dao-AILab/flash-attention #1464, #1969; GuigsEvt/dgx_spark_config #5; pytorch/pytorch #176093
    - facebookresearch/xformers #1263; Comfy-Org/ComfyUI #11602
    """
    if found["direction"]:
        after = next((line.strip() for line in found.after if "your GPU has capability" in line), "")
        why = " (too new for them)" if "too new" in after else ""
        return fail(
            f"xformers has no attention kernel for this GPU or these inputs{why}",
            remedy="Do without xformers: PyTorch's own attention takes its place.",
            command="python3 -m pip uninstall -y xformers",
        )
    if built := found["built"]:
        if "but running on" in found.line:
            return fail(
                f"an attention kernel ends at sm_{found['most']}, and refuses sm_{built}",
                remedy='Do without flash-attn (attn_implementation="sdpa").',
                command="python3 -m pip uninstall -y flash-attn",
            )
        remedy, command = renewed(
            found, "Take PyTorch's official wheel, whose kernels run here.", "--force-reinstall 'torch>=2.11'"
        )
        return fail(
            f"this PyTorch was built for sm_{built}, where its attention kernels end at sm_{found['most']}",
            remedy=remedy,
            command=command,
        )
    if "xFormers" in found.line:
        return warn(
            "xformers was built for another PyTorch than the one that is here, and goes without its kernels",
            remedy="Do without xformers: PyTorch's own attention takes its place.",
            command="python3 -m pip uninstall -y xformers",
        )
    if reason := found["reason"]:
        return fail(
            f"flash-attn was asked for, and cannot be used: {reason}",
            remedy='Ask for PyTorch\'s own attention instead (attn_implementation="sdpa").',
        )
    return fail(
        "flash-attn refuses this GPU: it is older than 8.0, or newer than this flash-attn",
        remedy='Do without flash-attn (attn_implementation="sdpa").',
        command="python3 -m pip uninstall -y flash-attn",
    )
