"""Kernels that are compiled before they are needed."""

from typing import NamedTuple

from sparkdoctor.facts import (
    ArchList,
    Attention,
    BuildFiles,
    BuildSettings,
    Cgroup,
    Compilers,
    Cutlass,
    Deepspeed,
    EvoformerPlace,
    Extensions,
    Gpu,
    Memory,
    Ninja,
    Nvcc,
    Python,
    Triton,
    TritonKernels,
    gib,
)
from sparkdoctor.facts.attention import evoformer_unused
from sparkdoctor.facts.build import COMPILER_BYTES
from sparkdoctor.facts.build_files import CUDA
from sparkdoctor.facts.deepspeed_builder import Flags
from sparkdoctor.facts.evoformer import OBEYS, changed, other_codes
from sparkdoctor.facts.extensions import FIRST as EVOFORMER
from sparkdoctor.facts.extensions import State
from sparkdoctor.facts.nvcc import APPEND, REFUSAL
from sparkdoctor.facts.places import Place
from sparkdoctor.facts.triton import unfit
from sparkdoctor.plugin import Answer, MakeDirectory, Missing, Move, NotNeeded, Plan, Refused, Step, Work, fix
from sparkdoctor.profiles import Profile

JOBS = 2
"""Compilers that evoformer_attn can use: attention_back.cu takes longer than its two other files one after the other."""
RESERVE = 4 << 30
"""Bytes of memory that a build leaves alone, or an eighth of a small machine's."""
ROOM, SCRATCH = 256 << 20, 512 << 20
"""Bytes that the extension takes (30 MiB), and compilers' temporary files (200 MiB); measured, and doubled at least."""
TOLD = {
    State.LOCKED: "clear-extension-lock",
    State.DAMAGED: "rebuild-extension",
    State.OUTDATED: "rebuild-extension",
    State.FOREIGN: "quarantine-foreign-extension",
}
CACHED = 64 << 20
"""Bytes that Triton's kernels take (6 MiB on an H100), and as much again many times over."""
PREDICTION = 4 << 30
"""Bytes of memory that a prediction of ubiquitin takes with a model of one block each; 3.2 GiB were measured on the CPU."""


