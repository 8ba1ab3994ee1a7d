"""What warm-kernels plans and what it refuses, by facts made by hand."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from by_hand import DEFAULTS, EVOFORMER, GIB, MIB, ROOT, SPARK, but, place, using
from sparkdoctor.architecture import Architecture, Capability
from sparkdoctor.facts import (
    ArchList,
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
)
from sparkdoctor.facts.builder_source import Reading
from sparkdoctor.facts.evoformer import ROOMY
from sparkdoctor.facts.extensions import State
from sparkdoctor.facts.gpu import Device
from sparkdoctor.facts.nvcc import SPLIT
from sparkdoctor.facts.ptxas import Ptxas
from sparkdoctor.facts.python import Distribution
from sparkdoctor.machine import Fact
from sparkdoctor.model import Missing
from sparkdoctor.plan import Answer, MakeDirectory, Move, NotNeeded, Plan, Refused, Work
from sparkdoctor.query import UBIQUITIN, document
from sparkdoctor.registry import Registry
from sparkdoctor.treatment import Outcome
from ward import admitted

FIX = Registry.load().fixes["warm-kernels"]
PATH = f"{ROOT}/evoformer_attn"
WITH_NINJA = {"deepspeed": Distribution("0.18.7", "/x"), "ninja": Distribution("1.13.0", "/x")}
COLD: dict[type, Any] = {
    type(fact): fact
    for fact in (
        but(Extensions, found=()),
        but(Python, distributions=WITH_NINJA),
        EvoformerPlace(PATH, None, f"{PATH}.aside", 90 * GIB, 90 * GIB, (SPLIT, ROOMY), ""),
    )
}

CACHE = "/home/user/.triton/cache"
COMPILED = but(TritonKernels, names=("layernorm_kernel",))
"""Nothing of OpenFold3's attention."""
OPENFOLD3 = (using("0.5.0"), COMPILED)


def answer(*facts: Fact, **gone: Missing) -> Answer:
    """What it says of a healthy machine on which nothing is built yet, but for these facts."""
    given = DEFAULTS | COLD | {type(fact): fact for fact in facts}
    assert {type(fact) for fact in facts} <= {need.fact for need in FIX.needs}
    values = {need.name: gone.get(need.name) or (SPARK if need.fact is None else given[need.fact]) for need in FIX.needs}
    for need in FIX.needs:
        assert need.judges_absence or not isinstance(values[need.name], Missing)
    found: Answer = FIX.function(**values)
    said = found.summary if isinstance(found, Plan) else found.reason
    assert said
    assert "None" not in said
    if not isinstance(found, Plan) and found.command:
        assert shlex.split(found.command)
    return found


def plan(*facts: Fact) -> Plan:
    found = answer(*facts)
    assert isinstance(found, Plan), found
    return found


def refused(*facts: Fact, **gone: Missing) -> Refused:
    found = answer(*facts, **gone)
    assert isinstance(found, Refused), found
    return found


def built(state: State = State.WHOLE, *flags: str, **changes: Any) -> Any:
    build = EVOFORMER.build
    assert build is not None
    one = EVOFORMER._replace(state=state, build=build._replace(flags=flags), **changes)
    return but(Extensions, found=(one,))


def spot(**changes: Any) -> Any:
    return EvoformerPlace(**{**vars(COLD[EvoformerPlace]), **changes})


# --- plans


def test_it_is_built_where_it_will_be_looked_for() -> None:
    found = plan()
    make, work = found.steps
    assert make == MakeDirectory(PATH, filled=True)
    assert isinstance(work, Work)
    assert work[:3] == ("/venv/bin/python", "warm", (PATH,))
    assert dict(work.env) == {"MAX_JOBS": "2", "NVCC_APPEND_FLAGS": f"{SPLIT} {ROOMY}"}
    assert work.reserve == 4 * GIB
    assert found.environment == ()
    assert found.summary == f"evoformer_attn is built for 12.1 in {ROOT} and loads without building"
    assert "2 compilers at once within 112.0 GiB, ended where less than 4.0 GiB stay free" in found.notes[0]


def test_directories_that_are_not_there_yet_are_made() -> None:
    root = place(ROOT, there=False)
    root = root._replace(above=(("/home/user", root.above[0][1]),))
    steps = plan(but(Extensions, found=(), root=root)).steps
    assert [step.path for step in steps if isinstance(step, MakeDirectory)] == [
        "/home/user/.cache",
        "/home/user/.cache/torch_extensions",
        ROOT,
        PATH,
    ]
    assert [step.filled for step in steps if isinstance(step, MakeDirectory)] == [False, False, False, True]


