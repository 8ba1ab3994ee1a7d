"""The system's memory, which on a GB10 is the GPU's too."""

import re
from typing import Self

from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Broken, Missing

_WANTED = ("MemTotal", "MemFree", "MemAvailable")


class Memory(Fact):
    """/proc/meminfo in bytes. `page_cache` is what the kernel gives back when asked; shared memory is not of it."""

    total: int
    free: int
    available: int
    page_cache: int
    swap_total: int
    swap_free: int
    huge_pages: int
    huge_free: int

    @property
    def allocatable(self) -> int:
        """Bytes that a program, or CUDA on unified memory, can get.

        Source: NVIDIA, DGX Spark known issues: MemAvailable + SwapFree, or the free huge pages where there are any.
        """
        return self.huge_free if self.huge_pages else self.available + self.swap_free

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Read /proc/meminfo."""
        text = machine.read("/proc/meminfo")
        return text if isinstance(text, Missing) else cls.parse(text)

    @classmethod
    def parse(cls, text: str) -> Self | Missing:
        """Understand a /proc/meminfo; `Broken` where it lacks what every kernel since 3.14 says."""
        values = {name: int(number) for name, number in re.findall(r"^([\w()]+):\s+(\d{1,15})(?: kB)?$", text, re.MULTILINE)}
        lacking = [name for name in _WANTED if name not in values]
        if lacking or values["MemTotal"] == 0:
            return Broken(f"/proc/meminfo makes no sense: it has no {' and no '.join(lacking) or 'memory'}")
        kib = {name: number * 1024 for name, number in values.items()}
        cache = sum(kib.get(name, 0) for name in ("Cached", "Buffers", "SReclaimable")) - kib.get("Shmem", 0)
        page = kib.get("Hugepagesize", 0)
        return cls(
            total=kib["MemTotal"],
            free=kib["MemFree"],
            available=kib["MemAvailable"],
            page_cache=max(0, cache),
            swap_total=kib.get("SwapTotal", 0),
            swap_free=kib.get("SwapFree", 0),
            huge_pages=values.get("HugePages_Total", 0) * page,
            huge_free=values.get("HugePages_Free", 0) * page,
        )


class Pressure(Fact):
    """Share of time, in percent, that some or all tasks stood still for want of memory (PSI)."""

    some10: float
    some60: float
    full10: float
    full60: float

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Read /proc/pressure/memory."""
        text = machine.read("/proc/pressure/memory")
        if isinstance(text, Broken) and "not supported" in text.reason:
            return Missing("this kernel keeps no pressure figures (psi=1 on its command line turns them on)")
        return text if isinstance(text, Missing) else cls.parse(text)

    @classmethod
    def parse(cls, text: str) -> Self | Missing:
        """Understand `some avg10=0.00 avg60=0.00 avg300=0.00 total=0` and the line `full …`."""
        found = dict(re.findall(r"^(some|full) avg10=(\d+\.\d+ avg60=\d+\.\d+)", text, re.MULTILINE))
        if set(found) != {"some", "full"}:
            return Broken("/proc/pressure/memory makes no sense")
        some, full = (found[kind].split(" avg60=") for kind in ("some", "full"))
        return cls(float(some[0]), float(some[1]), float(full[0]), float(full[1]))


GIB = 1 << 30


def gib(size: float) -> str:
    """A size in words: `119.6 GiB`, `64 MiB`."""
    if 0 < size < 1 << 20:
        return f"{size / 1024:.0f} KiB"
    if size < GIB:
        return f"{size / (1 << 20):.0f} MiB"
    return f"{size / GIB:.1f} GiB"
