"""TORCH_CUDA_ARCH_LIST."""

from sparkdoctor.facts import ArchList, Gpu, Python, target
from sparkdoctor.facts.archlist import fault
from sparkdoctor.plugin import Broken, Missing, Verdict, check, fail, ok, skip, warn
from sparkdoctor.profiles import Profile


@check
def arch_list_wrong(arches: ArchList | Missing, gpu: Gpu | Missing, python: Python | Missing, profile: Profile) -> Verdict:
    """TORCH_CUDA_ARCH_LIST, where it is set, makes code for this GPU.

    12.0 and 12.1 both serve a GB10; unset serves it too, since PyTorch then asks the GPU. `12.0f` and `12.1f` are no
    PyTorch names (`Unknown CUDA arch (12.0f) or GPU not supported`). `12.1a` is one, but DeepSpeed from 0.19 on stops at
    it (`invalid literal for int() with base 10: '1a'`). 9.0 is no fallback: its code never runs on 12.x and only costs
    compile time and memory.

    Sources:
    - torch/utils/cpp_extension.py, _get_cuda_arch_flags, of the installed PyTorch where there is one
    - DeepSpeed 0.19.0 to 0.19.8, run; deepspeedai/DeepSpeed #8619
    """
    if isinstance(arches, Broken):
        return skip(arches.reason)
    if isinstance(arches, Missing):
        return ok("not set: a build takes the architecture of the GPU that it sees")
    wanted = target(profile, gpu)
    best = str(wanted) if wanted else "native"
    problem = fault(arches, wanted, None if isinstance(python, Missing) else python.distribution("deepspeed"))
    if problem is None and wanted is None:
        return skip("neither the profile nor a GPU says which architecture is wanted")
    if problem is None:
        return ok(f"TORCH_CUDA_ARCH_LIST={arches.text!r}", expected=str(wanted), observed=arches.text)
    return (fail if problem.fatal else warn)(
        f"TORCH_CUDA_ARCH_LIST={arches.text!r}{problem.words}",
        expected=best,
        observed=arches.text,
        remedy=f"Set it to {best}, or unset it.",
        command=f"export TORCH_CUDA_ARCH_LIST={best}",
    )
