"""How a build here would run: jobs, compiler threads, architectures."""

import re
from typing import Self

from sparkdoctor.facts.archlist import ArchList
from sparkdoctor.facts.cgroup import Cgroup
from sparkdoctor.facts.memory import Memory
from sparkdoctor.facts.python import Python
from sparkdoctor.facts.system import System
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Missing

COMPILER_BYTES = 3_500_000_000
"""What one nvcc takes at its peak for one architecture of a CUTLASS kernel; measured, see docs/sources.md."""


class BuildSettings(Fact):
    """`jobs` compilers at once (None is without bound), each with up to `threads` threads over `architectures`."""

    max_jobs: str | None
    jobs: int | None
    threads: int
    threads_from: str
    architectures: int

    @property
    def bytes_per_job(self) -> int:
        """Peak memory of one job."""
        return min(self.threads, self.architectures) * COMPILER_BYTES

    def fits(self, free: int) -> bool:
        """Whether all jobs at once fit into this many bytes."""
        return self.jobs is not None and self.jobs * self.bytes_per_job <= free

    @classmethod
    def probe(cls, machine: Machine) -> Self:
        """Read MAX_JOBS, the thread variables and TORCH_CUDA_ARCH_LIST."""
        system = machine.need(System)
        max_jobs = machine.env("MAX_JOBS")
        python = machine.get(Python)
        deepspeed = None if isinstance(python, Missing) else python.distribution("deepspeed")
        variables = {name: machine.env(name) for name in ("DS_NVCC_THREADS", "NVCC_THREADS")}
        threads, threads_from = compiler_threads(variables, system.usable_cpus, deepspeed=deepspeed is not None)
        listed = machine.get(ArchList)
        codes = () if isinstance(listed, Missing) else {code.capability for code in listed.codes}
        return cls(max_jobs, ninja_jobs(max_jobs, system.usable_cpus), threads, threads_from, max(1, len(codes)))


def room(memory: Memory, cgroup: Cgroup | Missing) -> int:
    """Bytes that a build can get."""
    limited = None if isinstance(cgroup, Missing) else cgroup.free
    return memory.allocatable if limited is None else min(memory.allocatable, limited)


def ninja_jobs(max_jobs: str | None, cpus: int) -> int | None:
    """How many compilers ninja starts at once, None for no bound.

    Sources: torch.utils.cpp_extension passes MAX_JOBS on as `-j` if it is all digits; ninja takes `-j 0` as infinity
    and else guesses 2, 3 or processors + 2. A container's CPU quota is not counted: ninja reads it on cgroup v2 only from
    1.13 on, and not from a parent group (ninja-build/ninja #2591, #2805).
    """
    if max_jobs is not None and re.fullmatch(r"[0-9]+", max_jobs):
        digits = max_jobs.lstrip("0")
        return int(digits) if 0 < len(digits) < 10 else None  # noqa: PLR2004
    return cpus + 2 if cpus > 2 else cpus + 1  # noqa: PLR2004


def compiler_threads(variables: dict[str, str | None], cpus: int, *, deepspeed: bool) -> tuple[int, str]:
    """`nvcc --threads`, and who says so. DeepSpeed's default is min(processors, 8), nvcc's own is 1."""
    for name, value in variables.items():
        if value and re.fullmatch(r"\d{1,4}", value) and int(value):
            return int(value), f"{name}={value}"
    return (min(cpus, 8), "DeepSpeed's default") if deepspeed else (1, "nvcc's default")
