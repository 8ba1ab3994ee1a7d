"""The architectures that DeepSpeed builds for."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

READERS = ("deepspeed", "op_builder", "cpp_extension", "arch_list")
"""What reads an architecture, by what stands around the message."""
OURS = ("0a", "0f", "1a", "1f")
"""What DeepSpeed leaves of 12.0 and 12.1 with a letter; other such words in a query may be numbers of residues."""


@signature(
    "invalid literal for int() with base 10: '{suffix:name}'",
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
    - deepspeedai/DeepSpeed #7589; pytorch/pytorch #144037
    """
    suffix = found["suffix"]
    if suffix:
        around = " ".join((*found.before, found.line, *found.after)).lower()
        if (
            not suffix[:-1].isdecimal()
            or suffix[-1] not in "af"
            or not (any(mark in around for mark in READERS) or (suffix in OURS and "query_id(s)" in found.line))
        ):
            return None
        if len(suffix) > 2:
            return fail(
                f"an architecture is read as a number, and `{suffix}` is none: it is in TORCH_CUDA_ARCH_LIST, or PyTorch has it",
                remedy="Name this GPU's architecture, by its number alone.",
                command="export TORCH_CUDA_ARCH_LIST=12.1",
            )
        return fail(
            f"DeepSpeed cannot read TORCH_CUDA_ARCH_LIST: it holds `{suffix}`, and takes 12.{suffix[0]}, not 12.{suffix}",
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