@pytest.mark.parametrize(
    ("flags", "words"),
    [(("--threads=8",), NotNeeded), (("--threads=20",), Plan), ((), NotNeeded)],
)
def test_a_build_with_other_threads_is_moved_aside(flags: tuple[str, ...], words: type) -> None:
    found = answer(built(State.WHOLE, *flags), spot(inside=("build.ninja",)))
    assert isinstance(found, words), found
    if isinstance(found, Plan):
        assert found.steps[:2] == (Move(PATH, f"{PATH}.aside"), MakeDirectory(PATH, filled=True))


def gencode(*numbers: int) -> tuple[str, ...]:
    return tuple(f"-gencode=arch=compute_{number},code=sm_{number}" for number in numbers)


LIST = ArchList("12.0", ("12.0",), (Architecture.parse("sm_120"),), ())


@pytest.mark.parametrize(
    ("numbers", "version", "listed", "words"),
    [
        ((121,), "0.18.7", None, NotNeeded),
        ((90,), "0.18.7", None, Plan),
        ((90, 121), "0.18.7", None, Plan),
        ((120,), "0.18.7", LIST, Plan),  # it does not look at the list
        ((120,), "0.19.8", LIST, NotNeeded),  # it does: who knows
        ((120,), "0.19.8", None, Plan),
        ((), "0.19.8", None, NotNeeded),
    ],
)
def test_a_build_for_another_gpu_is_moved_aside(
    numbers: tuple[int, ...], version: str, listed: ArchList | None, words: type
) -> None:
    facts: list[Any] = [but(Deepspeed, version=version), built(State.WHOLE, *gencode(*numbers)), spot(inside=("build.ninja",))]
    assert isinstance(answer(*facts, *([listed] if listed else [])), words)


def test_an_empty_directory_is_moved_aside_and_a_strange_one_is_refused() -> None:
    assert plan(spot(inside=())).steps[0] == Move(PATH, f"{PATH}.aside")
    assert refused(spot(inside=("thesis.tex",))).reason == f"{PATH} is there and is no extension of PyTorch's: thesis.tex"


@pytest.mark.parametrize(
    ("append", "faster", "flags"),
    [
        ("", (SPLIT, ROOMY), f"{SPLIT} {ROOMY}"),
        ("-lineinfo", (SPLIT, ROOMY), f"-lineinfo {SPLIT} {ROOMY}"),
        ("-split-compile 4", (SPLIT,), None),
        ("--split-compile=2 -g", (SPLIT, ROOMY), f"--split-compile=2 -g {ROOMY}"),
        ("", (), None),
    ],
)
def test_what_the_user_has_set_for_nvcc_stays(append: str, faster: tuple[str, ...], flags: str | None) -> None:
    work = plan(spot(append=append, faster=faster)).steps[-1]
    assert isinstance(work, Work)
    assert dict(work.env).get("NVCC_APPEND_FLAGS") == flags


@pytest.mark.parametrize(
    ("available", "total", "limited", "asked", "jobs"),
    [
        (100, 120, None, None, "2"),
        (100, 120, None, "1", "1"),
        (100, 120, None, "0", "2"),
        (12, 120, None, None, "2"),
        (10, 120, None, None, "1"),
        (100, 120, 8, None, "1"),
        (6, 8, None, None, "1"),
    ],
)
def test_there_are_as_many_jobs_as_fit(available: int, total: int, limited: int | None, asked: str | None, jobs: str) -> None:
    memory = but(Memory, available=available * GIB, total=total * GIB)
    group = but(Cgroup, limit=None if limited is None else limited * GIB)
    number = None if asked in (None, "0") else int(asked or 0)
    work = plan(memory, group, but(BuildSettings, max_jobs=asked, jobs=number)).steps[-1]
    assert isinstance(work, Work)
    assert dict(work.env)["MAX_JOBS"] == jobs


def test_two_kinds_of_gpu_take_twice_the_memory() -> None:
    both = Gpu((Device("NVIDIA GB10", Capability(12, 1), None), Device("NVIDIA H100", Capability(9, 0), None)))
    found = plan(both, but(Memory, available=12 * GIB))
    assert "1 compiler at once" in found.notes[0]
    assert "is built for 9.0, 12.1 in" in found.summary


@pytest.mark.parametrize("version", ["0.4.5", "0.5.0"])
def test_a_prediction_compiles_what_is_tritons(version: str) -> None:
    found = plan(using(version), COMPILED)
    (work,) = found.steps
    assert isinstance(work, Work)
    assert work[:3] == ("/venv/bin/python", "warm_triton", (CACHE, document([UBIQUITIN])))
    assert (work.fills, work.reserve) == (CACHE, 4 * GIB)
    assert found.summary == f"OpenFold3's Triton kernels are compiled for 12.1 in {CACHE}"
    assert found.notes[1].startswith("compiled for ubiquitin's 76 tokens: Triton compiles the attention kernel anew for each")


