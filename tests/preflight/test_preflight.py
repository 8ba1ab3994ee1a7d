"""`sparkdoctor preflight` as a process: what it starts, what that is given, what it refuses and says."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from doors import COMMAND, FEW, Doors, patched
from sparkdoctor.facts.exports import NAMES
from sparkdoctor.mends import THREADS
from sparkdoctor.registry import Registry

ODD = b"a\xff\xfe\x01b c\n'"
TELL: list[str | bytes] = [
    "cat",
    "/proc/self/status",
    "/proc/thread-self/children",
    "/proc/self/cmdline",
    "mark",
    "/proc/self/environ",
    ODD,
]
"""What is told: signals and umask, children, the arguments, the directory (that has the mark), the environment."""
TOLD = ("Umask", "PPid", "Uid", "Gid", "Groups", "SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt", "Cap", "NoNewPrivs", "Threads")


def test_the_command_gets_what_we_were_given(doors: Doors, tmp_path: Path) -> None:
    (tmp_path / "mark").write_text("here\n")
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)

    def tell(*argv: str | bytes, mode: str = "") -> tuple[list[bytes], list[bytes]]:
        # Without a locale, in which Python sets one.
        env = {os.fsencode(name): os.fsencode(value) for name, value in doors.env.items() if name != "LANG"}
        env |= {b"ODD": ODD, b"MAX_JOBS": b"1", b"SPARKDOCTOR_PREFLIGHT": mode.encode()}
        start = ["sh", "-c", 'umask 027; exec env --block-signal=USR2 --ignore-signal=HUP "$@" 0<&-', "sh", *argv]
        ended = subprocess.run(start, env=env, stdout=subprocess.PIPE, cwd=tmp_path, close_fds=False, check=False)
        given, _, environment = ended.stdout.partition(b"here\n")
        told = tuple(name.encode() for name in TOLD)  # the rest of the status is of the process that tells
        lines = [line for line in given.splitlines() if b":\t" not in line or line.startswith(told)]
        return lines, environment.split(b"\0")

    listing = ["ls", "/proc/self/fd"]
    (given, environment), (open_ones, _) = tell(*TELL), tell(*listing)
    assert {b"Umask:\t0027", b"SigBlk:\t0000000000000800", b"SigIgn:\t0000000000000001"} <= set(given)
    assert b"ODD=" + ODD in environment
    assert str(writing).encode() in open_ones
    for mode in ("off", "enforce"):
        through, more = tell(*COMMAND, "--", *TELL, mode=mode)
        assert through == given
        ours = tuple(f"{name}=".encode() for name in (*NAMES, THREADS, "SPARKDOCTOR_PREFLIGHT") if name != "MAX_JOBS")
        assert [line for line in more if not line.startswith(ours)] == [line for line in environment if not line.startswith(ours)]
    assert tell(*COMMAND, "--", *listing)[0] == open_ones
    os.close(reading)
    os.close(writing)


def test_the_command_takes_our_place(doors: Doors) -> None:
    with doors.start("sh", "-c", "echo $$; exec sleep 60") as child:
        assert child.stdout is not None
        assert int(child.stdout.readline()) == child.pid
        child.terminate()
        assert child.wait(10) == -signal.SIGTERM  # its own default: no handler of ours is left
        assert child.stderr is not None
        (line,) = child.stderr.read().decode().splitlines()[-1:]
    assert line.startswith("sparkdoctor: ")
    assert " passed in 0." in line
    assert doors.looks == 1


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 41", 41), ("kill -9 $$", -9), ("kill -SEGV $$", -11)])
def test_its_end_is_ours(doors: Doors, script: str, code: int) -> None:
    assert doors.run("--", "sh", "-c", script, SPARKDOCTOR_PREFLIGHT="off").returncode == code
    assert doors.looks == 0


def test_options_of_the_command_are_its_own(doors: Doors) -> None:
    ended = doors.run("echo", "--profile", "x", "--help", "--", "-h", SPARKDOCTOR_PREFLIGHT="off")
    assert (ended.stdout, ended.stderr) == (b"--profile x --help -- -h\n", b"")


def test_where_it_is_ill_nothing_is_started(doors: Doors, tmp_path: Path) -> None:
    doors.is_("closed")
    mark = tmp_path / "started"
    ended = doors.run("--", "touch", str(mark))
    assert (ended.returncode, ended.stdout) == (78, b"")
    assert not mark.exists()
    text = ended.stderr.decode()
    assert "✗ door-closed [doors] The door is open\n    the door is closed\n    → Open it.\n      touch it\n" in text
    assert "touch was not started: 1 failed," in text
    assert text.rstrip().endswith("SPARKDOCTOR_PREFLIGHT=warn")
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80
    ended = doors.run("--", "touch", str(mark), SPARKDOCTOR_PREFLIGHT="warn")
    assert (ended.returncode, ended.stdout) == (0, b"")
    assert "✗ door-closed" in ended.stderr.decode()
    assert mark.exists()


def test_the_threshold(doors: Doors) -> None:
    doors.is_("ajar")
    ended = doors.run("--", "true")
    assert ended.returncode == 0
    assert "sparkdoctor: warning: door-closed: the door is ajar → Push it." in ended.stderr.decode().splitlines()
    assert doors.run("--fail-on", "warning", "--", "true").returncode == 78
    doors.is_("closed")
    assert doors.run("--fail-on", "never", "--", "true").returncode == 0


def test_nothing_examined_is_not_healthy(doors: Doors) -> None:
    others = [word for name in Registry.load().checks if name != "disk-low" for word in ("--ignore", name)]
    doors.profile.write_text(f'{FEW}disk-low = "off"\n')
    ended = doors.run(*others, "--ignore", "door-closed", "--fail-on", "never", "--", "true")
    assert ended.returncode == 78
    assert "true was not started: nothing could be examined" in ended.stderr.decode()


def test_what_a_variable_of_ours_cures_is_not_refused(doors: Doors) -> None:
    doors.is_("jobs")
    ended = doors.run("--", "sh", "-c", "echo $MAX_JOBS")
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > 0
    assert f"sparkdoctor: MAX_JOBS={ended.stdout.decode().strip()}: " in ended.stderr.decode()
    assert doors.looks == 2
    assert doors.run("--", "true", MAX_JOBS="").returncode == 0  # who reads it takes that for unset


def test_a_value_of_the_users_stays(doors: Doors) -> None:
    ended = doors.run("--ignore", "build-jobs-unbounded", "--", "sh", "-c", "echo $MAX_JOBS", MAX_JOBS="0")
    assert (ended.returncode, ended.stdout) == (0, b"0\n")
    assert "sparkdoctor: MAX_JOBS=0: compilers without bound" in ended.stderr.decode()


def test_limits_are_raised_for_the_command(doors: Doors) -> None:
    doors.profile.write_text(f"{FEW}[stack_mib]\nfailed = 8\n[limits]\nopen_files = 600\n")
    start = [
        "sh",
        "-c",
        'ulimit -S -s 1024; ulimit -S -n 500; exec "$@"',
        "sh",
        *COMMAND,
        "--",
        "sh",
        "-c",
        "ulimit -s; ulimit -n",
    ]
    ended = subprocess.run(start, env=doors.env, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr
    stack, files = map(int, ended.stdout.split())
    assert stack == 65536
    assert files > 600
    lines = ended.stderr.splitlines()
    assert "sparkdoctor: the limit on stack is raised from 1 MiB to 64 MiB" in lines
    assert f"sparkdoctor: the limit on open files is raised from 500 to {files}" in lines


def test_a_signal_while_it_examines_starts_nothing(doors: Doors) -> None:
    doors.is_("stuck")
    with doors.start("--", "echo", "started") as child:
        while not doors.looks:
            time.sleep(0.01)
        began = time.monotonic()
        child.terminate()
        out, _ = child.communicate(timeout=10)
        assert (child.returncode, out) == (143, b"")
        assert time.monotonic() - began < 2


def assert_waits(child: "subprocess.Popen[bytes]") -> None:
    assert child.stderr is not None
    said = child.stderr.readline()
    if re.fullmatch(rb"sparkdoctor: waiting, for \d+ s at most: door-closed\n", said) is None:
        child.kill()  # it would wait on
        raise AssertionError(said)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_while_it_waits_starts_nothing(doors: Doors, number: signal.Signals, code: int) -> None:
    doors.is_("closed")
    with doors.start("--wait", "1h", "--", "echo", "started") as child:
        assert_waits(child)
        began = time.monotonic()
        child.send_signal(number)
        out, _ = child.communicate(timeout=10)
        assert (child.returncode, out) == (code, b"")
        assert time.monotonic() - began < 2


def test_waiting_until_it_is_healthy(doors: Doors) -> None:
    doors.is_("closed")
    command = patched("preflight.FIRST_PAUSE = 0.2")
    with doors.start("--wait", "1m", "--", "echo", "started", command=command, MAX_JOBS="1") as child:
        assert_waits(child)
        doors.is_("open")
        out, err = child.communicate(timeout=30)
    assert (child.returncode, out) == (0, b"started\n")
    assert b"waiting" not in err
    assert doors.looks == 2


def test_waiting_in_vain_is_refused_with_the_last_state(doors: Doors) -> None:
    doors.is_("closed")
    ended = doors.run("--wait", "0.2s", MAX_JOBS="1")
    assert ended.returncode == 78
    assert "✗ door-closed" in ended.stderr.decode()
    assert "Not ready: 1 failed" in ended.stderr.decode()
    assert doors.looks == 2


def test_without_a_command_it_is_an_init_check(doors: Doors, tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = patched(
        f"import atexit\natexit.register(lambda: print('rich' in sys.modules))\npreflight.TERMINATION_LOG = {str(log)!r}"
    )
    ended = doors.run(command=command)
    assert (ended.returncode, ended.stdout) == (0, b"False\n")  # a fifth of its time
    assert len(ended.stderr.splitlines()) == 1
    doors.is_("closed")
    assert doors.run(command=command).returncode == 78
    assert not log.exists()  # it is never made
    log.write_text("x" * 9000)
    assert doors.run(command=command).returncode == 78
    said = log.read_text()
    assert said.startswith("Not ready: 1 failed, ")
    assert "failed: door-closed: the door is closed\n  → Open it. touch it\n" in said


def test_where_the_doctor_breaks(doors: Doors) -> None:
    command = patched("def broken(*_): raise ValueError('a bug')\ndoctor.diagnose = broken")
    ended = doors.run("--", "echo", "started", command=command)
    assert (ended.returncode, ended.stdout) == (3, b"")
    assert b"sparkdoctor broke: ValueError: a bug" in ended.stderr
    ended = doors.run("--", "echo", "started", command=command, SPARKDOCTOR_PREFLIGHT="warn")
    assert (ended.returncode, ended.stdout) == (0, b"started\n")
    assert b"the doctor broke: ValueError: a bug" in ended.stderr
    command = patched('def broken(*_): raise RuntimeError("can\'t start new thread")\ndoctor.diagnose = broken')
    ended = doors.run("--", "echo", "started", command=command)
    assert (ended.returncode, ended.stdout) == (3, b"")
    assert b"no thread can be started (the limit on processes" in ended.stderr


@pytest.mark.parametrize("words", [["--profile", "none"], ["--ignore", "door-close"], ["--python", "/x"]], ids=" ".join)
def test_with_warn_it_is_started_where_nothing_can_be_examined(doors: Doors, words: list[str]) -> None:
    ended = doors.run(*words, "--", "echo", "started", SPARKDOCTOR_PREFLIGHT="warn")
    assert (ended.returncode, ended.stdout) == (0, b"started\n")
    (line,) = ended.stderr.decode().splitlines()
    assert line.startswith("sparkdoctor: nothing was examined, by SPARKDOCTOR_PREFLIGHT=warn: ")


def test_why_nothing_could_be_examined_is_left_for_kubernetes(doors: Doors, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    ended = doors.run(command=patched(f"preflight.TERMINATION_LOG = {str(log)!r}"), SPARKDOCTOR_PROFILE="/mounted/not.toml")
    assert ended.returncode == 2
    assert log.read_text() == ended.stderr.decode()
    assert log.read_text().startswith("sparkdoctor: $SPARKDOCTOR_PROFILE: no profile '/mounted/not.toml'")


def test_a_signal_while_we_clean_up_starts_nothing(doors: Doors, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    statement = f"import atexit, pathlib, time\natexit.register(lambda: (pathlib.Path({str(mark)!r}).touch(), time.sleep(0.3)))"
    with doors.start("--", "echo", "started", command=patched(statement)) as child:
        while not mark.exists():
            time.sleep(0.01)
        child.terminate()
        out, err = child.communicate(timeout=10)
    assert (child.returncode, out) == (143, b"")
    assert b"Traceback" not in err


def test_what_a_check_has_left_running_is_not_the_commands(doors: Doors) -> None:
    statement = "import subprocess\nsubprocess.Popen(['sleep', '1000'])"
    command = patched(f"examined = doctor.diagnose\ndoctor.diagnose = lambda *all: (exec({statement!r}), examined(*all))[1]")
    ended = doors.run("--", "cat", "/proc/thread-self/children", command=command)
    assert (ended.returncode, ended.stdout) == (0, b"")


@pytest.mark.parametrize(
    ("args", "env", "words"),
    [
        (["--"], {}, "preflight --: no command stands behind it"),
        (["--", "no-such-thing"], {}, "no-such-thing: no such command on PATH"),
        (["--", "/"], {}, "/: it is a directory"),
        (["--", ""], {}, "the command's name is empty"),
        (["--profile", "x", "true"], {}, "no profile 'x'; built in are"),
        (["true"], {"SPARKDOCTOR_PROFILE": "/x/y.toml"}, "$SPARKDOCTOR_PROFILE: no profile '/x/y.toml'"),
        (["true"], {"SPARKDOCTOR_PREFLIGHT": "on"}, "SPARKDOCTOR_PREFLIGHT=on: enforce, warn or off is due"),
        (["--wait", "5x", "true"], {}, "--wait 5x: a duration is due: 90 (seconds), 30s, 1.5m, 1h30m"),
        (["--ignore", "door-close", "true"], {}, "--ignore: no check 'door-close'; did you mean"),
        (["--python", "/x", "true"], {}, "--python /x: no such interpreter"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage(doors: Doors, args: list[str], env: dict[str, str], words: str) -> None:
    doors.env |= env
    ended = doors.run(*args)
    assert (ended.returncode, ended.stdout) == (2, b"")
    (line,) = ended.stderr.decode().splitlines()
    assert line.startswith(f"sparkdoctor: {words}")
