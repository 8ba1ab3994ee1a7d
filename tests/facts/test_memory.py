"""What facts make of texts: memory."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor.facts import (
    Memory,
    Pressure,
    gib,
)
from sparkdoctor.model import Broken, Missing
from standins.hosts import Paper, machine_of
from texts import lines_of

# GB10, 580.173.02: XuehaiPan/nvitop #208. The other lines from `free -b` on a GB10 (jethac/dgx-spark-hijinks), in kB.
GB10_MEMINFO = """\
MemTotal:       127600748 kB
MemFree:        107991084 kB
MemAvailable:   118566368 kB
Buffers:          200000 kB
Cached:         14570040 kB
SwapCached:            0 kB
Active(anon):     123456 kB
SwapTotal:      16777212 kB
SwapFree:       16443132 kB
Shmem:              8656 kB
SReclaimable:     300000 kB
CmaTotal:         131072 kB
CmaFree:           69320 kB
HugePages_Total:       0
HugePages_Free:        0
Hugepagesize:       2048 kB
Hugetlb:               0 kB
"""
KIB = 1024


def test_the_memory_of_a_gb10() -> None:
    memory = Memory.parse(GB10_MEMINFO)
    assert isinstance(memory, Memory)
    assert memory.total == 127600748 * KIB
    assert gib(memory.total) == "121.7 GiB"
    assert memory.page_cache == (200000 + 14570040 + 300000 - 8656) * KIB
    assert memory.allocatable == (118566368 + 16443132) * KIB


def test_huge_pages_are_all_that_cuda_gets_where_there_are_any() -> None:
    # NVIDIA, DGX Spark known issues. The page size of a -64k kernel: NVIDIA/nodewright-packages #127.
    text = GB10_MEMINFO.replace("HugePages_Total:       0", "HugePages_Total:      16").replace("2048 kB", "524288 kB")
    memory = Memory.parse(text.replace("HugePages_Free:        0", "HugePages_Free:        4"))
    assert isinstance(memory, Memory)
    assert memory.huge_pages == 16 * 524288 * KIB
    assert memory.allocatable == 4 * 524288 * KIB


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "MemTotal and no MemFree and no MemAvailable"),
        ("MemTotal: 1 kB\nMemFree: 1 kB\n", "no MemAvailable"),  # a kernel before 3.14
        (GB10_MEMINFO.replace("127600748", "0"), "no memory"),
        (GB10_MEMINFO.replace("127600748", "lots"), "no MemTotal"),
        (GB10_MEMINFO.replace("127600748", "9" * 400), "no MemTotal"),
    ],
)
def test_a_meminfo_that_makes_no_sense_is_broken(text: str, words: str) -> None:
    memory = Memory.parse(text)
    assert isinstance(memory, Broken)
    assert words in memory.reason


@given(lines_of("MemTotal:", "MemFree:", "MemAvailable:", "Cached:", "HugePages_Total:", "Hugepagesize:", " ", " kB", "(anon)"))
def test_memory_of_any_text_is_in_range(text: str) -> None:
    for start in ("", GB10_MEMINFO):
        memory = Memory.parse(start + text)
        if isinstance(memory, Memory):
            assert memory.total > 0
            values = (memory.total, memory.free, memory.available, memory.page_cache, memory.swap_total, memory.allocatable)
            assert all(value >= 0 for value in values)


@given(st.integers(1, 10**12), st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**12))
def test_memory_reads_what_the_kernel_wrote(total: int, free: int, available: int, swap: int) -> None:
    text = f"MemTotal: {total:14} kB\nMemFree: {free:14} kB\nMemAvailable: {available:14} kB\nSwapFree: {swap:14} kB\n"
    memory = Memory.parse(text)
    assert isinstance(memory, Memory)
    assert (memory.total, memory.free, memory.available, memory.swap_free) == tuple(
        number * KIB for number in (total, free, available, swap)
    )


def test_pressure_of_an_idle_and_of_a_pressed_machine() -> None:
    idle = "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
    assert Pressure.parse(idle) == Pressure(0.0, 0.0, 0.0, 0.0)
    # HP ZGX Nano, public test fixture; the layout is that of Documentation/accounting/psi.rst.
    pressed = "some avg10=1.50 avg60=0.20 avg300=0.00 total=25\nfull avg10=0.75 avg60=0.00 avg300=0.00 total=24\n"
    assert Pressure.parse(pressed) == Pressure(some10=1.5, some60=0.2, full10=0.75, full60=0.0)


def test_pressure_that_the_kernel_does_not_keep_is_missing_and_not_broken() -> None:
    off = Paper(answers={"read /proc/pressure/memory": Broken("/proc/pressure/memory: Operation not supported")})
    found = machine_of(off).get(Pressure)
    assert isinstance(found, Missing)
    assert not isinstance(found, Broken)
    assert "psi=1" in found.reason
    assert machine_of(Paper()).get(Pressure) == Missing("/proc/pressure/memory does not exist")


@given(lines_of("some ", "full ", "avg10=", "avg60=", "1.50", " ", "100.00"))
def test_pressure_of_any_text(text: str) -> None:
    found = Pressure.parse(text)
    assert isinstance(found, Pressure | Broken)
    if isinstance(found, Pressure):
        assert found.some10 >= 0
        assert found.full60 >= 0


@given(*[st.decimals(0, 100, places=2)] * 4)
def test_pressure_reads_what_the_kernel_wrote(a: Any, b: Any, c: Any, d: Any) -> None:
    text = f"some avg10={a} avg60={b} avg300=0.00 total=1\nfull avg10={c} avg60={d} avg300=0.00 total=1\n"
    assert Pressure.parse(text) == Pressure(float(a), float(b), float(c), float(d))


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 MiB"), (64 << 20, "64 MiB"), (1 << 30, "1.0 GiB"), (125441420 * KIB, "119.6 GiB")]
)
def test_sizes_in_words(size: int, words: str) -> None:
    assert gib(size) == words