def test_directories_of_tritons_cache_are_made_first() -> None:
    root = place(CACHE, there=False)
    root = root._replace(above=(("/home/user", root.above[0][1]),))
    steps = plan(OPENFOLD3[0], but(TritonKernels, names=(), place=root)).steps
    assert steps[:2] == (MakeDirectory("/home/user/.triton"), MakeDirectory(CACHE))


def test_what_the_predictions_cost_is_told(tmp_path: Path, library: Path) -> None:
    ward = admitted("warm-kernels, of Triton", tmp_path, library)
    ((treated,), _) = ward.treat("warm-kernels")
    cache = ward.home / ".triton" / "cache"
    assert treated.outcome is Outcome.CURED
    assert treated.reason == (
        f"OpenFold3's Triton kernels are compiled for 12.1 in {cache}; the first prediction compiled 1 kernel"
    )


def test_one_kernel_for_all_lengths_is_said_to_be_one() -> None:
    found = plan(OPENFOLD3[0], but(TritonKernels, dynamic=True))
    assert found.notes[1].endswith("one attention kernel serves all lengths, as OF3_TRITON_DYNAMIC_SHAPES=1 asks")


# --- refusals


@pytest.mark.parametrize(
    ("state", "command"),
    [
        (State.LOCKED, "clear-extension-lock"),
        (State.DAMAGED, "rebuild-extension"),
        (State.OUTDATED, "rebuild-extension"),
        (State.FOREIGN, "quarantine-foreign-extension"),
    ],
)
def test_what_other_fixes_mend_they_mend_first(state: State, command: str) -> None:
    found = refused(built(state), spot(inside=("build.ninja",)))
    assert found == Refused(f"evoformer_attn in {ROOT} {state}: {command} comes first", f"sparkdoctor fix {command}")
    assert command in FIX.after


def test_a_build_that_goes_on_is_left_alone() -> None:
    found = refused(built(State.BUILDING, reasons=("ninja (pid 7) has it",)))
    assert found.reason == "evoformer_attn is being built just now: ninja (pid 7) has it"


