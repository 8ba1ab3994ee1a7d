"""Attention kernels that refuse this GPU."""

from sparkdoctor.plugin import Found, Verdict, fail, signature, warn


@signature(
    " FlashAttention only supports Ampere GPUs or newer",
    "FATAL: kernel {kernel} is for sm{least:int}-sm{most:int}, but was built for sm{built:int}",
    "FATAL: kernel built for sm{least:int}-sm{most:int}, but running on sm{built:int}",
    "FlashAttention{generation:int} has been toggled on, but it cannot be used due to the following error: {reason}",
    "No supported CUDA architectures found for major versions [{majors}].",
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
    - Dao-AILab/flash-attention #762, #1969; GuigsEvt/dgx_spark_config #5; pytorch/pytorch #176093
    - vllm-project/vllm #31740 (FlashInfer); facebookresearch/xformers #1263; Comfy-Org/ComfyUI #11602
    """
    if found["direction"]:
        after = next((line.strip() for line in found.after if "your GPU has capability" in line), "")
        why = " (too new for them)" if "too new" in after else ""
        return fail(
            f"xformers has no attention kernel for this GPU or these inputs{why}",
            remedy="Do without xformers: PyTorch's own attention takes its place.",
            command="python -m pip uninstall -y xformers",
        )
    if majors := found["majors"]:
        return fail(
            f"FlashInfer was asked for a kernel that it has for compute capability {majors.replace(', ', '.x, ')}.x alone",
            remedy="Choose another attention or MoE backend; unset what forces FlashInfer's (VLLM_USE_FLASHINFER_…).",
            command="env | grep -iE 'flashinfer|attention_backend'",
        )
    if built := found["built"]:
        return fail(
            f"this PyTorch was built for sm_{built}, where its attention kernels end at sm_{found['most']}",
            remedy="Take PyTorch's official wheel, whose kernels run here.",
            command="python -m pip install --force-reinstall 'torch>=2.11'",
        )
    if "xFormers" in found.line:
        return warn(
            "xformers was built for another PyTorch than the one that is here, and goes without its kernels",
            remedy="Do without xformers: PyTorch's own attention takes its place.",
            command="python -m pip uninstall -y xformers",
        )
    if reason := found["reason"]:
        return fail(
            f"flash-attn was asked for, and cannot be used: {reason}",
            remedy='Ask for PyTorch\'s own attention instead (attn_implementation="sdpa").',
        )
    return fail(
        "flash-attn refuses this GPU: it is older than 8.0, or newer than this flash-attn",
        remedy='Do without flash-attn (attn_implementation="sdpa"), or build a newer one for this GPU.',
        command="python -m pip uninstall -y flash-attn",
    )
