"""Page cache on unified memory: whether it is in CUDA's way, and whether this process may drop it."""

from typing import Self

from sparkdoctor.facts.gpu import Gpu
from sparkdoctor.facts.memory import GIB, Memory
from sparkdoctor.machine import Fact, FileStatus, Machine
from sparkdoctor.model import Missing
from sparkdoctor.profiles import Profile

DROP = "/proc/sys/vm/drop_caches"


class PageCache(Fact):
    """`writable` says whether this process may write vm.drop_caches; `sync` and `sysctl` are where PATH has them."""

    writable: bool
    uid: int
    sync: str | None
    sysctl: str | None

    @classmethod
    def probe(cls, machine: Machine) -> Self:
        """Ask access(2), which knows of a /proc/sys that is mounted read-only."""
        status = machine.stat(DROP)
        writable = isinstance(status, FileStatus) and status.writable
        return cls(writable, machine.itself()["uid"], machine.which("sync"), machine.which("sysctl"))


def shared_memory(gpu: Gpu | Missing, profile: Profile) -> bool:
    """Whether the GPU uses the system's memory."""
    return profile.unified_memory or (not isinstance(gpu, Missing) and all(device.memory is None for device in gpu.devices))


def wanted_free(profile: Profile) -> float:
    """Bytes that should be free outright."""
    return (profile.memory_gib.warning or 16) * GIB


def in_the_way(memory: Memory, profile: Profile) -> bool:
    """Whether CUDA sees too little only because of page cache."""
    needed = wanted_free(profile)
    return memory.free < needed <= min(memory.page_cache, memory.available)
