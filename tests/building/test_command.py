"""`sparkdoctor build`: whose output, signals and status are the command's, and nobody stays paused."""

import contextlib
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from building.yard import BUILD, PATIENCE, Yard, read, states, until
from sparkdoctor.building.footer import Footer, writable
from sparkdoctor.building.watchdog import NAME
from standins.hosts import script


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    made = Yard(tmp_path)
    yield made
    made.clear()


# --- the command's own


@pytest.mark.parametrize("status", [0, 7, 255])
def test_the_exit_status_is_the_commands(yard: Yard, status: int) -> None:
    assert yard.run(command=("sh", "-c", f"exit {status}")).returncode == status


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGINT])
def test_who_watches_dies_of_what_the_command_died_of(yard: Yard, number: signal.Signals) -> None:
    ended = yard.run(command=("sh", "-c", f"kill -{number.value} $$"))
    assert ended.returncode == -number
    assert b"Traceback" not in ended.stderr


def test_input_and_output_pass_untouched(yard: Yard) -> None:
    said = bytes(range(256)) * 400
    ended = subprocess.run([*BUILD, "--", "cat"], input=said, capture_output=True, env=yard.env, timeout=PATIENCE, check=False)
    assert (ended.stdout, ended.stderr, ended.returncode) == (said, b"", 0)


def test_descriptors_directory_and_arguments_pass(yard: Yard) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    # Not by subprocess, which would close it.
    code = f"import os; os.write({writing}, os.fsencode(repr((os.getcwd(), __import__('sys').argv[1:]))))"
    weird = os.fsdecode(b"--reserve=\xff 1")
    child = yard.start(command=(sys.executable, "-c", code, weird, "--jobs", "x"), pass_fds=(writing,))
    assert child.wait(PATIENCE) == 0
    os.close(writing)
    assert os.read(reading, 4096) == os.fsencode(repr((str(yard.place), [weird, "--jobs", "x"])))
    os.close(reading)


def test_signals_that_were_ignored_stay_so_and_the_others_are_as_ever(yard: Yard) -> None:
    line = "grep -E '^Sig(Blk|Ign)' /proc/self/status"
    bare = subprocess.run(["sh", "-c", f"trap '' HUP; {line}"], capture_output=True, check=True).stdout
    watched = subprocess.run(
        ["sh", "-c", f'trap "" HUP; exec "$@" -- {line}', "sh", *BUILD], capture_output=True, env=yard.env, check=True
    ).stdout
    assert watched == bare


WAITS = [pytest.param(number, marks=pytest.mark.waits) for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, *WAITS])
def test_a_signal_reaches_the_command_once(yard: Yard, number: signal.Signals) -> None:
    code = (
        "import signal, sys, time\nheard = []\n"
        f"signal.signal({number.value}, lambda *_: heard.append(1))\nprint('ready', flush=True)\n"
        "time.sleep(0.2)\nwhile not heard: time.sleep(0.01)\ntime.sleep(0.3)\nsys.exit(40 + len(heard))"
    )
    child = yard.start(command=(sys.executable, "-c", code), stdout=subprocess.PIPE)
    assert child.stdout
    assert child.stdout.readline() == b"ready\n"
    child.send_signal(number)
    assert child.wait(PATIENCE) == 41


def test_the_variables_that_build_systems_read_are_set_where_they_are_not(yard: Yard) -> None:
    yard.env |= {"MAX_JOBS": "77", "NVCC_THREADS": ""}
    said = yard.run("--jobs", "1", command=("env",)).stdout.decode()
    found = dict(line.partition("=")[::2] for line in said.splitlines())
    assert found["MAX_JOBS"] == "77"
    assert found["CMAKE_BUILD_PARALLEL_LEVEL"] == found["CARGO_BUILD_JOBS"] == found["NVCC_THREADS"] == "1"
    assert found["NVTE_BUILD_THREADS_PER_JOB"] == "1"
    assert found["DS_NVCC_THREADS"] == str(min(os.cpu_count() or 1, 8))
    assert "MAKEFLAGS" not in found


# --- who stands still


def test_no_more_jobs_run_than_were_asked_for(yard: Yard) -> None:
    child = yard.start("--jobs", "1", "--report", "report.json", command=(yard.make, "3"))
    until(lambda: sorted(yard.jobs().values()).count("T") == 2, yard.jobs)
    yard.open()
    assert child.wait(PATIENCE) == 0
    report = json.loads((yard.place / "report.json").read_text())
    assert report["waits"]["held"] == 2
    assert report["jobs"]["most_at_once"] == 1


