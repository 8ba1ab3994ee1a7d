"""Instructions that a GPU does not have."""

from sparkdoctor.plugin import Found, Verdict, fail, signature
from sparkdoctor_checks.signatures.renewal import renewed

THIS = "export TORCH_CUDA_ARCH_LIST=12.1"


@signature(
    "Instruction '{instruction}' not supported on .target '{target:name}'",
    "Feature '{instruction}' not supported on .target '{target:name}'",
    "Modifier '{instruction}' not supported on .target '{target:name}'",
    "Instruction '{instruction}' cannot be compiled for architecture '{target:name}'",
    "Feature '{instruction}' requires .target {needed:name} or higher",
    "LLVM ERROR: Cannot select: intrinsic %llvm.nvvm.{instruction:name}",
    "Arch conditional MMA instruction used without targeting appropriate compute capability",
    "Attempting to use {instruction} without {macro:name}_ENABLED",
    "Trying to use {instruction} without {macro:name}_ENABLED",
    checks=("arch-list-wrong", "triton-torch-mismatch"),
    because=("llvm-lacks-architecture",),
)
def instruction_not_on_this_gpu(found: Found) -> Verdict | None:
    """A kernel uses instructions that the GPU it is compiled for does not have.

    wgmma is Hopper's alone (sm_90a), tcgen05 with its tensor memory that of sm_100, sm_103 and sm_110; GPUs of 12.x have
    neither. What is written for them cannot be built for 12.1 by any option. Others, as the scaled products of FP4 and FP8,
    ask for sm_121a where sm_121 was named.

    Sources:
    - ptxas 13.0.88 asked for wgmma and tcgen05 on sm_121 and sm_121a
    - NVIDIA/cutlass #1874, #3174
    - thu-ml/SageAttention #291; pytorch/FBGEMM #4975; antirez/ds4 #672; triton-lang/triton #11747; NVIDIA/cuEquivariance #255
    """
    instruction, target = found["instruction"], found["target"]
    if "Arch conditional MMA" in found.line or found["macro"].startswith(("CUTE_", "CUTLASS_")):
        hopper = "SM90" in found["macro"] or "wgmma" in instruction
        return fail(
            "a kernel of CUTLASS was built without the features that it uses"
            + (", which only Hopper has" if hopper else ": for 12.x they need `a` or `f` behind the architecture"),
            remedy="Turn that kernel off, or take a version of its package that has one for 12.x (sm_120)."
            if hopper
            else "Build for this GPU with its own features, which `a` stands for (nvcc -arch=sm_121a).",
            command=None if hopper else "export TORCH_CUDA_ARCH_LIST=12.1a",
        )
    if found["macro"]:
        return None
    if found["needed"]:
        return fail(
            f"code was to be compiled for a GPU older than {found['needed']}, which lacks what it uses",
            remedy="Name this GPU's architecture alone, and build again.",
            command=THIS,
        )
    of = f" ({target})" if target else ""
    other = next((name for name in ("wgmma", "tcgen05") if name in instruction), "")
    if other or ".cta_group" in instruction:
        whose = "Hopper" if other == "wgmma" else "B200 and its like"
        return fail(
            f"a kernel uses {other or 'tcgen05'}, which only {whose} have, not the GPU that it is compiled for{of}",
            remedy="Turn that kernel off, or take a version of its package that has one for 12.x (sm_120).",
        )
    if not target:
        remedy, command = renewed(
            found,
            "Upgrade PyTorch and Triton, and the package that brings its own compiler.",
            "--upgrade 'torch>=2.11' 'triton>=3.6'",
        )
        return fail("the compiler in a package (LLVM) does not know the instructions of this GPU", remedy=remedy, command=command)
    return fail(
        f"a kernel uses instructions that {target} does not have",
        remedy="Build this for the GPU with its own features, which `a` stands for; then unset it: DeepSpeed cannot read it.",
        command="export TORCH_CUDA_ARCH_LIST=12.1a CUDAARCHS=121a",
    )
