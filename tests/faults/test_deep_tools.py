"""The installed command among faults: compilers and libraries that hang at work, and an end in the middle of it."""

import json
import os
import re
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from sick import IMPORTED, LEFT, SLACK, WORKS, Env, deep, end, hidden, left_in_shm, patient, result, run, start, statuses
from standins.hosts import nothing_written, script

CUDA = WORKS.replace("cuda = None", "cuda = '13.0'").replace("False", "{available}")
SLEEPS = "import time\ntime.sleep(3600)\n"
JIT = "jit = lambda function: function\n"
TRITON = {
    "__init__.py": "__version__ = '3.6.0'\nfrom triton import language\n"
    + JIT
    + "def compile(*args, **options):\n    {compile}\n",
    "language.py": "constexpr = int\n",
    "compiler.py": "class ASTSource:\n    def __init__(self, *args, **constexprs): pass\n",
    "backends/compiler.py": "GPUTarget = tuple\nGPUTarget = lambda *args: args\n",
}
"""A Triton, as far as it is asked."""


def triton(site: Path, compile_: str) -> None:
    for name, text in TRITON.items():
        path = site / "triton" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("{compile}", compile_))


# --- PyTorch, Triton


@pytest.mark.waits
@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("torch.cuda.is_available", CUDA.format(available="time.sleep(3600)")),
        ("torch.cuda.init", CUDA.format(available="True") + "    init = lambda: time.sleep(3600)\n"),
    ],
)
def test_a_cuda_that_hangs(env: Env, tmp_path: Path, step: str, code: str) -> None:
    patient(tmp_path / "venv", "import time\n" + code.replace("lambda: time", "lambda: __import__('time')"))
    document = deep(env, tmp_path, "torch-import-dies", "torch-cannot-compute", "gpu-clocks-wedged", seconds=1.5)
    assert statuses(document) == {"torch-import-dies": "ok", "torch-cannot-compute": "failed", "gpu-clocks-wedged": "skipped"}
    assert result(document, "torch-cannot-compute")["summary"] == f"{step} did not answer in time"


@pytest.mark.parametrize(("initialised", "apart"), [(False, True), (True, False)])
def test_a_cuda_that_an_import_has_initialised_is_not_taken_across_a_fork(
    env: Env, tmp_path: Path, initialised: bool, apart: bool
) -> None:
    code = f"""\
import os
__version__ = "2.11.0"
PID = os.getpid()
class cuda:
    is_initialized = lambda: {initialised}
    def is_available():
        raise RuntimeError("apart" if os.getpid() != PID else "together")
"""
    patient(tmp_path / "venv", code)
    found = deep({**env, "PYTHONWARNINGS": "error"}, tmp_path, "torch-cannot-compute", "torch-import-dies")
    assert statuses(found)["torch-import-dies"] == "ok"
    words = f"torch.cuda.is_available raised RuntimeError: {'apart' if apart else 'together'}"
    assert result(found, "torch-cannot-compute")["summary"] == words


@pytest.mark.waits
@pytest.mark.parametrize(
    ("code", "words", "seconds"),
    [
        ("while True: pass", "compile for sm_121 did not answer in time", 1.5),
        ("import os; os.abort()", "compile for sm_121 was killed by SIGABRT", 10),
        ("import os; os.system('cat /dev/zero')", "compile for sm_121 printed more than 1 MiB and was ended", 10),
        ("raise SystemExit(0)", "compile for sm_121 raised SystemExit: 0", 10),
        ("return None", "compile for sm_121 raised AttributeError: 'NoneType' object has no attribute 'asm'", 10),
    ],
)
def test_a_triton_that_does_not_come_to_its_end(env: Env, tmp_path: Path, code: str, words: str, seconds: float) -> None:
    triton(patient(tmp_path / "venv", WORKS), code)
    found = result(deep(env, tmp_path, "triton-cannot-compile", seconds=seconds), "triton-cannot-compile")
    assert (found["status"], found["summary"]) == ("failed", f"Triton 3.6.0: {words}")


# --- nvcc

VERSION = "#!/bin/sh\ncase $1 in --*) echo release 13.0, V13.0.88; exit;; esac\n"
NVCC = {
    "sleeps": ("exec sleep 3600", "did not answer in time"),
    "ignores signals": ("trap '' INT TERM USR1; while :; do sleep 1; done", "did not answer in time"),
    "prints without end": ("exec cat /dev/zero", "raised RuntimeError"),
    "prints without end to stderr": ("exec yes fatal: no >&2", "raised RuntimeError: fatal: no"),
    "writes no file": ("exit 0", "raised RuntimeError: it ended with status 0 and wrote no library"),
    "writes what is none": ("echo no > $5; exit 0", "raised RuntimeError: it ended with status 0 and wrote no library"),
    "fails in the background": (
        "sleep 3600 & setsid sleep 3600 & echo nvcc fatal: no >&2; exit 1",
        "raised RuntimeError: nvcc fatal: no",
    ),
    "says nothing": ("exit 3", "raised RuntimeError: status 3"),
    "kills its parent": ("kill -9 $PPID", "was killed by SIGKILL"),
    "cannot be started": (None, "raised PermissionError"),
}


