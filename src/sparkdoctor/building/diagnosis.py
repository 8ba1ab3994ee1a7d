"""What a finished build says of its memory: exactly one diagnosis, and what to do about it."""

import re
from posixpath import basename
from typing import NamedTuple

from sparkdoctor.building.ledger import Unit
from sparkdoctor.building.names import short
from sparkdoctor.building.outcome import Build
from sparkdoctor.building.schedule import Best, Plan, Task, best, schedule
from sparkdoctor.facts.memory import GIB, gib
from sparkdoctor.model import Remedy

DIAGNOSES = ("enough", "too-many-jobs", "too-large", "runaway", "memory-taken", "oom-killed")
RUNAWAY = 20_000_000_000
"""Bytes above which one of RUNAWAYS has run away. With CUDA 13.0.88 the most that we have measured is 3.45 GB."""
RUNAWAYS = ("cudafe++", "cicc")
_FIXED = (13, 0)
_SOURCES = (
    "NVIDIA/TransformerEngine #1996: cudafe++ of CUDA 12.8 took 140 GB for one file",
    "mfem/mfem #5363: cicc of CUDA 12.8 took 46 GB for one file for sm_120, and not for sm_90",
)
_TOLD_BY_ARGUMENT = ("make", "gmake", "ninja", "ninja-build")
"""They read none of the variables that name a number of jobs."""
_ALONE, _SEEN = 0.8, 0.5
"""The part of what all jobs have, and may take, from which one is too large by itself. Where the kernel killed, its last seconds
were not seen."""


class Diagnosis(NamedTuple):
    """What was the matter: one of DIAGNOSES, in words, what to do about it, and what was seen."""

    id: str
    text: str
    remedy: Remedy | None = None
    evidence: tuple[str, ...] = ()


class Conclusion(NamedTuple):
    """The best number of jobs, None where not even one fits or there was none, and the diagnosis."""

    best: Best | None
    diagnosis: Diagnosis


def conclude(build: Build) -> Conclusion:
    """What follows from a build's account."""
    account, bounds = build.account, build.bounds
    tasks = [(max(unit.cpu, 0.01), unit.peak) for unit in account.units]
    found = best(tasks, bounds.processors, bounds.room, had=account.most, proven=not _short(build))
    return Conclusion(found, _diagnosis(build, found, tasks))


def _short(build: Build) -> bool:
    """Whether memory was short. Jobs are also held where as many run as the user has asked for."""
    account, asked = build.account, build.bounds.asked
    held = account.waits.held and (asked is None or account.most < asked)
    return bool(held or account.waits.paused or build.ending.oom_kills or build.ending.reason)


def _diagnosis(build: Build, found: Best | None, tasks: list[Task]) -> Diagnosis:
    account, bounds, ending = build.account, build.bounds, build.ending
    wild = max(account.units, key=_wildness, default=None)
    if wild is not None and _wildness(wild):
        return _runaway(wild, build.toolkit)
    large = _too_large(build)
    if large is not None:
        return large
    if not _short(build):
        return _enough(build)
    bare = schedule(tasks, max(1, account.wanted))
    ours = account.total_peak * 2 >= bounds.room and account.most > 1
    if bare.memory > bounds.room or (ours and (ending.oom_kills or ending.reason)):
        return _too_many(build, found, bare)
    if ending.oom_kills:
        return _killed(build)
    if ending.reason or (account.lowest_free is not None and account.lowest_free < bounds.reserve):
        return _taken(build)
    return _enough(build)


def _wildness(unit: Unit) -> int:
    """The bytes of a compiler that has run away; 0 of all others."""
    return unit.biggest if unit.tool in RUNAWAYS and unit.biggest > RUNAWAY else 0


def _runaway(unit: Unit, toolkit: str | None) -> Diagnosis:
    whose = f" of CUDA {toolkit}" if toolkit else ""
    text = f"One compiler ran away: {unit.tool}{whose} took {gib(unit.biggest)} for {unit.name}. "
    text += "That is a defect of the toolkit; fewer jobs (MAX_JOBS) will not help."
    seen = f"{unit.tool} {gib(unit.biggest)} {unit.name}"
    if _release(toolkit) >= _FIXED:
        remedy = Remedy(
            f"This toolkit is no old one: split {unit.name}, or compile it with fewer templates and for fewer architectures, "
            "and report the file to NVIDIA."
        )
        return Diagnosis("runaway", text, remedy, (seen,))
    remedy = Remedy(
        "Compile with CUDA 13.0 or later.",
        "sudo apt install cuda-toolkit-13-0 && export CUDA_HOME=/usr/local/cuda-13.0 PATH=/usr/local/cuda-13.0/bin:$PATH",
        needs_root=True,
    )
    return Diagnosis("runaway", text, remedy, (seen, *_SOURCES))


def _release(toolkit: str | None) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d{1,9}", toolkit or "")[:2]))


