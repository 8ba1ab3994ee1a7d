"""Children that crash, hang, shout and will not die: real ones."""

import os
import sys
import time
from pathlib import Path

import pytest

from sparkdoctor import process
from sparkdoctor.process import OUTPUT_LIMIT, Ran
from standins.hosts import Witness, script

SLACK = 1.0


def run(*argv: str, timeout: float = 5.0, **env: str) -> Ran:
    return process.run(argv, timeout=timeout, env={**os.environ, **env})


def python(code: str, timeout: float = 5.0) -> Ran:
    return run(sys.executable, "-I", "-S", "-c", code, timeout=timeout)


def shell(code: str, timeout: float = 5.0) -> Ran:
    return run("/bin/sh", "-c", code, timeout=timeout)


def test_what_a_child_says_is_kept_apart() -> None:
    assert shell("echo out; echo err >&2; exit 3") == Ran(3, "out\n", "err\n")


def test_a_child_reads_nothing() -> None:
    assert shell('read line; echo "$? [$line]"').stdout == "1 []\n"


def test_a_child_sees_the_environment_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "no")
    ran = process.run(["/bin/sh", "-c", "echo $OURS $THEIRS"], timeout=5, env={"THEIRS": "yes"})
    assert ran.stdout == "yes\n"


@pytest.mark.parametrize(
    ("code", "ended", "number"),
    [
        ("exit 0", "exited with status 0", 0),
        ("exit 127", "exited with status 127", 127),
        ("ulimit -c 0; kill -SEGV $$", "was killed by SIGSEGV", -11),
        ("ulimit -c 0; kill -ABRT $$", "was killed by SIGABRT", -6),
        ("kill -KILL $$", "was killed by SIGKILL", -9),
        ("kill -40 $$", "was killed by signal 40", -40),
    ],
)
def test_an_end_is_told_in_words(code: str, ended: str, number: int) -> None:
    ran = shell(code)
    assert (ran.ended, ran.code) == (ended, number)


def test_a_segfault_in_native_code_is_told_too() -> None:
    ran = python("import ctypes, resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); ctypes.string_at(0)")
    assert ran.ended == "was killed by SIGSEGV"


@pytest.mark.parametrize(
    ("said", "last"),
    [
        (Ran(1, "", ""), ""),
        (Ran(1, "a\n b \n\n", ""), "b"),
        (Ran(1, "a\n", "fatal: c\n"), "fatal: c"),
        (Ran(1, "a\n", " \n"), "a"),
    ],
)
def test_the_last_words_are_those_on_stderr(said: Ran, last: str) -> None:
    assert said.last_words == last


def test_a_hang_ends_with_the_deadline_and_keeps_what_was_said(witness: Witness) -> None:
    started = time.monotonic()
    ran = shell("echo before; sleep 60", timeout=0.3)
    assert time.monotonic() - started < 0.3 + SLACK
    assert ran == Ran(None, "before\n", "")
    assert ran.ended == "did not answer in time"
    assert witness.alive() == []


def test_a_child_that_ignores_signals_is_ended_too(witness: Witness) -> None:
    started = time.monotonic()
    ran = shell("trap '' TERM INT HUP; echo ready; while :; do sleep 1; done", timeout=0.3)
    assert time.monotonic() - started < 0.3 + SLACK
    assert ran.code is None
    assert ran.stdout == "ready\n"
    assert witness.alive() == []


def test_a_stopped_child_is_ended_too(witness: Witness) -> None:
    started = time.monotonic()
    assert shell("kill -STOP $$", timeout=0.3).code is None
    assert time.monotonic() - started < 0.3 + SLACK
    assert witness.alive() == []


def test_a_child_that_closes_its_outputs_and_stays_is_ended_too(witness: Witness) -> None:
    started = time.monotonic()
    assert shell("exec >&- 2>&-; sleep 60", timeout=0.3).code is None
    assert time.monotonic() - started < 0.3 + SLACK
    assert witness.alive() == []


def test_a_grandchild_that_holds_the_pipe_is_not_waited_for(witness: Witness) -> None:
    started = time.monotonic()
    ran = shell("sleep 60 & echo done", timeout=5)
    assert time.monotonic() - started < SLACK
    assert ran == Ran(0, "done\n", "")
    assert witness.alive() == []


def test_a_grandchild_dies_with_its_parent_at_the_deadline(witness: Witness) -> None:
    shell("sleep 60 & sleep 60", timeout=0.3)
    assert witness.alive() == []


@pytest.mark.parametrize("stream", ["", ">&2"])
def test_endless_output_is_cut_and_ended_long_before_the_deadline(witness: Witness, stream: str) -> None:
    started = time.monotonic()
    ran = shell(f"exec cat /dev/zero {stream}", timeout=30)
    assert time.monotonic() - started < 5
    assert len(ran.stderr if stream else ran.stdout) <= 4 * OUTPUT_LIMIT  # each NUL may be shown as an escape
    assert witness.alive() == []


def test_a_child_that_says_too_much_is_not_said_to_have_been_slow() -> None:
    ran = shell("exec cat /dev/zero", timeout=30)
    assert ran.ended != "did not answer in time"


def test_output_just_below_the_limit_is_whole() -> None:
    ran = python(f"import sys; sys.stdout.write('x' * {OUTPUT_LIMIT}); sys.stderr.write('y' * {OUTPUT_LIMIT})")
    assert ran.code == 0
    assert (len(ran.stdout), len(ran.stderr)) == (OUTPUT_LIMIT, OUTPUT_LIMIT)


def test_bytes_that_are_no_text_are_shown_as_escapes() -> None:
    assert shell(r"printf 'a\377b\000c'").stdout == "a\\xffb\0c"


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (None, FileNotFoundError),
        ("not executable", PermissionError),
        ("directory", PermissionError),
        ("garbage", OSError),
    ],
)
def test_what_cannot_be_started_is_an_os_error(tmp_path: Path, make: str | None, error: type[OSError]) -> None:
    path = tmp_path / "program"
    if make == "directory":
        path.mkdir()
    elif make == "not executable":
        path.write_text("#!/bin/sh\n")
    elif make == "garbage":
        script(path, "\x01\x02 no program of any kind\n")
    with pytest.raises(error):
        run(str(path))


def test_an_interpreter_that_is_missing_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run(str(script(tmp_path / "program", "#!/nowhere/python\n")))


def test_descriptors_do_not_leak() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for code in ("exit 0", "exec >&-", "sleep 60 &", "exec cat /dev/zero"):
        shell(code)
    shell("sleep 60", timeout=0.1)
    with pytest.raises(FileNotFoundError):
        run("/nowhere/program")
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_child_has_only_the_descriptors_it_is_given(tmp_path: Path) -> None:
    with (tmp_path / "one").open("w") as one, (tmp_path / "two").open("w") as two:
        os.set_inheritable(one.fileno(), True)
        code = f"echo hello > /proc/self/fd/{two.fileno()}; [ -e /proc/self/fd/{one.fileno()} ] || echo closed"
        ran = process.run(["/bin/sh", "-c", code], timeout=5, env={}, pass_fds=[two.fileno()])
    assert ran == Ran(0, "closed\n", "")
    assert (tmp_path / "two").read_text() == "hello\n"