ELSEWHERE = (
    "mkdir -m 700 /var/tmp/torch_extensions-$(id -u)"
    " && export TORCH_EXTENSIONS_DIR=/var/tmp/torch_extensions-$(id -u)/py312_cu130"
)
CASES: dict[str, tuple[tuple[Any, ...], dict[str, Missing], str, str | None]] = {
    "no GPU": ((), {"gpu": Missing("no GPU is visible: NVML sees none")}, "no GPU is visible: NVML sees none; DeepSpeed builds", None),
    "unpatched": (
        (but(Deepspeed, version="0.15.4", readings={121: Reading("1.", bf16=False)}),),
        {},
        "DeepSpeed 0.15.4 reads 12.1 as compute_1.: patch-deepspeed comes first",
        "sparkdoctor fix patch-deepspeed",
    ),
    "patched by half": (
        (but(Deepspeed, version="0.15.4", readings={121: Reading("120", bf16=False)}),),
        {},
        "DeepSpeed 0.15.4 turns bf16 off for 12.1: patch-deepspeed comes first",
        "sparkdoctor fix patch-deepspeed",
    ),
    "old nvcc": (
        (but(Nvcc, refusals={121: "nvcc fatal : Unsupported gpu architecture 'compute_121'"}), but(Deepspeed, version="0.17.0")),
        {},
        "nvcc does not know compute_121, which DeepSpeed 0.17.0 asks for: nvcc fatal",
        None,
    ),
    "no nvcc": ((), {"nvcc": Missing("there is no nvcc")}, "there is no nvcc", None),
    "no cicc": ((but(Nvcc, lacks="/cuda/nvvm/bin/cicc"),), {}, "lacks a compiler: /cuda/nvvm/bin/cicc", None),
    "no ninja": ((Ninja(Missing("PATH has no ninja"), "", None),), {}, "PATH has no ninja", "sparkdoctor fix install-build-tools"),
    "no package ninja": ((DEFAULTS[Python],), {}, "imports the package ninja", "/venv/bin/python -m pip install ninja"),
    "no c++": ((Compilers("gcc", Missing("PATH has no c++")),), {}, "PATH has no c++", "sparkdoctor fix install-build-tools"),
    "no headers": ((but(Python, headers=False, distributions=WITH_NINJA),), {}, "/usr/include/python3.12/Python.h does not exist", "sparkdoctor fix install-build-tools"),
    "no CUTLASS": ((Cutlass(None, "Please specify", None),), {}, "finds no CUTLASS that it takes: Please specify", "sparkdoctor fix find-cutlass"),
    "no curand": ((BuildFiles({"libcurand.so": None}, {}),), {}, "libcurand.so of CUDA cannot be found", "sparkdoctor check curand-missing"),
    "no memory": ((but(Memory, available=6 * GIB),), {}, "6.0 GiB of memory are free; one compiler takes 3.3 GiB, and 4.0 GiB are to stay", "ps aux --sort=-rss | head"),
    "swap does not count": ((but(Memory, available=6 * GIB, swap_free=64 * GIB),), {}, "6.0 GiB of memory are free", "ps aux --sort=-rss | head"),
    "a small container": ((but(Cgroup, limit=4 * GIB),), {}, "4.0 GiB of memory are free", "ps aux --sort=-rss | head"),
    "unknown memory": ((), {"memory": Missing("no /proc")}, "how much memory is free is not known: no /proc", None),
    "full disk": ((spot(cache=MIB),), {}, f"only 1 MiB are free for {ROOT}; a build takes 256 MiB", None),
    "full /tmp": ((spot(temporary=MIB),), {}, "only 1 MiB are free for temporary files", None),
    "read-only": (
        (but(Extensions, found=(), root=place(ROOT, writable=False)),),
        {},
        f"{ROOT} cannot be written by this user; let TORCH_EXTENSIONS_DIR lead",
        ELSEWHERE,
    ),
    "relative": ((but(Extensions, found=(), variable="ext"),), {}, "TORCH_EXTENSIONS_DIR=ext begins in the working directory", None),
    "Triton, no GPU": (OPENFOLD3, {"gpu": Missing("no GPU is visible")}, "no GPU is visible; Triton compiles for the GPU that it sees", None),
    "no Triton": (OPENFOLD3, {"triton": Missing("triton is not installed")}, "triton is not installed", None),
    "nowhere": (OPENFOLD3, {"kernels": Missing("TRITON_CACHE_DIR is set and empty")}, "TRITON_CACHE_DIR is set and empty", None),
    "Triton, no C": ((*OPENFOLD3, Compilers(Missing("PATH has no gcc"), "c++ 13")), {}, "PATH has no gcc", "sparkdoctor fix install-build-tools"),
    "Triton, no headers": (
        (*OPENFOLD3, but(Python, headers=False)),
        {},
        "/usr/include/python3.12/Python.h does not exist",
        "sparkdoctor fix install-build-tools",
    ),
    "Triton, old ptxas": (
        (*OPENFOLD3, but(Triton, assemblers={121: Ptxas("/ptxas", "12.8.93", {"sm_121a": "unsupported"})})),
        {},
        "ptxas 12.8.93 cannot assemble sm_121a",
        "sparkdoctor check triton-ptxas-too-old",
    ),
    "Triton, read-only": (
        (OPENFOLD3[0], but(TritonKernels, names=(), place=place(CACHE, writable=False))),
        {},
        f"{CACHE} cannot be written by this user; let TRITON_CACHE_DIR lead to a directory that can be",
        None,
    ),
    "Triton, full disk": ((OPENFOLD3[0], but(TritonKernels, names=(), room=MIB)), {}, f"only 1 MiB are free for {CACHE}; a", None),
    "Triton, full /tmp": ((OPENFOLD3[0], but(TritonKernels, names=(), temporary=MIB)), {}, "only 1 MiB are free for temporary files", None),
    "Triton, no memory": (
        (*OPENFOLD3, but(Memory, available=7 * GIB)),
        {},
        "7.0 GiB of memory are free; a small prediction takes 4.0 GiB, and 4.0 GiB are to stay free",
        "ps aux --sort=-rss | head",
    ),
    "Triton, unknown memory": (OPENFOLD3, {"memory": Missing("no /proc")}, "how much memory is free is not known: no /proc", None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_it_refuses(name: str) -> None:
    facts, gone, words, command = CASES[name]
    found = refused(*facts, **gone)
    assert words in found.reason
    assert found.command == command


@pytest.mark.parametrize(
    ("facts", "gone", "words"),
    [
        ((but(Deepspeed, prebuilt=("evoformer_attn",)),), {}, "evoformer_attn was built when DeepSpeed 0.19.8 was installed"),
        ((), {"deepspeed": Missing("deepspeed is not installed")}, "deepspeed is not installed"),
        (
            (using("0.4.3"),),
            {},
            "OpenFold3 0.4.3 does not use DeepSpeed's evoformer_attn by default",
        ),
        ((built(), spot(inside=("build.ninja",))), {}, f"evoformer_attn in {ROOT} is ready"),
        ((OPENFOLD3[0], DEFAULTS[TritonKernels]), {}, f"Triton has compiled OpenFold3's kernels in {CACHE}"),
    ],
)
def test_when_there_is_nothing_to_do(facts: tuple[Any, ...], gone: dict[str, Missing], words: str) -> None:
    assert answer(*facts, **gone) == NotNeeded(words)