@fix(
    cures=("kernels-not-warm",),
    after=(
        "patch-deepspeed",
        "find-cutlass",
        "set-environment",
        "install-build-tools",
        "clear-extension-lock",
        "rebuild-extension",
        "quarantine-foreign-extension",
        "secure-extension-cache",
    ),
)
def warm_kernels(  # noqa: PLR0913, PLR0917 (a build rests on all of these)
    python: Python,
    attention: Attention | Missing,
    extensions: Extensions,
    deepspeed: Deepspeed | Missing,
    arches: ArchList | Missing,
    place: EvoformerPlace,
    triton: Triton | Missing,
    kernels: TritonKernels | Missing,
    gpu: Gpu | Missing,
    nvcc: Nvcc | Missing,
    compilers: Compilers,
    ninja: Ninja,
    files: BuildFiles | Missing,
    cutlass: Cutlass | Missing,
    settings: BuildSettings | Missing,
    memory: Memory | Missing,
    cgroup: Cgroup | Missing,
    profile: Profile,
) -> Answer:
    """The kernels that will be used are built, proven and loaded.

    DeepSpeed's own builder builds evoformer_attn with the flags that it would make at first use, in the directory where PyTorch
    will look for it, with as many compilers at once as fit into memory. Forward and backward pass are compared with float64 at
    the size of ubiquitin, and in a new process ninja must find nothing to do. A build for other flags is moved aside.

    It takes minutes, and the GPU that DeepSpeed will use, from which DeepSpeed reads the architecture.

    From OpenFold3 0.4.4 on, whose kernels are Triton's, it is a prediction that compiles them: OpenFold3 itself predicts
    ubiquitin twice, each time in a new process, with random weights of a model of one block each, whose kernels are those of
    the whole model. The first one fills Triton's cache, the second must find all of it there. Triton compiles OpenFold3's
    attention anew for each number of tokens, unless OF3_TRITON_DYNAMIC_SHAPES=1; the other kernels serve all lengths.

    For the build alone NVCC_APPEND_FLAGS=--split-compile=0 lets nvcc optimise the functions of one file side by side. GCC's
    garbage collector is kept still, which saves a sixth of GCC's time for the same object. A third compiler at once would only
    take memory: attention_back.cu takes longer than the other two files one after the other. DeepSpeed's own flags stay as they
    are, so its next load has nothing to build.

    Sources:
    - measured on an H100 and with nvcc 13.0.88, docs/sources.md
    - jit_load in op_builder/builder.py of DeepSpeed 0.15.4 to 0.19.8; torch/utils/cpp_extension.py
    """
    if not isinstance(attention, Missing) and attention.triton:
        return _by_a_prediction(python, attention.version, triton, kernels, gpu, compilers, memory, cgroup)
    if isinstance(deepspeed, Missing) or evoformer_unused(attention):
        return NotNeeded(evoformer_unused(attention) or (deepspeed.reason if isinstance(deepspeed, Missing) else ""))
    if EVOFORMER in deepspeed.prebuilt:
        return NotNeeded(f"{EVOFORMER} was built when DeepSpeed {deepspeed.version} was installed")
    if (answer := _as_it_lies(extensions, place, deepspeed, arches, gpu, profile)) is not None:
        return answer
    refusal = (
        _refused_place(extensions, place)
        or _refused_device(deepspeed, gpu, nvcc)
        or _refused_tools(python, nvcc, compilers, ninja)
        or _refused_files(files, cutlass)
    )
    if refusal:
        return refusal
    budget = _budget(deepspeed, gpu, settings, memory, cgroup)
    if isinstance(budget, Refused):
        return budget
    parents = _missing(extensions.root)
    environment = [("MAX_JOBS", str(budget.jobs))]
    if place.flags != place.append:
        environment.append((APPEND, place.flags))
    steps: list[Step] = [Move(place.path, place.aside)] if place.inside is not None else []
    steps += [MakeDirectory(path) for path in parents]
    steps += [
        MakeDirectory(place.path, filled=True),
        Work(
            python.path,
            "warm",
            (place.path,),
            f"build {EVOFORMER} as DeepSpeed {deepspeed.version} does, compare it with float64, load it in a new process",
            env=tuple(environment),
            reserve=budget.reserve,
        ),
    ]
    jobs = f"{budget.jobs} compiler{'s' * (budget.jobs > 1)} at once within {gib(budget.size)}"
    capability = "" if isinstance(gpu, Missing) else f" for {', '.join(map(str, gpu.capabilities))}"
    return Plan(
        f"{EVOFORMER} is built{capability} in {extensions.root.path} and loads without building",
        tuple(steps),
        notes=(
            f"a build takes minutes; {jobs}, ended where less than {gib(budget.reserve)} stay free",
            f"built with --threads={deepspeed.threads}: another number of processors, or DS_NVCC_THREADS, builds it anew",
        ),
    )


def _by_a_prediction(  # noqa: PLR0913, PLR0917 (a prediction rests on all of these)
    python: Python,
    version: str,
    triton: Triton | Missing,
    kernels: TritonKernels | Missing,
    gpu: Gpu | Missing,
    compilers: Compilers,
    memory: Memory | Missing,
    cgroup: Cgroup | Missing,
) -> Answer:
    """Have OpenFold3 make a small prediction, for which Triton compiles what it compiles for every one."""
    from sparkdoctor.query import UBIQUITIN, document  # noqa: PLC0415 (only where there is a prediction to make)

    if isinstance(triton, Missing):
        return Refused(triton.reason)
    if isinstance(kernels, Missing):
        return Refused(kernels.reason)
    place = kernels.place
    if kernels.warm:
        return NotNeeded(f"Triton has compiled OpenFold3's kernels in {place.path}")
    if isinstance(gpu, Missing):
        return Refused(f"{gpu.reason}; Triton compiles for the GPU that it sees")
    if refusal := _refused_compiling(python, triton, gpu, compilers) or _refused_room(kernels):
        return refusal
    if isinstance(memory, Missing):
        return Refused(f"how much memory is free is not known: {memory.reason}")
    free, reserve = _free(memory, cgroup)
    if free - reserve < PREDICTION:
        return Refused(
            f"{gib(free)} of memory are free; a small prediction takes {gib(PREDICTION)}, and {gib(reserve)} are to stay free",
            "ps aux --sort=-rss | head",
        )
    length = (
        "one attention kernel serves all lengths, as OF3_TRITON_DYNAMIC_SHAPES=1 asks"
        if kernels.dynamic
        else "Triton compiles the attention kernel anew for each other number of tokens, unless OF3_TRITON_DYNAMIC_SHAPES=1"
    )
    return Plan(
        f"OpenFold3's Triton kernels are compiled for {', '.join(map(str, gpu.capabilities))} in {place.path}",
        (
            *(MakeDirectory(path) for path in _missing(place)),
            Work(
                python.path,
                "warm_triton",
                (place.path, document([UBIQUITIN])),
                f"have OpenFold3 {version} predict ubiquitin with random weights, and again to see that all is there",
                reserve=reserve,
                fills=place.path,
            ),
        ),
        notes=(
            f"takes a minute or two and about {gib(PREDICTION)} of memory, ended where less than {gib(reserve)} stay free",
            f"compiled for ubiquitin's 76 tokens: {length}",
        ),
    )


