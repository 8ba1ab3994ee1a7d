"""Chooses what to export, and judges what the user has set, from facts alone."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from sparkdoctor.architecture import Capability
from sparkdoctor.facts import archlist, nvcc, ptxas, triton
from sparkdoctor.facts.archlist import ArchList
from sparkdoctor.facts.build import COMPILER_BYTES, BuildSettings, compiler_threads, ninja_jobs, room
from sparkdoctor.facts.cgroup import Cgroup
from sparkdoctor.facts.cutlass import VARIABLE as CUTLASS_PATH
from sparkdoctor.facts.cutlass import Cutlass
from sparkdoctor.facts.deepspeed import Deepspeed, nvcc_threads
from sparkdoctor.facts.environment import Export
from sparkdoctor.facts.exports import NAMES, Exports, Wrong
from sparkdoctor.facts.gpu import Gpu, target
from sparkdoctor.facts.memory import GIB, Memory, gib
from sparkdoctor.facts.nvcc import APPEND, SPLIT, CudaHome, Nvcc
from sparkdoctor.facts.python import Python
from sparkdoctor.facts.system import System
from sparkdoctor.facts.torch import Torch
from sparkdoctor.facts.triton import BLACKWELL, PLAIN, Triton
from sparkdoctor.model import Broken, Missing
from sparkdoctor.profiles import Profile

ARCHES = archlist.VARIABLE
_CPATH = "CPATH"


class Seen(NamedTuple):
    """All that the values rest on.

    `present` are the process's variables, `file` what the file sets. What follows was asked for the sake of the values:
    `toolkit` and `compiler` are another CUDA toolkit and its nvcc where the one that builds call will not do, `known` the names
    that PyTorch takes in its list, `base_refused` nvcc's words on the first architecture of the GPU's major, `split` whether
    every nvcc here takes SPLIT, `bundled` Triton's own ptxas, `assembler` another one that it can use, `cutlass` a CUTLASS_PATH
    that DeepSpeed takes.
    """

    profile: Profile
    system: System | Missing
    memory: Memory | Missing
    cgroup: Cgroup | Missing
    python: Python | Missing
    torch: Torch | Missing
    triton: Triton | Missing
    deepspeed: Deepspeed | Missing
    found_cutlass: Cutlass | Missing
    nvcc: Nvcc | Missing
    home: CudaHome | Missing
    gpu: Gpu | Missing
    present: Mapping[str, str] = MappingProxyType({})
    file: Mapping[str, Export] = MappingProxyType({})
    path: str = ""
    toolkit: str | None = None
    compiler: Nvcc | None = None
    known: frozenset[str] = frozenset()
    base_refused: str = ""
    split: bool = False
    bundled: ptxas.Ptxas | Missing = Missing("not asked")
    assembler: ptxas.Ptxas | None = None
    cutlass: str | None = None

    @property
    def target(self) -> Capability | None:
        """The capability that values are made for."""
        return target(self.profile, self.gpu)

    @property
    def builds(self) -> Nvcc | None:
        """The nvcc that builds call once all is exported, where there is a PyTorch to build extensions of."""
        if isinstance(self.torch, Missing) or self.torch.cuda is None:
            return None
        return self.compiler or (None if isinstance(self.nvcc, Missing) else self.nvcc)

    def own(self, name: str) -> str | None:
        """What our own line in the file sets."""
        line = self.file.get(name)
        return line.value if line and line.ours else None

    def by_hand(self, name: str) -> bool:
        """Whether the user has a line of their own in the file."""
        line = self.file.get(name)
        return line is not None and not line.ours

    def users(self, name: str) -> str | None:
        """What the user has set it to: in the file, else in this process, where that has it from nowhere else but our line."""
        if self.by_hand(name):
            return self.file[name].value
        value = self.present.get(name)
        return None if value == self.own(name) else value

    def said(self, name: str) -> str:
        """The reason in our own line."""
        return self.file[name].reason

    def is_users(self, name: str) -> bool:
        """Whether the user has set it."""
        return self.by_hand(name) or self.users(name) is not None

    def tells(self, name: str) -> bool:
        """Whether the facts were read with the value that counts."""
        return self.present.get(name) == (self.users(name) if self.is_users(name) else self.own(name))


# --- choosing


def chosen(seen: Seen) -> Exports:
    """What to export, from what was seen."""
    wanted: dict[str, tuple[str, str]] = {}
    kept: dict[str, str] = {}
    wrong: dict[str, Wrong] = {}
    for name in NAMES:
        if name == _CPATH and seen.own(name) is None:  # anybody may have one, for anything
            continue
        if seen.is_users(name):
            value = seen.users(name)
            if value is None:  # only a shell can tell
                continue
            if why := _fault(seen, name, value, wanted):
                setting = f"{name}={value}"
                words = why if why.startswith((setting, "Triton ")) else f"{setting}: {why}"
                wrong[name] = Wrong(value, words, seen.path if seen.by_hand(name) else None)
            elif more := _appended(seen, name, value):
                wanted[name] = more
            else:
                kept[name] = value
        elif found := _CHOICES[name](seen, wanted):
            wanted[name] = found
    blind = isinstance(seen.python, Broken) or isinstance(seen.memory, Broken)
    ours = {name for name in NAMES if seen.own(name) is not None and name not in wanted and not seen.is_users(name)}
    return Exports(wanted, kept, wrong, frozenset() if blind else frozenset(ours), seen.present)


Wanted = Mapping[str, tuple[str, str]]


def _effective(seen: Seen, wanted: Wanted, name: str) -> str | None:
    return seen.users(name) if seen.is_users(name) else wanted[name][0] if name in wanted else None


def _cuda_home(seen: Seen, _: Wanted) -> tuple[str, str] | None:
    """The toolkit, where builds would find none that serves."""
    own = seen.own("CUDA_HOME")
    if own is not None and seen.tells("CUDA_HOME") and not _home_fault(seen):
        return own, seen.said("CUDA_HOME")
    variable = None if isinstance(seen.home, Missing) else seen.home.variable
    if seen.toolkit is None or seen.compiler is None or variable == "CUDA_PATH":
        return None
    why = unsuited(seen.nvcc, seen.torch, seen.target)
    return seen.toolkit, f"CUDA {seen.compiler.version}, which serves; without it builds find another toolkit, or none: {why}"


def _arch_list(seen: Seen, _: Wanted) -> tuple[str, str] | None:
    """The GPU's architecture, in the form that PyTorch, nvcc and DeepSpeed all take."""
    wanted, compiler = seen.target, seen.builds
    if wanted is None or compiler is None:
        return None
    refused = compiler.refusals.get(wanted.number, "it was not asked")
    if not refused and str(wanted) in seen.known:
        takers = f"PyTorch{'' if isinstance(seen.deepspeed, Missing) else ', DeepSpeed'} and nvcc {compiler.version}"
        return str(wanted), f"the GPU's own architecture, in a form that {takers} take"
    base = f"{wanted.major}.0"
    if wanted.minor and base in seen.known and not seen.base_refused:
        who = f"nvcc {compiler.version}" if refused else "this PyTorch"
        return base, f"{who} does not know {wanted}; code for {base} runs there too"
    return None


