"""Children that crash, hang, shout and will not die: real ones."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sparkdoctor import process
from sparkdoctor.process import OUTPUT_LIMIT, SAY, TAIL, TOKEN, Ran, Worked
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


# --- workers


def unheard(chunk: bytes) -> None:
    """Nobody listens."""


def work(code: str, timeout: float = 5.0, hear: Callable[[bytes], None] = unheard) -> Worked:
    """A worker with `say`, which reports a line."""
    start = f"import os, sys, time\ndef say(text): os.write(int(os.environ[{SAY!r}]), text)\n"
    argv = [sys.executable, "-I", "-S", "-c", start + code]
    return process.work(argv, timeout=timeout, env=os.environ, hear=hear)


def test_a_worker_reports_apart_from_what_it_prints() -> None:
    assert work("say(b'line\\n'); print('out'); print('err', file=sys.stderr)") == Worked(0, "line\n", "out\n", "err\n")
    assert work("say(b'\\xff'); os._exit(7)") == Worked(7, "\\xff", "", "")


def test_what_a_worker_reports_is_heard_as_it_comes() -> None:
    reading, writing = os.pipe()
    heard: list[bytes] = []

    def hear(chunk: bytes) -> None:
        heard.append(chunk)
        if chunk == b"one":
            os.write(writing, b"go on")  # it waits for that before it says two

    worked = work(f"say(b'one'); open('/proc/{os.getpid()}/fd/{reading}', 'rb').read(1); say(b'two')", hear=hear)
    os.close(reading)
    os.close(writing)
    assert (worked.code, worked.said, heard) == (0, "onetwo", [b"one", b"two"])


def test_a_worker_that_is_late_says_where_it_stands(witness: Witness) -> None:
    started = time.monotonic()
    trace = "import faulthandler; faulthandler.register(10, 2)\ndef here(): time.sleep(60)\n"
    worked = work(trace + "say(b'began'); print('words', flush=True); here(); say(b'woke')", timeout=1.2)
    assert time.monotonic() - started < 1.2 + SLACK
    assert (worked.code, worked.ended, worked.said, worked.stdout) == (None, "did not answer in time", "began", "words\n")
    assert "in here" in worked.stderr
    assert witness.alive() == []


def test_nothing_that_a_late_worker_reports_counts() -> None:
    wakes = "import signal\ndef wake(*_): say(b'woke'); os._exit(0)\nsignal.signal(signal.SIGUSR1, wake)\n"
    worked = work(wakes + "say(b'began'); time.sleep(60)", timeout=1.2)
    assert (worked.code, worked.said) == (None, "began")


@pytest.mark.parametrize("where", ["1", "2", f"int(os.environ[{SAY!r}])"])
def test_a_worker_that_prints_without_end_is_ended_in_bounded_memory(witness: Witness, where: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    worked = work(f"while True: os.write({where}, b'x' * 100000)", timeout=30)
    assert (worked.flooded, worked.code) == (True, -signal.SIGKILL)
    assert worked.ended == "printed more than 1 MiB and was ended"
    assert len(worked.said) <= OUTPUT_LIMIT
    assert max(len(worked.stdout), len(worked.stderr)) <= TAIL
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10  # KiB
    assert witness.alive() == []


def test_of_what_a_worker_prints_the_end_is_kept() -> None:
    worked = work(f"print('x' * {TAIL} + 'end')")
    assert worked.stdout == "x" * (TAIL - 4) + "end\n"


SPAWN = "import subprocess; subprocess.Popen({argv}, start_new_session=True{more}); "


def test_processes_that_a_worker_leaves_are_named_and_ended(witness: Witness) -> None:
    spawn = SPAWN.format(argv=["sleep", "60"], more="")
    assert work(spawn * 2).left == ("sleep", "sleep")
    assert witness.alive() == []
    assert work(spawn + "os.abort()").left == ("sleep",)
    assert work(spawn + "time.sleep(60)", timeout=0.5).left == ()  # it has not ended: all of them are its own
    assert witness.alive() == []


def test_helpers_that_end_with_a_worker_are_not_left_behind() -> None:
    helper = "import subprocess; subprocess.Popen(['cat'], stdin=subprocess.PIPE, start_new_session=True); "
    assert work(helper * 3).left == ()


def test_a_worker_s_mark_is_its_own(witness: Witness) -> None:
    """The processes of one worker are not touched by the end of another."""
    slow: list[Worked] = []
    code = "import subprocess; other = subprocess.Popen(['sleep', '0.8'], start_new_session=True); say(b'x'); print(other.wait())"
    heard: list[bytes] = []
    thread = threading.Thread(target=lambda: slow.append(work(code, hear=heard.append)))
    thread.start()
    while not heard:
        time.sleep(0.01)
    assert work(f"print(os.environ[{TOKEN!r}])").stdout.startswith(f"{os.getpid()}-")
    thread.join()
    assert (slow[0].code, slow[0].stdout) == (0, "0\n")


ADOPTING = """
import os, sys
from sparkdoctor import process
process.adopt()
code = "import os, subprocess, time; subprocess.Popen(['sleep', '60'], start_new_session=True, env={})"
worked = process.work([sys.executable, "-S", "-c", code], timeout=5, env={}, hear=lambda chunk: None)
print(worked.left, open(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read().split())
"""


def test_an_orphan_that_has_shed_its_mark_is_found_by_who_adopts() -> None:
    said = subprocess.run([sys.executable, "-c", ADOPTING], check=True, capture_output=True, text=True).stdout
    assert said == "('sleep',) []\n"


def test_a_worker_ends_when_we_are_killed(tmp_path: Path, witness: Witness) -> None:
    code = "import os, signal, subprocess, time; signal.signal(15, signal.SIG_IGN); subprocess.Popen(['sleep', '60']); "
    code += f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    doctor = "from sparkdoctor import process; import os, sys; "
    doctor += f"process.work([sys.executable, '-S', '-c', {code!r}], timeout=60, env=dict(os.environ), hear=print)"
    killed = subprocess.Popen([sys.executable, "-c", doctor])
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()):
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    assert witness.alive() == []


def test_no_child_leaves_a_core_file(tmp_path: Path) -> None:
    code = "import os, resource; print(resource.getrlimit(resource.RLIMIT_CORE))"
    assert work("time.sleep(0.05)\n" + code).stdout == python("import time; time.sleep(0.05)\n" + code).stdout == "(0, 0)\n"


def test_workers_leak_neither_descriptors_nor_marks() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for code in ("pass", "os.closerange(0, 256)", "while True: print('x' * 1000)", "os.abort()"):
        work(code)
    work("time.sleep(60)", timeout=0.1)
    with pytest.raises(FileNotFoundError):
        process.work(["/nowhere/python"], timeout=1, env={}, hear=unheard)
    assert len(os.listdir("/proc/self/fd")) == before
    assert not process._marks
    assert not process._alive
