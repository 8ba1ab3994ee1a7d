"""What compiles below a process: real compilers that are held still by a pipe, and what no compiler looks like."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor import compiling
from sparkdoctor.compiling import Compiling, Process, Room, Unit, made_of, parse_stat, shortage, units
from standins.hosts import Witness
from test_real_binaries import TOOLKIT, installed

GIB = 1 << 30
STAT = "4711 (cc1plus) R 4710 4711 4711 0 -1 4194304 9 0 0 0 81 12 0 0 20 0 1 0 2345678 99999744 600 18446744073709551615 1 1 0"


# --- real compilers


@contextmanager
def held(source: Path, *command: str) -> Iterator[tuple[int, Callable[[], int]]]:
    """A compiler that waits for the header `gate.h` to be written: its parent's id, and what lets it go on and ends it well."""
    gate = source.with_name("gate.h")
    os.mkfifo(gate)
    # As ninja starts it: by a shell, in a process group of its own.
    line = f"exec setsid -w sh -c '{' '.join(command)} -c {source.name} -o unit.o; true'"
    child = subprocess.Popen(["sh", "-c", line], cwd=source.parent, stderr=subprocess.PIPE)

    def go_on() -> int:
        gate.write_text("int ready;\n")
        gate.unlink()
        gate.write_text("int ready;\n")
        child.communicate(timeout=60)
        return (source.parent / "unit.o").stat().st_size

    try:
        yield child.pid, go_on
    finally:
        for pid in (*compiling.below(child.pid, compiling.processes()), child.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        child.communicate()


def seen(pid: int, tool: str) -> Compiling:
    """What is told once a tool works."""
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        found = compiling.look(pid)
        if any(unit.tool == tool and unit.memory > 8 << 20 for unit in found.units):  # it has come to its gate
            return found
    raise AssertionError(found)


@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")
def test_a_real_compiler_is_seen_with_its_file_its_tool_and_its_memory(tmp_path: Path, witness: Witness) -> None:
    source = tmp_path / "unit.cpp"
    source.write_text('#include <map>\n#include <string>\n#include "gate.h"\nstd::map<int, std::string> table;\n')
    with held(source, "g++") as (pid, go_on):
        found = seen(pid, "cc1plus")
        (unit,) = found.units
        assert (unit.name, unit.tool) == ("unit.cpp", "cc1plus")
        assert 0 <= unit.seconds < 20
        assert 8 << 20 < unit.memory < GIB
        assert found.memory == unit.memory
        assert found.room is not None
        assert 0 < found.room.least < 1 << 50
        # Seen from above too, and not from a stranger.
        assert [unit.name for unit in compiling.look(os.getpid()).units] == ["unit.cpp"]
        assert compiling.look(2**22 + 1).units == ()
        assert go_on() > 0
    assert compiling.look(os.getpid()).units == ()


@installed
@pytest.mark.waits
def test_a_real_nvcc_is_one_unit_whatever_it_calls(tmp_path: Path, witness: Witness) -> None:
    source = tmp_path / "unit.cu"
    body = "".join(f"x = x * x + {number}.0f; if (x > {number}) x = sqrtf(x);\n" for number in range(200))
    source.write_text(f"__global__ void k(float* out) {{ float x = *out;\n{body}*out = x; }}\n")
    nvcc = str(TOOLKIT / "bin" / "nvcc")
    child = subprocess.Popen([nvcc, "-gencode=arch=compute_90,code=sm_90", "-c", str(source), "-o", str(tmp_path / "unit.o")])
    tools, names = set(), set()
    while child.poll() is None:
        for unit in compiling.look(os.getpid()).units:
            tools.add(unit.tool)
            names.add(unit.name)
    assert child.returncode == 0
    assert names == {"unit.cu"}
    assert tools >= {"cicc", "ptxas"}


def test_who_ends_while_we_look_harms_nobody(tmp_path: Path) -> None:
    for number, parent in ((10, 1), (11, 10), (12, 10)):
        place = tmp_path / str(number)
        place.mkdir()
        (place / "stat").write_text(STAT.replace("4711 (cc1plus) R 4710", f"{number} (x) R {parent}"))
    (tmp_path / "11" / "cmdline").write_bytes(b"g++\0-c\0/src/a.cpp\0")
    (tmp_path / "13").mkdir()  # gone between listing and reading
    (tmp_path / "version").write_text("no process")
    found = compiling.below(10, compiling.processes(str(tmp_path)), str(tmp_path))
    assert {pid: process.argv for pid, process in found.items()} == {11: ("g++", "-c", "/src/a.cpp"), 12: ()}
    assert [unit.name for unit in units(found, 0.0)] == ["a.cpp"]


# --- whose process is what


def process(parent: int, name: str, memory: int = 0, *argv: str, began: int = 0) -> Process:
    return Process(parent, name, began, memory, argv)


NVCC = ("/usr/local/cuda/bin/nvcc", "-MD", "-MF", "a.cuda.o.d", "-c", "/x/attention_back.cu", "-o", "attention_back.cuda.o")


def test_a_build_as_ninja_runs_it() -> None:
    found = {
        2: process(1, "ninja", 1, "ninja", "-v"),
        3: process(2, "sh", 1, "/bin/sh", "-c", " ".join(NVCC)),
        4: process(3, "nvcc", 10, *NVCC, began=100),
        5: process(4, "sh", 1, "sh", "-c", "cicc"),
        6: process(5, "cicc", 3 * GIB, "cicc", "--c++17", "attention_back.cpp1.ii", began=200),
        7: process(4, "cudafe++", GIB, "cudafe++", "--c++17"),
        8: process(2, "c++", 10, "c++", "-MMD", "-c", "/x/attention.cpp", "-o", "attention.o", began=50),
        9: process(8, "cc1plus", GIB, "/usr/libexec/gcc/cc1plus", "-quiet", "/x/attention.cpp"),
    }
    back, forward = units(found, 1000.0)[::-1]
    assert (back.name, back.tool, back.memory) == ("attention_back.cu", "cicc", 4 * GIB + 11)
    assert back.seconds == 900 / os.sysconf("SC_CLK_TCK")
    assert (forward.name, forward.tool, forward.memory) == ("attention.cpp", "cc1plus", GIB + 10)
    shown = Compiling((back, forward), Room(95 * GIB, 40 * GIB))
    assert shown.lines(20 * GIB) == (
        "attention_back.cu  9 s  cicc 4.0 GiB",
        "attention.cpp  10 s  cc1plus 1.0 GiB",
        "compilers 5.0 GiB of a budget of 20.0 GiB; 40.0 GiB free",
    )
    assert Compiling((forward,), None).lines() == ("attention.cpp  10 s  cc1plus 1.0 GiB", "compilers 1.0 GiB")
    assert Compiling((), Room(1, None)).lines(1) == ()


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (("c++", "a.o", "b.cuda.o", "-shared", "-o", "op.so"), "op.so"),
        (("ccache", "x86_64-linux-gnu-g++-13", "-c", "/x/a.cpp", "-o", "a.o"), "a.cpp"),
        (("/bin/sh", "/opt/nvcc", "-c", "/x/a.cu", "-o", "a.o"), "a.cu"),
        (("clang++-18", "-c", "a.cxx"), "a.cxx"),
        (("/bin/sh", "-c", "nvcc -c a.cu -o a.cu"), ""),
        (("nvcc", "--version"), ""),
        (("python", "setup.py", "-c", "a.cpp"), ""),
        (("cicc", "--orig_src_file_name", "a.cu", "a.cpp1.ii", "-o", "a.ptx"), "a.cu"),
        (("/opt/gcc/bin/cc1plus", "-quiet", "-I", "/x.h", "/x/a.cpp", "-o", "/tmp/cc.s"), "a.cpp"),
        (("nvcc", "-o"), ""),
        ((), ""),
        (("",), ""),
    ],
)
def test_what_a_compiler_was_called_for(argv: tuple[str, ...], name: str) -> None:
    assert made_of(argv) == name