def _deepspeed_threads(seen: Seen, _: Wanted) -> tuple[str, str] | None:
    """What DeepSpeed takes by itself, or took when this was first written."""
    if isinstance(seen.deepspeed, Missing) or isinstance(seen.system, Missing):
        return None
    own = seen.own("DS_NVCC_THREADS") or ""
    value = own if re.fullmatch(r"[1-9]\d{0,3}", own) else str(nvcc_threads(None, seen.system.cpus))
    return value, "DeepSpeed's own choice, pinned: with another number of processors it would build its kernels anew"


def _threads(seen: Seen, _: Wanted) -> tuple[str, str] | None:
    """One for each nvcc of flash-attn, whose own default is 4. Source: its setup.py."""
    if seen.builds is None:
        return None
    return "1", "flash-attn runs 4 threads in each nvcc by default, each of which takes as much as a job of MAX_JOBS"


def _jobs(seen: Seen, wanted: Wanted) -> tuple[str, str] | None:
    """As many compilers as fit into memory, and as there are processors."""
    if isinstance(seen.memory, Missing) or isinstance(seen.system, Missing):
        return None
    free = room(seen.memory, seen.cgroup)
    one = _build(seen, wanted, "1")
    # What the profile wants free for other programs; at most half of it all.
    reserve = min((seen.profile.memory_gib.warning or seen.profile.memory_gib.failed or 0) * GIB, free / 2)
    fitting = int((free - reserve) // one.bytes_per_job)
    quota = None if isinstance(seen.cgroup, Missing) else seen.cgroup.processors
    processors = min(seen.system.usable_cpus, quota or seen.system.usable_cpus)
    jobs = max(1, min(fitting, processors))
    own = seen.own("MAX_JOBS") or ""
    # Free memory is never the same twice: a value that still fits, and is not much too small, stays.
    near = re.fullmatch(r"[1-9]\d{0,3}", own) is not None and jobs <= 2 * int(own) <= 2 * processors
    if near and _build(seen, wanted, own).fits(free):
        return own, seen.said("MAX_JOBS")
    each = f"{one.bytes_per_job / 1e9:g} GB"
    if not one.fits(free):
        return "1", f"not even one compiler of {each} fits into {gib(free)}: free memory before a build"
    if fitting >= processors:
        return str(jobs), f"a compiler for each processor; all of them fit into memory at {each} each"
    left = f" and leave {gib(reserve)}" if fitting > 0 and reserve else ""
    return str(jobs), f"compilers of up to {each} each that fit into {gib(free)}{left}"


def _build(seen: Seen, wanted: Wanted, max_jobs: str) -> BuildSettings:
    """How a build runs with this MAX_JOBS once all is exported."""
    cpus = 1 if isinstance(seen.system, Missing) else seen.system.usable_cpus
    variables = {name: _effective(seen, wanted, name) for name in ("DS_NVCC_THREADS", "NVCC_THREADS")}
    threads, said = compiler_threads(variables, cpus, deepspeed=not isinstance(seen.deepspeed, Missing))
    listed = _effective(seen, wanted, ARCHES)
    codes = ArchList.parse(listed, seen.known).codes if listed and listed != "native" else ()
    return BuildSettings(max_jobs, ninja_jobs(max_jobs, cpus), threads, said, max(1, len({code.capability for code in codes})))


def _flags(seen: Seen, _: Wanted) -> tuple[str, str] | None:
    """The optimiser on all processors, where every nvcc takes that."""
    if not seen.split or seen.builds is None:
        return None
    own = seen.own(APPEND) or ""
    # What was the user's before our line was read is still in it.
    value = own if SPLIT in own.split() and seen.present.get(APPEND) == own else SPLIT
    return value, "the optimiser of one file uses all processors: evoformer_attn was built 2.5 times faster on 16 of them"


def _appended(seen: Seen, name: str, value: str) -> tuple[str, str] | None:
    """The user's flags for nvcc with ours behind them, where they stand in the process alone and ours are not among them."""
    if name != APPEND or seen.by_hand(name) or "-split-compile" in value:
        return None
    found = _flags(seen, {})
    return (f"{value} {SPLIT}".strip(), f"your own flags, and: {found[1]}") if found else None


def _knob(name: str) -> Callable[[Seen, Wanted], tuple[str, str] | None]:
    def choose(seen: Seen, _: Wanted) -> tuple[str, str] | None:
        """Another ptxas, where Triton's own cannot assemble for the GPU and this is the variable that it reads."""
        wanted = seen.target
        if isinstance(seen.triton, Missing) or wanted is None or wanted.number not in seen.triton.tools:
            return None
        why = triton.unfit(seen.triton.version, seen.bundled, wanted.number)
        if not why or seen.assembler is None or seen.triton.tools[wanted.number].knob != name:
            return None
        return seen.assembler.path, f"ptxas {seen.assembler.version}; Triton {seen.triton.version}'s own will not do: {why}"

    return choose


def _cutlass_path(seen: Seen, _: Wanted) -> tuple[str, str] | None:
    """The headers, where DeepSpeed does not find them by itself; what find-cutlass has written stays."""
    if isinstance(seen.found_cutlass, Missing) or isinstance(seen.deepspeed, Missing):
        return None
    own = seen.own(CUTLASS_PATH)
    # A line that this process has not read may be right: find-cutlass writes it with others that belong to it.
    if own is not None and not (seen.tells(CUTLASS_PATH) and seen.found_cutlass.refusal):
        return own, seen.said(CUTLASS_PATH)
    if not seen.found_cutlass.refusal or seen.cutlass is None:
        return None
    return seen.cutlass, f"DeepSpeed {seen.deepspeed.version} does not find CUTLASS by itself"


def _cpath(seen: Seen, wanted: Wanted) -> tuple[str, str] | None:
    """Where compilers find those headers, beside what find-cutlass has CUTLASS_PATH say."""
    own = seen.own(_CPATH)
    goes = own is not None and CUTLASS_PATH in wanted and wanted[CUTLASS_PATH][0] == seen.own(CUTLASS_PATH)
    return (own, seen.said(_CPATH)) if goes and own is not None else None


_CHOICES: Mapping[str, Callable[[Seen, Wanted], tuple[str, str] | None]] = {
    "CUDA_HOME": _cuda_home,
    ARCHES: _arch_list,
    "DS_NVCC_THREADS": _deepspeed_threads,
    "NVCC_THREADS": _threads,
    "MAX_JOBS": _jobs,
    APPEND: _flags,
    PLAIN: _knob(PLAIN),
    BLACKWELL: _knob(BLACKWELL),
    CUTLASS_PATH: _cutlass_path,
    _CPATH: _cpath,
}


# --- judging what the user has set


def _fault(seen: Seen, name: str, value: str, wanted: Wanted) -> str:
    """What is wrong with a value of the user's; empty where nothing is, or where that is not known."""
    if name == ARCHES and value and value != "native":
        python = None if isinstance(seen.python, Missing) else seen.python.distribution("deepspeed")
        listed = ArchList.parse(value, seen.known) if seen.known else ArchList.parse(value)
        found = archlist.fault(listed, seen.target, python)
        return found.words.removeprefix(": ").strip() if found else ""
    if name == "MAX_JOBS" and not isinstance(seen.memory, Missing) and not isinstance(seen.system, Missing):
        build, free = _build(seen, wanted, value), room(seen.memory, seen.cgroup)
        jobs = "compilers without bound" if build.jobs is None else f"{build.jobs} compilers"
        copies = build.bytes_per_job // COMPILER_BYTES
        each = f"{copies} × {COMPILER_BYTES / 1e9:g} GB" if copies > 1 else f"{COMPILER_BYTES / 1e9:g} GB"
        return "" if build.fits(free) else f"{jobs} of {each} do not fit into {gib(free)}"
    if not seen.tells(name):
        return ""
    if name == "CUDA_HOME" and value:
        return _home_fault(seen)
    if name in (PLAIN, BLACKWELL) and not isinstance(seen.triton, Missing) and seen.target:
        return _knob_fault(seen.triton, name, seen.target)
    if name == CUTLASS_PATH and not isinstance(seen.found_cutlass, Missing):
        return seen.found_cutlass.refusal
    return ""


def _home_fault(seen: Seen) -> str:
    """What is wrong with the CUDA_HOME that is set."""
    fault = None if isinstance(seen.home, Missing) else nvcc.fault(seen.home, seen.nvcc)
    return fault.words if fault else unsuited(seen.nvcc, seen.torch, seen.target)


def _knob_fault(it: Triton, name: str, wanted: Capability) -> str:
    misled = triton.misled(it, wanted)
    if misled and misled[0] == name:
        return misled[1]
    if wanted.number in it.tools and it.tools[wanted.number].knob == name and it.overridden[wanted.number]:
        return triton.unfit(it.version, it.assemblers[wanted.number], wanted.number)
    return ""


def unsuited(found: Nvcc | Missing, torch: Torch | Missing, wanted: Capability | None) -> str:
    """Why an nvcc will not do for builds here; empty where it does."""
    if isinstance(found, Missing):
        return found.reason
    if found.lacks:
        return f"{found.lacks} does not exist"
    if wanted and found.refusals.get(wanted.number):
        return f"nvcc {found.version} cannot compile for {wanted}"
    cuda = None if isinstance(torch, Missing) else torch.cuda
    major = re.match(r"\d+", cuda or "")
    if major and int(major[0]) != found.release[0]:
        return f"nvcc {found.version} is of another CUDA than PyTorch ({cuda})"
    return ""
