"""What the first use will have to wait for."""

from collections.abc import Callable
from typing import NamedTuple

from sparkdoctor.facts import Attention, Deepspeed, DeepspeedBuilder, Extensions, Gpu, Python, TritonKernels
from sparkdoctor.facts.attention import evoformer_unused
from sparkdoctor.facts.evoformer import changed, threads_of
from sparkdoctor.facts.extensions import FIRST as EVOFORMER
from sparkdoctor.facts.extensions import Build, State
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok, skip, warn
from sparkdoctor.profiles import Profile

COST = "about 3 minutes on a GB10"
WARM = "sparkdoctor fix warm-kernels"
KEEP = "Ask for as many threads as it was built with."
BUILD = "Build it now, before it is needed."


@check
def kernels_not_warm(  # noqa: PLR0913, PLR0917 (two caches, and what decides whether they serve)
    python: Python,
    attention: Attention | Missing,
    extensions: Extensions,
    deepspeed: Deepspeed | Missing,
    builder: DeepspeedBuilder | Missing,
    triton: TritonKernels | Missing,
    gpu: Gpu | Missing,
    profile: Profile,
) -> Verdict:
    """The kernels that will be used are compiled already.

    DeepSpeed compiles evoformer_attn at its first use: about 3 minutes on a GB10. OpenFold3 uses it by default before 0.4.3; from
    0.4.4 on it uses Triton kernels, which cost a first prediction about 11 seconds more (25 instead of 14, on an H100). A
    library that was built with other flags than DeepSpeed passes today is built anew, all of it: for another architecture, or
    on a machine with another number of processors (`--threads`). Triton compiles OpenFold3's attention anew for each number of
    tokens, unless OF3_TRITON_DYNAMIC_SHAPES=1: which lengths it has compiled cannot be seen.

    Sources:
    - aqlaboratory/openfold-3 #78: ubiquitin on a GB10 took 9 s warm and about 3 min cold
    - OpenFold3 0.3.0 to 0.5.0, its default kernels; measured on an H100, docs/sources.md
    """
    if stuck := _stuck(attention, extensions, deepspeed):
        return stuck
    evoformer = _evoformer(
        python, attention, extensions, deepspeed, lambda build: changed(build, deepspeed, builder, gpu, profile)
    )
    kernels = _kernels(attention, triton)
    both = [kernel for kernel in (evoformer, kernels) if kernel]
    cold = [kernel for kernel in both if kernel.remedy]
    if cold:
        return warn(
            f"the first use compiles first: {'; '.join(kernel.words for kernel in cold)}",
            expected="compiled kernels",
            observed="none yet",
            evidence=tuple(kernel.words for kernel in cold),
            remedy=cold[0].remedy,
            command=cold[0].command,
        )
    if ready := [kernel.words for kernel in both if kernel.ready]:
        return ok("; ".join(ready))
    if both:
        return skip(f"{'; '.join(kernel.words for kernel in both)}: told by the checks of the extension cache")
    if not isinstance(attention, Missing) and attention.triton and isinstance(triton, Missing):
        return skip(triton.reason)
    return skip("neither DeepSpeed's nor OpenFold3's kernels are in use here")


class _Kernels(NamedTuple):
    """Kernels that are in use: ready, cold (then with what to do), or in a state that other checks tell."""

    words: str
    ready: bool = False
    remedy: str = ""
    command: str | None = None


def _evoformer(
    python: Python,
    attention: Attention | Missing,
    extensions: Extensions,
    deepspeed: Deepspeed | Missing,
    changed: Callable[[Build], str],
) -> _Kernels | None:
    if isinstance(deepspeed, Missing) or evoformer_unused(attention):
        return None
    built = extensions.named(EVOFORMER)
    if EVOFORMER in deepspeed.prebuilt:
        return _Kernels(f"{EVOFORMER} was built when DeepSpeed {deepspeed.version} was installed", ready=True)
    if built is None:
        words = f"DeepSpeed's {EVOFORMER} is not in {extensions.root.path}: {COST}{_moving(extensions)}"
        return _Kernels(words, remedy=BUILD, command=_load(python))
    if built.state is not State.WHOLE:
        return _Kernels(f"{EVOFORMER} {built.state}")
    if built.build and (flags := changed(built.build)):
        words = f"DeepSpeed builds {EVOFORMER} anew ({flags}): {COST}"
        threads = threads_of(built.build)
        if threads in (None, deepspeed.threads):
            return _Kernels(words, remedy=BUILD, command=_load(python))
        return _Kernels(words, remedy=KEEP, command=f"export DS_NVCC_THREADS={threads}")
    return _Kernels(f"{EVOFORMER} {built.state}", ready=True)


def _kernels(attention: Attention | Missing, triton: TritonKernels | Missing) -> _Kernels | None:
    if isinstance(attention, Missing) or not attention.triton or isinstance(triton, Missing):
        return None
    where = triton.place.path
    if triton.warm:
        return _Kernels(f"Triton has compiled OpenFold3's kernels in {where} ({len(triton.names)})", ready=True)
    if triton.unseen:
        return _Kernels(f"{where} has more entries than were looked into")
    others = f", only for other GPUs ({len(triton.others)})" if triton.others else ""
    words = f"Triton has not compiled OpenFold3's kernels in {where}{others}: about 11 s more, on an H100"
    return _Kernels(words, remedy="Have OpenFold3 make a small prediction now, before the one that counts.", command=WARM)


def _load(python: Python) -> str:
    from shlex import quote  # noqa: PLC0415

    load = "from deepspeed.ops.op_builder import EvoformerAttnBuilder as b; b().load()"
    return f'{quote(python.path)} -c "{load}"'


def _stuck(attention: Attention | Missing, extensions: Extensions, deepspeed: Deepspeed | Missing) -> Verdict | None:
    """The verdict where this user can neither build nor load evoformer_attn."""
    built = extensions.named(EVOFORMER)
    obstacle = extensions.root.obstacle
    if built:
        obstacle = "" if built.writable else f"{built.path} cannot be written by this user"
    if isinstance(deepspeed, Missing) or evoformer_unused(attention) or EVOFORMER in deepspeed.prebuilt or not obstacle:
        return None
    return fail(
        f"DeepSpeed's {EVOFORMER} can be neither built nor loaded: {obstacle}",
        expected="a cache of extensions that this user can write",
        observed=obstacle,
        remedy="Let TORCH_EXTENSIONS_DIR lead to a directory that this user can write.",
        command=extensions.elsewhere,
    )


def _moving(extensions: Extensions) -> str:
    """A word on a cache that each working directory has anew."""
    given = extensions.variable or "/"
    return (
        "" if given.startswith("/") else f" (TORCH_EXTENSIONS_DIR={given} begins in the working directory; PyTorch expands no ~)"
    )
