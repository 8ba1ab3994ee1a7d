"""The architectures that DeepSpeed builds for."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "ValueError: invalid literal for int() with base 10: '{suffix:name}'",
    "Unable to load {operator:name} op due to no compute capabilities remaining after filtering",
    "DeepSpeed JIT builder for '{operator:name}' found no CUDA devices",
    "DeepSpeed JIT builder for '{operator:name}' cannot probe CUDA device capabilities",
    checks=("arch-list-wrong", "deepspeed-misparses-architecture", "gpu-not-visible"),
)
def deepspeed_finds_no_architecture(found: Found) -> Verdict | None:
    """DeepSpeed has no architecture to build for, or cannot read it.

    From 0.19.0 on it reads TORCH_CUDA_ARCH_LIST as numbers only: 12.1a and 12.0f, which PyTorch and nvcc know, are a ValueError.
    Before 0.16.4 its filters take the first character of 12.1 for the major version, and nothing is left.

    Sources:
    - compute_capability_args and filter_ccs of DeepSpeed 0.15.4 to 0.19.8, run with a faked 12.1; deepspeedai/DeepSpeed #6991
    """
    suffix = found["suffix"]
    if suffix:
        around = " ".join((*found.before, *found.after)).lower()
        if not suffix[0].isdecimal() or suffix[-1] not in "af" or not ("deepspeed" in around or "op_builder" in around):
            return None
        return fail(
            f"DeepSpeed cannot read TORCH_CUDA_ARCH_LIST: it holds `{suffix}`, and takes 12.1, not 12.1a",
            remedy="Name the architecture by its number alone.",
            command="export TORCH_CUDA_ARCH_LIST=12.1",
        )
    operator = found["operator"]
    if "after filtering" in found.line:
        return fail(
            f"DeepSpeed cannot build {operator}: of the architectures none is left (before 0.16.4 it reads 12.1 as 1)",
            remedy="Mend DeepSpeed's builder, or take DeepSpeed 0.16.4 or later.",
            command="sparkdoctor fix patch-deepspeed",
        )
    return fail(
        f"DeepSpeed cannot ask a GPU what to build {operator} for",
        remedy="Name this GPU's architecture.",
        command="export TORCH_CUDA_ARCH_LIST=12.1",
    )