def _too_large(build: Build) -> Diagnosis | None:
    """A job that does not fit by itself."""
    account, bounds, ending = build.account, build.bounds, build.ending
    least = max(_ALONE * account.total_then, (_SEEN if ending.oom_kills else _ALONE) * bounds.room)
    if (culprit := ending.culprit) is not None:
        name, tool, kind, need = short(culprit.name), culprit.tool, culprit.kind, culprit.memory
        for unit in account.units:
            if unit.job == name and unit.peak >= need:
                name, tool, need = unit.name, unit.tool, unit.peak
    else:
        most = max(account.units, key=lambda unit: unit.peak, default=None)
        if most is None or not (ending.oom_kills or ending.reason):
            return None
        name, tool, kind, need = most.name, most.tool, most.kind, most.peak
    if need < least:  # others, of the build or not, have taken the rest
        return None
    whole = -(-(need + bounds.reserve) // GIB)  # rounded up
    text = (
        f"One job alone does not fit into {_where(build)}: {name} needs more than {gib(need)}, and {gib(bounds.room)} were there"
    )
    if bounds.limit == "container":
        remedy = f"Give the container more than {whole} GiB of memory (--memory)."
    else:
        remedy = f"Free more than {whole} GiB before the build: stop what else has memory, such as a model that is loaded."
    if tool in RUNAWAYS and _release(build.toolkit) < _FIXED:
        remedy += f" Where CUDA is older than 13.0, take that first: {tool} of 12.8 is known to run away."
    less = "fewer architectures (TORCH_CUDA_ARCH_LIST)" if kind == "cuda" else "less optimisation, less debugging information"
    remedy += f" Or make less of {name}: split it, fewer templates, {less}."
    return Diagnosis("too-large", text + ".", Remedy(remedy), (f"{tool} {gib(need)} {name}", *_kills(build)))


def _too_many(build: Build, found: Best | None, bare: Plan) -> Diagnosis:
    account = build.account
    count = found.number if found else 1
    if bare.memory <= build.bounds.room or build.ending.reason:  # what was ended might have taken more
        count = max(1, min(count, account.most - 1))
    room, where = gib(build.bounds.room), _where(build)
    if bare.memory > build.bounds.room:
        text = f"Too many jobs: {account.wanted} wanted to run at once, which may take {gib(bare.memory)} of the {room} "
        text += f"that {where} has for them."
    else:
        text = (
            f"Too many jobs: {account.most} ran at once and had not ended when they had {gib(account.total_peak)} of the {room} "
        )
        text += f"that {where} has for them."
    again = "Run it again: what its jobs took is remembered now. " if build.ending.reason else ""
    words = f"{again}Without `sparkdoctor build`, let no more than {jobs(count)} run at once"
    tool = basename(build.command[0]) if build.command else ""
    if tool in _TOLD_BY_ARGUMENT:
        remedy = Remedy(f"{words}: call {tool} with -j{count}.")
    else:
        remedy = Remedy(f"{words}.", f"export MAX_JOBS={count} CMAKE_BUILD_PARALLEL_LEVEL={count}")
    return Diagnosis("too-many-jobs", text, remedy, _kills(build))


def _killed(build: Build) -> Diagnosis:
    account, bounds = build.account, build.bounds
    text = (
        f"The kernel killed for memory, but the build's jobs had no more than {gib(account.total_peak)} of {gib(bounds.room)}: "
    )
    text += f"something else took the memory of {_where(build)}."
    remedy = Remedy(f"See what else runs in {_where(build)}, and begin the build again when that has ended.", _LIST)
    return Diagnosis("oom-killed", text, remedy, (*_kills(build), *build.ending.others))


def _taken(build: Build) -> Diagnosis:
    account, bounds = build.account, build.bounds
    lowest = account.lowest_free or 0
    text = f"Something else took {gib(max(0, bounds.budget - lowest - account.total_then))} of the memory of {_where(build)} "
    text += f"during the build: {gib(lowest)} were left, and the build's own jobs would have fitted."
    remedy = Remedy(f"See what else runs in {_where(build)}; the number of jobs is right.", _LIST)
    return Diagnosis("memory-taken", text, remedy, build.ending.others)


_LIST = "ps -eo rss,pid,user,args --sort=-rss | head"


def _enough(build: Build) -> Diagnosis:
    account, bounds = build.account, build.bounds
    if account.waits.held or account.waits.paused:
        return Diagnosis("enough", f"Memory was never short: {gib(account.lowest_free or 0)} were left at the least.")
    of = f" of {gib(bounds.room)}" if bounds.room else ""
    return Diagnosis("enough", f"Memory was never short: {gib(account.total_peak)}{of} were taken at the most.")


def _kills(build: Build) -> tuple[str, ...]:
    kills = build.ending.oom_kills
    if not kills:
        return ()
    return (f"{kills} process{'es' if kills > 1 else ''} killed by the kernel for want of memory in {_where(build)}",)


def _where(build: Build) -> str:
    return f"this {build.bounds.limit}"


def jobs(count: int) -> str:
    """A number of jobs in words."""
    return f"{count} job" if count == 1 else f"{count} jobs"