def _refused_compiling(python: Python, triton: Triton, gpu: Gpu, compilers: Compilers) -> Refused | None:
    """Where Triton cannot compile: its launchers are C, for Python; its kernels go through ptxas."""
    if isinstance(compilers.c, Missing):
        return _first("install-build-tools", compilers.c.reason)
    if not python.headers:
        return _first("install-build-tools", f"{python.include}/Python.h does not exist")
    for capability in gpu.capabilities:
        assembler = triton.assemblers.get(capability.number)
        if assembler is not None and (words := unfit(triton.version, assembler, capability.number)):
            return Refused(words, "sparkdoctor check triton-ptxas-too-old")
    return None


def _refused_room(kernels: TritonKernels) -> Refused | None:
    """Where what is compiled cannot be put, or a prediction cannot write."""
    if kernels.place.obstacle:
        return Refused(f"{kernels.place.obstacle}; let TRITON_CACHE_DIR lead to a directory that can be")
    for room, needed, what in ((kernels.room, CACHED, kernels.place.path), (kernels.temporary, SCRATCH, "temporary files")):
        if room is not None and room < needed:
            return Refused(f"only {gib(room)} are free for {what}; a prediction takes {gib(needed)}")
    return None


def _as_it_lies(
    extensions: Extensions,
    place: EvoformerPlace,
    deepspeed: Deepspeed,
    arches: ArchList | Missing,
    gpu: Gpu | Missing,
    profile: Profile,
) -> Answer | None:
    """What is to be said of the extension that is there; None where it is to be built, or built anew."""
    built = extensions.named(EVOFORMER)
    if built is None:
        if place.inside:
            return Refused(f"{place.path} is there and is no extension of PyTorch's: {', '.join(place.inside[:4])}")
        return None
    if built.state is State.BUILDING:
        return Refused(f"{EVOFORMER} is being built just now: {', '.join(built.reasons)}")
    if built.state in TOLD:
        return _first(TOLD[built.state], f"{EVOFORMER} in {extensions.root.path} {built.state}")
    # Not by the builder itself: asking it costs an import of DeepSpeed, a tenth of the build.
    if built.build and (
        changed(built.build, deepspeed, Missing("not asked"), gpu, profile) or other_codes(built.build, deepspeed, arches, gpu)
    ):
        return None
    return NotNeeded(f"{EVOFORMER} in {extensions.root.path} is ready")


def _first(name: str, reason: str) -> Refused:
    return Refused(f"{reason}: {name} comes first", f"sparkdoctor fix {name}")


def _refused_place(extensions: Extensions, place: EvoformerPlace) -> Refused | None:
    """Where the extension cannot be put."""
    from shlex import quote  # noqa: PLC0415 (only where it is refused)

    if extensions.variable is not None and not extensions.variable.startswith("/"):
        return Refused(
            f"TORCH_EXTENSIONS_DIR={extensions.variable} begins in the working directory: each would have a build of its own"
        )
    built = extensions.named(EVOFORMER)
    if place.linked:
        return Refused(f"{place.path} is a symbolic link: what it leads to is left alone", f"rm {quote(place.path)}")
    obstacle = extensions.root.obstacle or (
        f"{place.path} cannot be written by this user" if built and not built.writable else ""
    )
    if obstacle:
        return Refused(f"{obstacle}; let TORCH_EXTENSIONS_DIR lead to a directory that can be", extensions.elsewhere)
    for free, needed, what in ((place.cache, ROOM, extensions.root.path), (place.temporary, SCRATCH, "temporary files")):
        if free is not None and free < needed:
            return Refused(f"only {gib(free)} are free for {what}; a build takes {gib(needed)}")
    return None


