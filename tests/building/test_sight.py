"""What a build does, as /proc shows it: trees written by hand, one real tree, and numbers that are given anew."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor.building.job import KINDS, Job
from sparkdoctor.building.sight import Watcher, called, kind

PAGE, TICKS = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
Tree = dict[int, tuple[int, str]]
"""Processes: number, parent, command line."""


def write(
    proc: Path, pid: int, parent: int, line: str, *, state: str = "S", pages: int = 10, began: int = 100, cpu: int = 7
) -> None:
    """A process as /proc shows it."""
    place = proc / str(pid)
    place.mkdir(parents=True, exist_ok=True)
    argv = line.split(" ")
    name = os.path.basename(argv[0])[:15]
    (place / "stat").write_text(
        f"{pid} ({name}) {state} {parent} 1 1 0 -1 4194304 9 0 0 0 {cpu} 1 2 3 20 0 1 0 {began} 99999744 {pages} 1844 1 1 0\n"
    )
    (place / "cmdline").write_bytes(b"\0".join(word.encode() for word in argv) + b"\0")


def jobs(proc: Path, tree: Tree) -> tuple[Job, ...]:
    for pid, (parent, line) in tree.items():
        write(proc, pid, parent, line)
    return Watcher(10, str(proc)).look().jobs


def names(proc: Path, tree: Tree) -> list[tuple[str, str, int]]:
    return [(job.name, job.kind, len(job.processes)) for job in jobs(proc, tree)]


def test_a_compiler_with_all_below_it_is_one_job(tmp_path: Path) -> None:
    tree = {
        20: (10, "python setup.py bdist_wheel"),
        21: (20, "ninja -j 8"),
        30: (21, "sh -c nvcc -c /src/attention.cu -o attention.o"),
        31: (30, "/usr/local/cuda/bin/nvcc -c /src/attention.cu -o attention.o"),
        32: (31, "cicc --arch compute_121 /tmp/x.gpu"),
        40: (21, "/usr/bin/c++ -c /src/attention.cpp -o a.o"),
        41: (40, "/usr/libexec/cc1plus /src/attention.cpp"),
        50: (21, "c++ a.o b.o -shared -o evoformer_attn.so"),
        60: (1, "g++ -c somebody_elses.cpp"),
    }
    assert names(tmp_path, tree) == [
        ("/src/attention.cu", "cuda", 3),
        ("/src/attention.cpp", "c++", 2),
        ("evoformer_attn.so", "link", 1),
    ]


def test_whatever_a_build_tool_starts_is_a_job_unless_it_builds_itself(tmp_path: Path) -> None:
    tree = {
        20: (10, "make all"),
        21: (20, "/bin/sh -c cd sub && make"),
        22: (21, "make"),
        23: (22, "python3 /src/generate.py --all"),
        24: (20, "/bin/sh -c ./configure --prefix=/x"),
        25: (22, "rustc --crate-name demo src/lib.rs"),
        26: (20, "cmake --build sub"),
        27: (26, "/usr/bin/ninja"),
        28: (27, "cc -c x.c -o x.o"),
    }
    assert sorted(names(tmp_path, tree)) == [
        ("configure", "other", 1),
        ("generate.py", "other", 1),
        ("src/lib.rs", "rust", 1),
        ("x.c", "c", 1),
    ]


def test_a_compiler_needs_no_build_tool_and_the_command_may_be_one(tmp_path: Path) -> None:
    assert names(tmp_path, {20: (10, "g++ -O2 main.cpp -o main"), 21: (20, "cc1plus main.cpp")}) == [("main.cpp", "c++", 2)]


def test_what_stands_still_all_of_it_or_a_part(tmp_path: Path) -> None:
    write(tmp_path, 20, 10, "cc -c a.c", state="T", pages=10, began=50, cpu=100)
    write(tmp_path, 21, 20, "cc1 a.c", state="t", pages=3000)
    (job,) = Watcher(10, str(tmp_path)).look().jobs
    assert (job.stopped, job.tool, job.memory, job.biggest) == (True, "cc1", 3010 * PAGE, 3000 * PAGE)
    assert (job.id, job.processes) == ((20, 50), ((20, 50), (21, 100)))
    assert job.cpu == pytest.approx((100 + 1 + 2 + 3 + 7 + 1 + 2 + 3) / TICKS)
    write(tmp_path, 21, 20, "cc1 a.c", state="R")
    assert not Watcher(10, str(tmp_path)).look().jobs[0].stopped


@pytest.mark.waits
def test_a_number_that_is_given_anew_is_seen_again_after_a_while(tmp_path: Path) -> None:
    write(tmp_path, 20, 10, "make")
    write(tmp_path, 30, 1, "cc -c others.c")
    write(tmp_path, 1, 0, "init")
    watcher = Watcher(10, str(tmp_path))
    assert watcher.look().jobs == ()
    write(tmp_path, 30, 20, "cc -c ours.c", began=900)
    ends = time.monotonic() + 10
    while not (found := watcher.look().jobs) and time.monotonic() < ends:
        time.sleep(0.1)
    assert [job.name for job in found] == ["ours.c"]


def test_a_process_that_has_become_another_program_has_its_arguments(tmp_path: Path) -> None:
    write(tmp_path, 20, 10, "make")
    write(tmp_path, 21, 20, "make")  # forked, and not yet become the compiler
    watcher = Watcher(10, str(tmp_path))
    assert watcher.look().jobs == ()
    write(tmp_path, 21, 20, "cc -c a.c")
    assert [job.name for job in watcher.look().jobs] == ["a.c"]


def test_who_is_left_out_and_a_tree_that_bites_its_tail(tmp_path: Path) -> None:
    write(tmp_path, 20, 10, "cc -c a.c")
    write(tmp_path, 21, 10, "cc -c b.c")
    write(tmp_path, 22, 23, "cc -c c.c")
    write(tmp_path, 23, 22, "make")
    write(tmp_path, 10, 21, "sparkdoctor")
    watcher = Watcher(10, str(tmp_path))
    watcher.leave_out(20)
    assert [job.name for job in watcher.look().jobs] == ["b.c"]


def test_unreadable_entries_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path, 20, 10, "make")
    write(tmp_path, 21, 20, "cc -c a.c")
    (tmp_path / "21" / "cmdline").unlink()  # it may not be read: what is left is its name
    (tmp_path / "22").mkdir()
    (tmp_path / "23").mkdir()
    (tmp_path / "23" / "stat").write_text("nonsense")
    (tmp_path / "self").mkdir()
    assert [(job.name, job.kind) for job in Watcher(10, str(tmp_path)).look().jobs] == [("cc", "other")]


def test_a_real_process_that_is_stopped() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()", "-c", "cc", "x.c"], stdin=subprocess.PIPE)
    try:
        os.kill(child.pid, signal.SIGSTOP)
        os.waitpid(child.pid, os.WUNTRACED)
        sight = Watcher(os.getpid()).look()
        assert sight.processes[child.pid].state == "T"
        assert sight.id(child.pid)[1] > 0
    finally:
        child.kill()
        child.communicate()


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("/bin/sh -c /usr/bin/sed -e s/a/b/ x", "sed"),
        ("bash -ec make_it --now", "make_it"),
        ("python3 -B /x/gen.py out.h", "gen.py"),
        ("env A=1 perl tool.pl", "perl"),
        ("python3", "python3"),
        ("/opt/moc -o x", "moc"),
        ("sh -c", "sh"),
    ],
)
def test_what_a_job_is_called(line: str, name: str) -> None:
    assert called(line.split(" ", 2 if "c " in line else -1)) == name


@given(st.lists(st.text(max_size=8), max_size=6))
def test_whatever_a_command_line_is_it_has_a_name_and_a_kind(words: list[str]) -> None:
    assert isinstance(called(tuple(words)), str)
    assert kind(words[0] if words else "") in KINDS
