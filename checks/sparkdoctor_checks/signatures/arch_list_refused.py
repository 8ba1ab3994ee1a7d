"""What TORCH_CUDA_ARCH_LIST may hold."""

from sparkdoctor.plugin import Found, Verdict, fail, ok, signature
from sparkdoctor_checks.signatures.renewal import renewed


@signature(
    "Unknown CUDA arch ({architecture}) or GPU not supported",
    "IndexError: list index out of range",
    "TORCH_CUDA_ARCH_LIST is not set, all archs for visible cards are included for compilation",
    checks=("arch-list-wrong", "torch-too-old"),
)
def arch_list_refused(found: Found) -> Verdict | None:
    """TORCH_CUDA_ARCH_LIST holds what a build cannot read.

    `12.0f` and `12.1f` are no names of PyTorch's, and each PyTorch knows only the architectures of its time: 12.0 from 2.7 on,
    12.1 from 2.9. An older one stops at 12.0 also where the variable is not set: it asks the GPU.
    `12.1a` is one, but DeepSpeed from 0.19 on reads it as a number and stops at `1a`. Several are parted by semicolons or blanks.
    Where it is not set, PyTorch builds for the GPUs that it sees; `docker build` sees none, and the list is empty.

    Sources:
    - _get_cuda_arch_flags in torch/utils/cpp_extension.py; DeepSpeed 0.19.0 to 0.19.8, run; deepspeedai/DeepSpeed #8619
    - OpenBMB/BMTrain #83, xdit-project/xDiT #572, GiantAI/pixtrack #13
    """
    if "is not set" in found.line:
        return ok("TORCH_CUDA_ARCH_LIST is not set: the build asks the GPUs that it sees, which is right where it sees one")
    if "IndexError" in found.line:
        if not any("_get_cuda_arch_flags" in line or "arch_list[-1]" in line for line in found.before[-4:]):
            return None
        return fail(
            "an extension is built where no GPU can be seen, and TORCH_CUDA_ARCH_LIST does not say for which",
            remedy="Name the architecture; in a Dockerfile, with ENV before the build.",
            command="export TORCH_CUDA_ARCH_LIST=12.1",
        )
    architecture = found["architecture"]
    if "{" in architecture:
        return None
    plain = architecture.removesuffix("+PTX")
    if plain in ("12.0", "12.0a"):
        remedy, command = renewed(found, "Install a PyTorch that was built for this GPU.", "--upgrade 'torch>=2.11'")
        return fail(f"this PyTorch is older than this GPU: it does not know {architecture}", remedy=remedy, command=command)
    if plain in ("12.1", "12.1a"):
        return fail(
            f"this PyTorch is older than {architecture} in TORCH_CUDA_ARCH_LIST",
            remedy="Build for 12.0, which runs on 12.1 too.",
            command="export TORCH_CUDA_ARCH_LIST=12.0",
        )
    return fail(
        f"PyTorch does not know `{architecture}` in TORCH_CUDA_ARCH_LIST",
        remedy="Set it to 12.1, or unset it.",
        command="export TORCH_CUDA_ARCH_LIST=12.1",
    )
