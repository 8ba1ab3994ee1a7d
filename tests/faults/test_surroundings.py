"""The installed command among faults: the surroundings."""

import json
import os
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from sick import (
    COMMAND,
    CONTRACT,
    SLACK,
    TORCH,
    Env,
    check,
    end,
    patient,
    run,
    start,
    statuses,
    told,
)
from standins.hosts import Witness, script


@pytest.mark.parametrize("form", ["terminal", "json"])
@pytest.mark.parametrize(
    "closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full", "</dev/full >/dev/null 2>&1"]
)
def test_standard_streams_that_are_closed_or_full(env: Env, closed: str, form: str) -> None:
    prefix = ("/bin/sh", "-c", f'exec "$0" "$@" {closed}')
    started = time.monotonic()
    ended = end(start(env, "check", "--format", form, "--timeout", "5", prefix=prefix), started)
    assert ended.code in {0, 1, 3}
    assert b"Traceback" not in ended.err
    assert b"Exception ignored" not in ended.err
    assert ended.seconds < 5 + SLACK


def test_closed_streams_change_no_result(env: Env, tmp_path: Path) -> None:
    """The files that compilers are given must not stand where the compiler's own streams are."""
    want = "#!/bin/sh\nfor last; do case $last in /proc/self/fd/*) grep -q __global__ $last && found=1;; esac; done\n"
    script(tmp_path / "bin" / "nvcc", f'{want}[ "$1" = --version ] || [ "$found" ] || exit 4\necho release 13.0, V13.0.88\n')
    env |= {"PYTORCH_NVCC": f"{tmp_path}/bin/nvcc"}
    expected = check(env)
    assert statuses(expected)["nvcc-lacks-architecture"] == "ok"
    for closed in ("<&-", ">&-", "<&- >&-", "<&- >&- 2>&-"):
        report = tmp_path / "report.json"
        prefix = ("/bin/sh", "-c", f'exec "$0" "$@" {closed}')
        run(env, "check", "--format", "json", "--output", str(report), prefix=prefix)
        assert statuses(json.loads(report.read_text())) == statuses(expected), closed


