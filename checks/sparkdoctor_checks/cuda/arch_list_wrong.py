"""TORCH_CUDA_ARCH_LIST."""

from collections.abc import Callable

from sparkdoctor.architecture import Capability, native
from sparkdoctor.facts import ArchList, Gpu, Python, target
from sparkdoctor.facts.python import Distribution
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
    judged = _judge(arches, wanted, None if isinstance(python, Missing) else python.distribution("deepspeed"))
    if isinstance(judged, Verdict):
        return judged
    level, text = judged
    return level(
        f"TORCH_CUDA_ARCH_LIST={arches.text!r}{text}",
        expected=best,
        observed=arches.text,
        remedy=f"Set it to {best}, or unset it.",
        command=f"export TORCH_CUDA_ARCH_LIST={best}",
    )


def _judge(
    arches: ArchList, wanted: Capability | None, deepspeed: Distribution | None
) -> Verdict | tuple[Callable[..., Verdict], str]:
    """A verdict, or the level of the problem and the words for it."""
    if arches.refused:
        return fail, f": PyTorch does not know {', '.join(repr(entry) for entry in arches.refused)}"
    specific = [entry for entry in arches.entries if entry.removesuffix("+PTX").endswith("a")]
    if specific and deepspeed and deepspeed.release[:2] >= (0, 19):
        return fail, f": DeepSpeed {deepspeed.version} cannot read {specific[0]!r}"
    if wanted is None:
        return skip("neither the profile nor a GPU says which architecture is wanted")
    useful = tuple(code for code in arches.codes if code.runs_on(wanted))
    if not useful:
        return fail, f" makes no code that runs on {wanted}"
    if not native(useful, wanted):
        return warn, f" makes only PTX for {wanted}, which the driver compiles anew at first use"
    useless = sorted({code.capability for code in arches.codes if not code.ptx and code not in useful})
    if useless:
        shown = ", ".join(str(capability) for capability in useless)
        return warn, f": code for {shown} never runs on {wanted}; it multiplies the time and memory of every build"
    return ok(f"TORCH_CUDA_ARCH_LIST={arches.text!r}", expected=str(wanted), observed=arches.text)
