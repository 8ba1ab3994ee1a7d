"""Attention kernels and the GPUs that they know."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "FATAL: kernel {kernel} is for sm{range}, but was built for sm{built:int}",
    "FATAL: kernel built for sm{range}, but running on sm{built:int}",
    "FlashAttention only supports Ampere GPUs or newer",
    checks=("torch-cannot-compute", "torch-lacks-kernels", "torch-too-old"),
)
def attention_kernel_refuses_gpu(found: Found) -> Verdict:
    """An attention kernel refuses to run on this GPU.

    PyTorch's memory-efficient attention was written for sm_80 to sm_100; built for sm_121 it stops with FATAL. Official wheels
    and NVIDIA's images carry it as sm_120 or sm_80 code that runs. Older builds of FlashAttention know sm_8x and sm_90 alone.

    Sources:
    - pytorch/pytorch #176093, #176243; GuigsEvt/dgx_spark_config #5
    - Dao-AILab/flash-attention #1969, #762; lihaoyun6/ComfyUI-FlashVSR_Ultra_Fast #58
    """
    if not found["built"]:
        return fail(
            "an old build of FlashAttention does not know this GPU",
            remedy="Do without it: PyTorch's own attention (SDPA) is the one to use on GB10.",
            command="python3 -m pip uninstall --yes flash-attn",
        )
    return fail(
        f"an attention kernel for sm{found['range']} was built for sm{found['built']}, and stops",
        remedy="Take an official PyTorch of 2.11 or later, or NVIDIA's image, in place of one built for sm_121 alone.",
        command="python3 -m pip install --force-reinstall 'torch>=2.11'",
    )