PIDS = st.integers(1, 9)
ARGV = st.lists(st.sampled_from(["nvcc", "g++", "-c", "-o", "a.cu", "b.cpp", "", "x"]), max_size=5).map(tuple)


@given(st.dictionaries(PIDS, st.builds(Process, PIDS, st.text(max_size=3), st.integers(0, 99), st.integers(0, 99), ARGV)))
def test_no_process_counts_twice_even_where_they_go_in_circles(found: dict[int, Process]) -> None:
    told = units(found, 50.0)
    assert sum(unit.memory for unit in told) <= sum(one.memory for one in found.values())
    assert all(unit.name and unit.seconds >= 0 for unit in told)


# --- texts


def test_a_stat_is_understood_whatever_the_name_of_the_program() -> None:
    found = Process(4710, "cc1plus", 2345678, 600 * os.sysconf("SC_PAGE_SIZE"), state="R", cpu=93)
    assert parse_stat(STAT) == found
    assert parse_stat(STAT.replace("cc1plus", "a) R 1 (b")) == found._replace(name="a) R 1 (b")
    assert parse_stat(STAT.replace(" R ", " T ")) == found._replace(state="T")
    for ended in (" Z ", " X "):
        assert parse_stat(STAT.replace(" R ", ended)) is None


@given(st.text() | st.text(alphabet="0123456789 ()R-\n", max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    found = parse_stat(text)
    assert found is None or found.memory >= 0


def test_our_own_stat_is_understood() -> None:
    mine = compiling.processes()[os.getpid()]
    assert mine.parent == os.getppid()
    assert mine.memory > 1 << 20


# --- the guard


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (Room(8 * GIB, None), None),
        (Room(8 * GIB, 4 * GIB), None),
        (None, None),
        (Room(3 * GIB, None), "3.0 GiB of memory are left to this machine; 4.0 GiB are to be left"),
        (Room(3 * GIB, 90 * GIB), "3.0 GiB of memory are left to this machine; 4.0 GiB are to be left"),
        (Room(90 * GIB, GIB // 2), "512 MiB of memory are left to this container; 4.0 GiB are to be left"),
    ],
)
def test_work_ends_where_too_little_memory_is_left(left: Room | None, words: str | None) -> None:
    assert shortage(4 * GIB, left) == words


def test_the_units_of_a_display_are_short() -> None:
    assert str(Unit("attention_back.cu", "cicc", 136.6, 2_800_000_000)) == "attention_back.cu  137 s  cicc 2.6 GiB"