@pytest.mark.parametrize("dog", [False, True], ids=["", "after its watchdog was killed"])
def test_nobody_stays_still_when_it_is_killed(yard: Yard, dog: bool) -> None:
    child = yard.start("--jobs", "1", command=(yard.make, "4"))
    until(lambda: sorted(yard.jobs().values()).count("T") == 3, yard.jobs)
    if dog:
        (first,) = dogs(child.pid)
        os.kill(first, signal.SIGKILL)
        until(lambda: dogs(child.pid) not in ([], [first]), lambda: dogs(child.pid))
    child.kill()
    until(lambda: len(yard.jobs()) == 4 and "T" not in yard.jobs().values(), yard.jobs)


def dogs(parent: int) -> list[int]:
    """The watchdogs of a process."""
    found = []
    for pid in states(NAME):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        if int(fields[1]) == parent:
            found.append(pid)
    return found


def test_ending_it_lets_all_go_on(yard: Yard) -> None:
    child = yard.start("--jobs", "1", command=(yard.make, "3"))
    until(lambda: sorted(yard.jobs().values()).count("T") == 2, yard.jobs)
    child.send_signal(signal.SIGTERM)
    assert child.wait(PATIENCE) == -signal.SIGTERM
    until(lambda: "T" not in yard.jobs().values(), yard.jobs)  # as without us: make has ended, its jobs have not


def test_who_stands_by_himself_is_not_made_to_go_on(yard: Yard) -> None:
    script(yard.place / "cc", f'#!/bin/sh\n[ "$2" = unit1.c ] && kill -STOP $$\nread line < {yard.gate}\n')
    child = yard.start("--jobs", "1", command=(yard.make, "3"))
    until(lambda: sorted(yard.jobs().values()).count("T") == 2, yard.jobs)  # unit1 has stopped, and one of two others is held
    yard.open()
    until(lambda: list(yard.jobs().values()) == ["T"], yard.jobs)
    (stopped,) = yard.jobs()
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.3)
    os.kill(stopped, signal.SIGCONT)
    assert child.wait(PATIENCE) == 0


def test_who_was_made_to_go_on_by_a_shell_is_held_again(yard: Yard) -> None:
    child = yard.start("--jobs", "1", command=(yard.make, "3"), start_new_session=True)
    until(lambda: sorted(yard.jobs().values()).count("T") == 2, yard.jobs)
    os.killpg(child.pid, signal.SIGSTOP)
    until(lambda: sorted(yard.jobs().values()).count("T") == 3, yard.jobs)
    os.killpg(child.pid, signal.SIGCONT)  # as `fg` does
    until(lambda: sorted(yard.jobs().values()).count("T") == 2, yard.jobs)
    yard.open()
    assert child.wait(PATIENCE) == 0


def test_a_watchdog_that_stands_still_holds_nobody_up(yard: Yard) -> None:
    child = yard.start("--jobs", "1", command=(yard.make, "3"))
    until(lambda: sorted(yard.jobs().values()).count("T") == 2, yard.jobs)
    (dog,) = dogs(child.pid)
    os.kill(dog, signal.SIGSTOP)
    yard.open()
    assert child.wait(PATIENCE) == 0
    assert not os.path.exists(f"/proc/{dog}")


def test_a_build_goes_on_whatever_breaks_in_who_watches_it(yard: Yard) -> None:
    code = (
        "import sparkdoctor.building.gate as gate\nplain, looks = gate.Gate.decide, []\n"
        "def decide(*args):\n    looks.append(1)\n    if len(looks) > 2: raise ValueError('no\\nsense')\n    return plain(*args)\n"
        "gate.Gate.decide = decide\nfrom sparkdoctor.cli import main; main()"
    )
    command = [sys.executable, "-c", code, "build", "--jobs", "1", "--", yard.make, "3"]
    with subprocess.Popen(command, env=yard.env, cwd=yard.place, stderr=subprocess.PIPE) as child:
        assert child.stderr
        said = read(child.stderr.fileno(), b"not watched any more, it goes on as without sparkdoctor: ValueError: no sense\n")
        until(lambda: len(yard.jobs()) == 3 and "T" not in yard.jobs().values(), yard.jobs)
        yard.open()
        said += child.stderr.read()
    assert child.returncode == 0, said
    assert b"Traceback" not in said


# --- a terminal


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a terminal of 24 rows: ours, and a program's."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


