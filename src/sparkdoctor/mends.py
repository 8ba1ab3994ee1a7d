"""What can be mended for one process and all that it starts: its soft limits and its environment. Nothing of it outlives them."""

import resource
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sparkdoctor.check import Check
from sparkdoctor.facts import (
    ArchList,
    BuildFiles,
    BuildSettings,
    Cgroup,
    CudaHome,
    Cutlass,
    CutlassTrees,
    Deepspeed,
    Exports,
    Nvcc,
    System,
    Triton,
    TritonCache,
    TritonKernels,
    gib,
)
from sparkdoctor.facts.exports import EMPTY_IS_UNSET
from sparkdoctor.model import Missing
from sparkdoctor.profiles import Profile

STACK = 64 << 20
"""Bytes. NVIDIA starts its containers with this (--ulimit stack=67108864).

Never unlimited, though the hard limit may be: glibc then gives a new thread 2 MiB where it gave 8, and any other soft limit is
what it gives. More than this is address space of each thread for nothing.
Source: glibc, nptl, ARCH_STACK_DEFAULT_SIZE; seen by pthread_attr_getstacksize(3).
"""
FILES = 1 << 20
"""Descriptors. Some engines allow 10**9: programs that close all that they could have open then take minutes to start one."""
THREADS = "OMP_NUM_THREADS"
READERS = (
    ArchList,
    BuildFiles,
    BuildSettings,
    CudaHome,
    Cutlass,
    CutlassTrees,
    Deepspeed,
    Nvcc,
    Triton,
    TritonCache,
    TritonKernels,
)
"""Facts that are read otherwise where a variable of ours is set; a test holds this list."""


class Raise(NamedTuple):
    """A soft limit of this process to raise, as resource.setrlimit takes it; None is unlimited. Bytes, or a count of files."""

    name: str
    before: int | None
    after: int | None
    hard: int | None

    def __str__(self) -> str:
        title = {"stack": "stack", "memlock": "locked memory", "nofile": "open files"}[self.name]
        before, after = (
            "unlimited" if value is None else str(value) if self.name == "nofile" else gib(value)
            for value in (self.before, self.after)
        )
        return f"the limit on {title} is raised from {before} to {after}"


def raises(profile: Profile, limits: Mapping[str, Sequence[int | None]]) -> tuple[Raise, ...]:
    """What to raise where the profile asks for it. `limits` maps names to soft and hard limits, None for unlimited."""
    found = []
    for name, wanted, most in (
        ("stack", _mib(profile.stack_mib.failed, profile.stack_mib.warning), STACK),
        ("memlock", _mib(profile.memlock_mib.failed, profile.memlock_mib.warning), None),
        ("nofile", profile.open_files, FILES),
    ):
        if wanted is None:
            continue
        soft, hard = limits[name]
        # The stack is raised also where a compiler would do with less: so is NVIDIA's.
        enough = max(wanted, STACK) if name == "stack" else wanted
        if soft is None or soft >= enough:
            continue
        after = hard if most is None else min(value for value in (hard, max(wanted, most)) if value is not None)
        if after is None or after > soft:
            found.append(Raise(name, soft, after, hard))
    return tuple(found)


def _mib(*values: float | None) -> int | None:
    given = [int(value * (1 << 20)) for value in values if value is not None]
    return max(given, default=None)


def perform(planned: Raise) -> bool:
    """Raise it for this process. False where the kernel says no (a container's own rules)."""
    numbers = [resource.RLIM_INFINITY if value is None else value for value in (planned.after, planned.hard)]
    try:
        resource.setrlimit(getattr(resource, f"RLIMIT_{planned.name.upper()}"), (numbers[0], numbers[1]))
    except (OSError, ValueError):
        return False
    return True


def variables(
    environment: Mapping[str, str], exports: Exports | Missing, cgroup: Cgroup | Missing, system: System | Missing
) -> dict[str, tuple[str, str]]:
    """What to set, and why: names that have no value yet. Whether an empty one is none, their readers say."""
    wanted = {} if isinstance(exports, Missing) else dict(exports.wanted)
    # PyTorch, OpenMP, MKL, OpenBLAS and numexpr all read this one, and so does nproc(1), by which scripts choose `make -j`.
    # Without it each starts a thread for every processor that it sees, which a quota (unlike a cpuset) does not hide.
    # What builds read is MAX_JOBS, above, which counts the quota too.
    if not isinstance(cgroup, Missing) and not isinstance(system, Missing):
        threads = cgroup.processors or system.usable_cpus
        if threads < system.usable_cpus:
            wanted[THREADS] = str(threads), f"this container may use {cgroup.cpus:g} of {system.usable_cpus} processors"
    unset = {name for name in wanted if not environment.get(name) and (name in EMPTY_IS_UNSET or name not in environment)}
    return {name: value for name, value in wanted.items() if name in unset}


def may_cure(check: Check, ours: bool) -> bool:
    """Whether variables can make a difference to a check. Of a stranger's (not `ours`) nobody knows."""
    return not ours or any(need.fact in READERS for need in check.needs)