@pytest.mark.waits
@pytest.mark.parametrize("fault", NVCC)
def test_an_nvcc_that_does_not_do_its_work(env: Env, tmp_path: Path, fault: str) -> None:
    code, words = NVCC[fault]
    nvcc = script(tmp_path / "bin" / "nvcc", f"{VERSION}{code}\n")
    if code is None:
        nvcc.chmod(0o644)
    patient(tmp_path / "venv", WORKS)
    seconds = 1.5 if "time" in words else 10
    # What the Python that runs it loads at its start is no part of it.
    trap = "import os\nif 'toolkit.py' in open('/proc/self/cmdline').read(): os.abort()\n"
    script(tmp_path / "trap" / "sitecustomize.py", trap)
    env |= {"PYTORCH_NVCC": str(nvcc), "PYTHONPATH": str(tmp_path / "trap")}
    found = result(deep(env, tmp_path, "nvcc-cannot-compile", seconds=seconds), "nvcc-cannot-compile")
    assert found["status"] == "failed"
    assert found["summary"].startswith(f"nvcc: compile for sm_121 {words}")


def test_everything_hangs(env: Env, tmp_path: Path) -> None:
    nvcc = script(tmp_path / "bin" / "nvcc", f"{VERSION}exec sleep 3600\n")
    site = patient(tmp_path / "venv", SLEEPS)
    triton(site, "while True: pass")
    document = deep(env | {"PYTORCH_NVCC": str(nvcc)}, tmp_path, seconds=1)
    found = statuses(document)
    assert document["verdict"] == "failed"
    assert {found["torch-import-dies"], found["triton-cannot-compile"], found["nvcc-cannot-compile"]} <= {"failed", "crashed"}
    assert found["disk-low"] != "crashed"


# --- an end in the middle


def hanging(env: Env, place: Path) -> Any:
    """A deep check in the midst of an import that hangs, with a daemon that has shed all marks."""
    for name in ("tmp", "work"):
        (place / name).mkdir()
    patient(place / "venv", LEFT["a daemon without an environment"].format(pids=str(place / "pids")) + SLEEPS)
    process = start(
        env | {"TMPDIR": str(place / "tmp")},
        *("check", "--deep", "--python", str(place / "venv/bin/python"), "torch-import-dies", "--timeout", "60"),
        cwd=place / "work",
    )
    ends = time.monotonic() + 10
    while not hidden(place) and time.monotonic() < ends:
        time.sleep(0.01)
    assert hidden(place)
    return process


@pytest.mark.parametrize("times", [1, 20])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_in_the_middle_leaves_nothing(env: Env, tmp_path: Path, number: signal.Signals, times: int) -> None:
    process = hanging(env, tmp_path)
    started = time.monotonic()
    for _ in range(times):
        process.send_signal(number)
        time.sleep(0.005)
    ended = end(process, started)
    assert ended.seconds < SLACK
    assert ended.code in {128 + number, -number}
    assert b"Traceback" not in ended.err
    assert b"Exception" not in ended.err
    assert list((tmp_path / "tmp").iterdir()) == []
    assert left_in_shm(process.pid) == []


def test_a_doctor_that_is_killed_takes_its_workers_along(env: Env, tmp_path: Path) -> None:
    """What has left the worker's group, and the scratch directory, are beyond what the kernel does for us."""
    process = hanging(env, tmp_path)
    (daemon,) = hidden(tmp_path)
    process.kill()
    process.communicate()
    for path in left_in_shm(process.pid):
        path.rmdir()
    os.kill(daemon, signal.SIGKILL)


# --- surroundings


@pytest.mark.parametrize(
    "setting",
    [
        {"HOME": ""},
        {"HOME": "/proc"},
        {"TMPDIR": ""},
        {"TMPDIR": "/proc"},
        {"TERM": "dumb"},
        {"PYTHONSAFEPATH": "1"},
    ],
    ids=str,
)
def test_surroundings_that_are_poor(env: Env, tmp_path: Path, setting: Env) -> None:
    patient(tmp_path / "venv", WORKS)
    document = deep(env | setting, tmp_path, "torch-import-dies", seconds=10)
    assert statuses(document) == {"torch-import-dies": "ok"}