def test_the_line_is_not_written_where_that_would_wait_or_disturb(
    terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = terminal
    monkeypatch.setattr(Footer, "possible", True)
    footer = Footer(theirs)
    footer.show(lambda width: f"first {width}")
    assert b"first 80" in read(ours, b"first 80")
    termios.tcflow(theirs, termios.TCOOFF)  # Ctrl-S
    assert not writable(theirs)
    footer.show(lambda _: "second")
    termios.tcflow(theirs, termios.TCOON)
    footer.show(lambda _: "third")
    assert b"second" not in read(ours, b"third")
    tty.setcbreak(theirs)  # `make menuconfig`
    footer.show(lambda _: "fourth")
    assert b"fourth" not in read(ours, b"\x1b[r")


@pytest.mark.parametrize("rows", [1, 4, 5])
def test_a_terminal_without_a_row_to_spare_gets_no_line(terminal: tuple[int, int], rows: int) -> None:
    termios.tcsetwinsize(terminal[1], (rows, 80))
    assert not Footer(terminal[1]).possible


def test_a_pipe_that_nobody_reads_is_not_waited_for() -> None:
    reading, writing = os.pipe()
    assert writable(writing)
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    assert not writable(writing)
    os.close(reading)
    os.close(writing)


@pytest.mark.waits
def test_on_a_terminal_one_ctrl_c_is_one_and_the_bottom_row_is_given_back(yard: Yard) -> None:
    code = (
        "import signal, sys, time\nheard = []\nsignal.signal(signal.SIGINT, lambda *_: heard.append(1))\n"
        "print('ready', flush=True)\nwhile not heard: time.sleep(0.01)\ntime.sleep(0.3)\nsys.exit(40 + len(heard))"
    )
    yard.env["TERM"] = "xterm"
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(yard.place)
        os.execve(BUILD[0], [*BUILD, "--", sys.executable, "-c", code], yard.env)
    subprocess.run(["stty", "rows", "24", "cols", "80"], stdin=terminal, check=True)
    said = read(terminal, b"sparkdoctor 0:0")
    assert b"ready" in said
    assert b"\x1b[1;23r" in said
    os.write(terminal, b"\x03")
    rest = read(terminal, b"\x1b[r")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 41
    assert b"Traceback" not in rest
    os.close(terminal)


@pytest.mark.waits
@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_that_understands_nothing_gets_no_line(yard: Yard, term: str) -> None:
    yard.env["TERM"] = term
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(yard.place)
        os.execve(BUILD[0], [*BUILD, "--", "sleep", "1.3"], yard.env)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.set_blocking(terminal, False)
    try:
        said = os.read(terminal, 4096)
    except OSError:
        said = b""
    assert b"\x1b" not in said
    os.close(terminal)


# --- who leaves the tree, and who was left


def test_who_leaves_by_a_double_fork_is_named_and_left_alone(yard: Yard) -> None:
    line = f"(setsid {yard.place}/cc -c unit1.c >/dev/null 2>&1 </dev/null &) ; sleep 0.3; exit 3"
    started = time.monotonic()
    ended = yard.run("--report", "report.json", command=("sh", "-c", line))
    assert ended.returncode == 3
    assert time.monotonic() - started < PATIENCE / 2
    until(lambda: len(yard.jobs()) == 1, yard.jobs)
    assert json.loads((yard.place / "report.json").read_text())["left"] == ["cc"]
    assert re.search(rb"\bcc\b", ended.stderr)


@pytest.mark.skipif(os.getuid() != 0 or shutil.which("unshare") is None, reason="root and unshare are needed")
def test_as_pid_1_it_takes_leave_of_orphans_and_says_signals_as_shells_do(yard: Yard) -> None:
    alone = ("unshare", "--pid", "--fork", "--mount-proc")
    orphans = "for i in 1 2 3 4 5; do (sh -c 'sleep 0.05' &) ; done; sleep 0.6; ps -eo stat= | grep -c '^Z'; exit 5"
    ended = yard.run(command=("sh", "-c", orphans), prefix=alone)
    assert (ended.returncode, ended.stdout.strip()) == (5, b"0"), ended.stderr
    assert yard.run(command=("sh", "-c", "kill -9 $$"), prefix=alone).returncode == 128 + 9


# --- wrong usage


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), b"a command is due"),
        (("--",), b"a command is due"),
        (("--", "no-such-command"), b"no-such-command"),
        (("--", "/"), b"/"),
        (("--", "./plain"), b"./plain"),
        (("--reserve", "100000", "--", "true"), b"--reserve 100000"),
        (("--reserve", "nan", "--", "true"), b"nan"),
        (("--reserve", "-1", "--", "true"), b"--reserve"),
        (("--jobs", "0", "--", "true"), b"--jobs"),
        (("--reserve", "inf", "--", "true"), b"inf"),
        (("--job", "3", "--", "true"), b"No such option"),
        (("--", ""), b"name is empty"),
    ],
    ids=str,
)
def test_wrong_usage_is_a_line_and_2(yard: Yard, args: tuple[str, ...], words: bytes) -> None:
    (yard.place / "plain").write_text("no program")
    ended = subprocess.run([*BUILD, *args], capture_output=True, env=yard.env, cwd=yard.place, timeout=PATIENCE, check=False)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert b"Traceback" not in ended.stderr
    assert ended.stdout == b""


def test_a_report_that_cannot_be_written_does_not_change_the_status(yard: Yard) -> None:
    ended = yard.run("--report", "/nowhere/report.json", command=("sh", "-c", "exit 4"))
    assert ended.returncode == 4
    assert b"/nowhere/report.json" in ended.stderr
