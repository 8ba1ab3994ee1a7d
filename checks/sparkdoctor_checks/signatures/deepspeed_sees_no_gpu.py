"""DeepSpeed without a GPU."""

from sparkdoctor.plugin import ANYTHING, Found, Verdict, fail, signature


@signature(
    "ValueError: This op had not been implemented on {backend:name} backend",
    checks=("gpu-not-visible", "torch-without-cuda", "driver-missing"),
    because=(ANYTHING,),
)
def deepspeed_sees_no_gpu(found: Found) -> Verdict:
    """DeepSpeed runs without a GPU, and is asked for an operator of one.

    It takes the CPU where PyTorch sees no GPU: PyTorch is a CPU build (on aarch64 all of PyPI's before 2.11 are), or the
    container was started without the GPU.

    Sources:
    - op_builder/cpu/no_impl.py and real_accelerator.py of DeepSpeed 0.15.4 and 0.19.8, run
    """
    return fail(
        f"DeepSpeed runs on the {found['backend']}: PyTorch sees no GPU",
        remedy="Find out why PyTorch sees no GPU.",
        command="sparkdoctor check gpu-not-visible torch-without-cuda",
    )