@pytest.mark.parametrize(("options", "where"), [("size=1m", "tmp"), ("noexec", "tmp"), ("ro", "tmp"), ("size=2g", "shm")])
def test_work_is_done_where_there_is_room(env: Env, tmp_path: Path, options: str, where: str) -> None:
    mount = f"mount -t tmpfs -o {options} tmpfs /dev/shm"
    prefix = ("unshare", "-m", "/bin/sh", "-ec")
    if subprocess.run([*prefix, mount], capture_output=True, check=False).returncode != 0:
        pytest.skip("only root in a machine that lets it mount can arrange this")
    patient(tmp_path / "venv", "raise OSError(os.environ['TMPDIR'])")
    found = deep(env, tmp_path, "torch-import-dies", seconds=10, prefix=(*prefix, f'{mount}; exec "$0" "$@"'))
    place = {"tmp": tmp_path / "tmp", "shm": "/dev/shm"}[where]
    assert result(found, "torch-import-dies")["summary"].startswith(f"import torch raised OSError: {place}/sparkdoctor-")


def screen(said: bytes) -> list[str]:
    """What a terminal shows after this was written to it: the few sequences that a live display uses."""
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", said.decode()):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part == "\x1b[2K":
            lines[row] = ""
        elif up := re.fullmatch(r"\x1b\[(\d+)A", part):
            row -= int(up[1])
        elif part != "\r" and not part.startswith("\x1b"):
            lines[row] = part  # a line is always written anew
    return lines


def test_progress_is_shown_on_a_terminal_and_gone_afterwards(env: Env, tmp_path: Path) -> None:
    patient(tmp_path / "venv", "import time\ntime.sleep(1.3)\n" + WORKS)
    leader, follower = os.openpty()
    args = ("--deep", "--python", f"{tmp_path}/venv/bin/python", "--format", "json", "torch-import-dies")
    process = start(env | {"TERM": "xterm"}, "check", *args, stderr=follower)
    os.close(follower)
    parts: list[bytes] = []
    while select.select([leader], [], [], 20)[0]:
        try:
            parts.append(os.read(leader, 1 << 16))
        except OSError:  # the other side is closed
            break
    os.close(leader)
    ended = end(process, time.monotonic())
    assert statuses(ended.document) == {"torch-import-dies": "ok"}
    said = b"".join(parts)
    assert b"PyTorch: import torch, 0 s" in said
    assert b"PyTorch: import torch, 1 s" in said
    assert b"\x1b[?25h" in said  # the cursor is back
    assert "".join(screen(said)).strip() == ""


@pytest.mark.parametrize("stream", ["pipe", "dumb terminal"])
def test_no_progress_is_shown_to_nobody(env: Env, tmp_path: Path, stream: str) -> None:
    patient(tmp_path / "venv", WORKS)
    args = ("--deep", "--python", f"{tmp_path}/venv/bin/python", "torch-import-dies")
    if stream == "pipe":
        ended = run(env | {"TERM": "xterm"}, "check", *args)
        assert ended.err == b""
        assert b"\x1b" not in ended.out
        return
    leader, follower = os.openpty()
    assert end(start(env | {"TERM": "dumb"}, "check", *args, stderr=follower), time.monotonic()).code == 0
    os.set_blocking(leader, False)
    with pytest.raises(BlockingIOError):
        os.read(leader, 100)
    os.close(leader)
    os.close(follower)


# --- tapes


def test_a_deep_tape_gives_the_same_verdicts_and_does_no_work(env: Env, tmp_path: Path) -> None:
    home = env["HOME"]
    words = f"no library in {home}/lib of {os.uname().nodename} with token=abcdefghijklmnop"
    site = patient(tmp_path / "venv", f"raise OSError({words!r})")
    triton(site, "import os; os.abort()")
    nvcc = script(tmp_path / "bin" / "nvcc", f"{VERSION}sleep 3600 & exit 0\n")
    env |= {"PYTORCH_NVCC": str(nvcc)}
    args = ("--deep", "--python", f"{tmp_path}/venv/bin/python", "--timeout", "20")
    usual = run(env, "check", *args, "--format", "json").document
    assert run(env, "record", *args, str(tmp_path / "tape.json")).code == 0
    text = (tmp_path / "tape.json").read_text()
    assert home not in text
    assert "abcdefghijklmnop" not in text
    assert {entry["args"][1] for entry in json.loads(text)["answers"] if entry["ask"] == "work"} >= {
        "pytorch",
        "compile",
        "toolkit",
    }
    Path(env[IMPORTED]).unlink()
    with nothing_written(tmp_path):
        again = run(env, "check", "--deep", "--replay", str(tmp_path / "tape.json"), "--format", "json").document
    assert statuses(again) == statuses(usual)
    summary = result(again, "torch-import-dies")["summary"]
    assert summary.startswith("import torch raised OSError: no library in /home/user/lib")