@pytest.mark.parametrize(
    "args",
    [
        ("check",),
        ("check", "-v"),
        ("check", "--format", "json"),
        ("list",),
        ("explain", "shm-too-small"),
        ("record", "-"),
        ("--help",),
    ],
    ids=" ".join,
)
def test_a_reader_who_has_gone(env: Env, args: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    started = time.monotonic()
    ended = end(start(env, *args, stdout=writing), started)
    os.close(writing)
    assert ended.code in CONTRACT
    assert ended.err == b""


@pytest.mark.parametrize("args", ["check", "check --format json", "list", "record -", "check --help"])
def test_a_reader_of_one_line(env: Env, args: str) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash to ask how each part of a pipeline ended")
    code = f'"{COMMAND}" {args} | head -1; echo "${{PIPESTATUS[0]}}" >&2'
    ended = subprocess.run([bash, "-c", code], env=env, capture_output=True, check=False)
    assert int(ended.stderr) in CONTRACT
    assert len(ended.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    "setting",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "nonsense"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=str,
)
def test_a_terminal_that_knows_few_letters(env: Env, setting: Env) -> None:
    check(env | setting)
    codec = setting.get("PYTHONIOENCODING", "ascii" if "PYTHONUTF8" in setting else "utf-8")
    for form in ("terminal", "markdown", "junit"):
        ended = run(env | setting, "check", "-v", "--format", form)
        assert "driver" in ended.out.decode(codec)
        assert ended.err == b""


@pytest.mark.parametrize("home", ["unset", "empty", "missing", "relative", "file", "fifo", "root"])
def test_a_home_that_is_none(env: Env, tmp_path: Path, home: str) -> None:
    path = tmp_path / "elsewhere"
    match home:
        case "unset":
            del env["HOME"]
        case "empty":
            env["HOME"] = ""
        case "relative":
            env["HOME"] = "./no/home"
        case "root":
            env["HOME"] = "/"
        case _:
            env["HOME"] = str(path)
            if home == "file":
                path.touch()
            if home == "fifo":
                os.mkfifo(path)
    check(env)
    for form in ("markdown", "junit"):
        assert run(env, "check", "--format", form).out
    assert run(env, "record", "-").document["answers"]


def test_an_empty_environment(tmp_path: Path) -> None:
    check({}, cwd=tmp_path)
    assert run({}, "record", "-").document["answers"]
    assert run({}, "list").code == 0


def test_an_environment_of_a_thousand_variables(env: Env) -> None:
    check(env | {f"VARIABLE_{number}": "x" * 100 for number in range(1000)})


def test_a_path_of_nonsense(env: Env, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    check(env | {"PATH": f":::{tmp_path}/fifo:/dev/null:relative:{'x' * 5000}:\x01:/usr/bin:/bin"})
    check(env | {"PATH": ""})


def test_a_working_directory_that_was_deleted(env: Env, tmp_path: Path) -> None:
    usual = check(env)
    prefix = ("/bin/sh", "-c", 'mkdir gone.$$ && cd gone.$$ && rmdir ../gone.$$ && exec "$0" "$@"')
    assert statuses(check(env, cwd=tmp_path, prefix=prefix)) == statuses(usual)
    patient(tmp_path / "venv")
    document = check(env, "--python", f"{tmp_path}/venv/bin/python", cwd=tmp_path, prefix=prefix)
    assert document["machine"]["torch"] == TORCH
    assert run(env, "check", "--python", "sh", cwd=tmp_path, prefix=prefix).code in {0, 1}
    assert run(env, "check", "--python", "./no", cwd=tmp_path, prefix=prefix).code == 2


@pytest.mark.parametrize(
    "setting", [{"TERM": "dumb"}, {"NO_COLOR": "1"}, {"TERM": ""}, {"TERM": "nonsense"}, {"TERM": "xterm-256color"}], ids=str
)
def test_a_pipe_gets_no_escape_sequences(env: Env, setting: Env) -> None:
    assert b"\x1b" not in run(env | setting, "check", "-v").out


def on_terminal(env: Env, *args: str) -> bytes:
    """What the command writes to a real (pseudo) terminal."""
    leader, follower = os.openpty()
    process = start(env, *args, stdout=follower, stderr=follower)
    os.close(follower)
    parts: list[bytes] = []
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        ready, _, _ = select.select([leader], [], [], 0.1)
        try:
            chunk = os.read(leader, 1 << 16) if ready else None
        except OSError:  # the other side is closed
            break
        if chunk == b"":
            break
        parts += [chunk] if chunk else []
    os.close(leader)
    assert process.wait(5) in {0, 1}
    return b"".join(parts)


@pytest.mark.parametrize(
    ("setting", "coloured"),
    [({"TERM": "xterm-256color"}, True), ({"TERM": "dumb"}, False), ({"TERM": "xterm", "NO_COLOR": "1"}, False)],
    ids=str,
)
def test_a_terminal_gets_colours_unless_it_does_not_want_them(env: Env, setting: Env, coloured: bool) -> None:
    said = on_terminal(env | setting, "check")
    assert b"driver-missing" in said
    assert (b"\x1b[1;31m" in said) == coloured
    assert (re.search(rb"\x1b\[[0-9;]*3[0-7]m", said) is not None) == coloured
    assert b"Traceback" not in said


def test_colours_are_forced_only_by_force_color(env: Env) -> None:
    assert b"\x1b[" in run(env | {"FORCE_COLOR": "1"}, "check").out
    assert b"\x1b" not in run(env | {"FORCE_COLOR": "1"}, "check", "--format", "json").out
    assert run(env | {"FORCE_COLOR": "1"}, "check", "--format", "json").document


def test_a_file_gets_no_colours(env: Env, tmp_path: Path) -> None:
    run(env | {"FORCE_COLOR": "1", "TERM": "xterm"}, "check", "--output", f"{tmp_path}/report.txt")
    assert b"\x1b" not in (tmp_path / "report.txt").read_bytes()


@pytest.mark.parametrize("mode", ["no library", "mismatch", "healthy"])
@pytest.mark.parametrize("columns", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal(env: Env, tmp_path: Path, nvml_library: Path, columns: int, mode: str) -> None:
    patient(tmp_path / "venv")
    env |= {"COLUMNS": str(columns), "VIRTUAL_ENV": f"{tmp_path}/venv"}
    if mode != "no library":
        env |= {"LD_LIBRARY_PATH": str(nvml_library), "FAKE_NVML": mode}
    lines = run(env, "check", "-v").out.decode().splitlines()
    assert not [line for line in lines if len(line) > columns and not line.startswith("      ")]
    assert max(map(len, lines)) > columns / 2


@pytest.mark.parametrize("columns", ["0", "-5", "1", "nonsense", "9" * 30, ""])
def test_a_width_of_nonsense(env: Env, columns: str) -> None:
    check(env | {"COLUMNS": columns, "LINES": columns})


@pytest.mark.parametrize("seconds", [0.001, 0.05])
def test_no_time_at_all(env: Env, witness: Witness, seconds: float) -> None:
    check(env, seconds=seconds)
    assert witness.alive() == []


@pytest.mark.waits
def test_everything_hangs_at_once(env: Env, tmp_path: Path, nvml_library: Path, witness: Witness) -> None:
    slow = script(tmp_path / "slow", "#!/bin/sh\nexec sleep 3600\n")
    for name in ("nvidia-smi", "nvcc", "gcc", "c++", "cc", "python3"):
        (tmp_path / "bin" / name).symlink_to(slow)
    env |= {"LD_LIBRARY_PATH": str(nvml_library), "FAKE_NVML": "hang-init", "SPARKDOCTOR_PYTHON": str(slow), "CC": str(slow)}
    document = check(env, seconds=2)
    assert statuses(document)["disk-low"] != "crashed"
    assert witness.alive() == []
    ended = run(env, "record", "-", "--timeout", "2")
    assert ended.seconds < 2 + SLACK
    assert ended.document["answers"]
    assert witness.alive() == []


@pytest.mark.waits
def test_the_default_time_is_kept_by_a_hanging_driver(env: Env, nvml_library: Path, witness: Witness) -> None:
    ended = run(env | {"LD_LIBRARY_PATH": str(nvml_library), "FAKE_NVML": "hang-init"}, "check", "--format", "json")
    assert ended.seconds < 10 + SLACK
    assert "did not answer in time" in told(ended.document)
    assert statuses(ended.document)["gpu-not-visible"] == "failed"
    assert witness.alive() == []