def _refused_device(deepspeed: Deepspeed, gpu: Gpu | Missing, nvcc: Nvcc | Missing) -> Refused | None:
    """Where what DeepSpeed would build is not for the GPU, or nothing can be proven."""
    if isinstance(gpu, Missing):
        return Refused(f"{gpu.reason}; DeepSpeed builds for the GPU that it sees, and the result is to be proven on it")
    for capability in gpu.capabilities:
        reading = deepspeed.readings.get(capability.number)
        number, bf16 = (reading.number, reading.bf16) if reading else (None, None)
        if number and Flags((f"-gencode=arch=compute_{number}",), None).nonsense:
            return _first("patch-deepspeed", f"DeepSpeed {deepspeed.version} reads {capability} as compute_{number}")
        if bf16 is False and capability.major > 7:  # noqa: PLR2004 (the last one without bf16)
            return _first("patch-deepspeed", f"DeepSpeed {deepspeed.version} turns bf16 off for {capability}")
        words = "" if isinstance(nvcc, Missing) else nvcc.refusals.get(capability.number, "")
        if REFUSAL in words and number in (None, str(capability.number)) and (0,) < deepspeed.release < OBEYS:
            return Refused(
                f"nvcc does not know compute_{capability.number}, which DeepSpeed {deepspeed.version} asks for: {words}"
            )
    return None


def _refused_tools(python: Python, nvcc: Nvcc | Missing, compilers: Compilers, ninja: Ninja) -> Refused | None:
    """Where there is nothing to build with."""
    if isinstance(nvcc, Missing):
        return Refused(nvcc.reason)
    if nvcc.lacks:
        return Refused(f"{nvcc.path} lacks a compiler: {nvcc.lacks} does not exist")
    if isinstance(ninja.path, Missing):
        return _first("install-build-tools", ninja.path.reason)
    if isinstance(compilers.cxx, Missing):
        return _first("install-build-tools", compilers.cxx.reason)
    if not python.headers:
        return _first("install-build-tools", f"{python.include}/Python.h does not exist")
    if python.distribution("ninja") is None:
        return Refused(
            f"DeepSpeed imports the package ninja, which {python.path} does not have: {ninja.path} alone is not enough to it",
            python.pip_install("ninja"),
        )
    return None


def _refused_files(files: BuildFiles | Missing, cutlass: Cutlass | Missing) -> Refused | None:
    """Where headers or libraries are missing that it is made of."""
    if not isinstance(cutlass, Missing) and cutlass.refusal:
        return _first("find-cutlass", f"DeepSpeed finds no CUTLASS that it takes: {cutlass.refusal}")
    if not isinstance(files, Missing) and (lacking := files.lacking(CUDA)):
        return Refused(f"{', '.join(lacking)} of CUDA cannot be found", "sparkdoctor check curand-missing")
    return None


class _Budget(NamedTuple):
    """`jobs` compilers within `size` bytes, so that `reserve` stay free."""

    jobs: int
    size: int
    reserve: int


def _budget(
    deepspeed: Deepspeed,
    gpu: Gpu | Missing,
    settings: BuildSettings | Missing,
    memory: Memory | Missing,
    cgroup: Cgroup | Missing,
) -> _Budget | Refused:
    """What fits. Neither swap nor huge pages count: compilers in swap stand still, and take no huge pages."""
    if isinstance(memory, Missing):
        return Refused(f"how much memory is free is not known: {memory.reason}")
    free, reserve = _free(memory, cgroup)
    architectures = 1 if isinstance(gpu, Missing) else len(gpu.capabilities)
    each = COMPILER_BYTES * min(deepspeed.threads, architectures)
    fitting = (free - reserve) // each
    if fitting < 1:
        return Refused(
            f"{gib(free)} of memory are free; one compiler takes {gib(each)}, and {gib(reserve)} are to stay free",
            "ps aux --sort=-rss | head",
        )
    asked = None if isinstance(settings, Missing) or not settings.max_jobs else settings.jobs
    return _Budget(min(fitting, JOBS, asked or JOBS), free - reserve, reserve)


def _free(memory: Memory, cgroup: Cgroup | Missing) -> tuple[int, int]:
    """Bytes that are free here, and those of them that are to stay so."""
    limited = None if isinstance(cgroup, Missing) else cgroup.free
    free = memory.available if limited is None else min(memory.available, limited)
    return free, min(RESERVE, memory.total // 8)


def _missing(root: Place) -> tuple[str, ...]:
    """The directories that have to be made first, down to the root of a cache."""
    if root.status:
        return ()
    there = next((path for path, _ in root.above if root.path.startswith(path.rstrip("/") + "/")), "/").rstrip("/")
    names = root.path[len(there) + 1 :].split("/")
    return tuple(f"{there}/{'/'.join(names[: count + 1])}" for count in range(len(names)))
