"""The command `triage`: its formats, its exit codes, and the commands that it runs and reads along with."""

import gzip
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry as Schemas
from referencing import Resource

COMMAND = str(Path(sys.executable).with_name("sparkdoctor"))
DOCS = Path(__file__).parents[2] / "docs"
REFUSED = "nvcc fatal   : Unsupported gpu architecture 'compute_1.'\n"
FAILED = f"step 1\nstep 2\n{REFUSED}RuntimeError: Error building extension 'evoformer_attn'\n"
ENV = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8"}


def triage(*args: str, log: str | bytes = b"", env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    data = log.encode() if isinstance(log, str) else log
    ended = subprocess.run(
        [COMMAND, "triage", *args], env={**ENV, **(env or {})}, input=data, capture_output=True, timeout=60, check=False
    )
    out, err = ended.stdout.decode(errors="replace"), ended.stderr.decode(errors="replace")
    assert "Traceback" not in out + err
    assert "sparkdoctor broke" not in err
    return subprocess.CompletedProcess(ended.args, ended.returncode, out, err)


def document(*args: str, log: str | bytes = b"") -> dict[str, Any]:
    report = json.loads((DOCS / "report.schema.json").read_text())
    schema = json.loads((DOCS / "triage.schema.json").read_text())
    found: dict[str, Any] = json.loads(triage("--format", "json", *args, log=log).stdout)
    known: Schemas[Any] = Schemas().with_resources([(report["$id"], Resource.from_contents(report))])
    assert [error.message for error in Draft202012Validator(schema, registry=known).iter_errors(found)] == []
    return found


def test_the_root_cause_comes_first_with_its_line_what_was_captured_and_the_cure() -> None:
    found = document(log=FAILED)
    assert (found["verdict"], found["root"], found["source"], found["lines"]) == (
        "failed",
        "nvcc-refuses-architecture",
        "stdin",
        4,
    )
    root, consequence = found["results"]
    assert (root["line"], root["captured"], root["cause"]) == (3, {"architecture": "compute_1."}, None)
    assert root["remedy"]["command"] == "sparkdoctor fix patch-deepspeed"
    assert "patch-deepspeed" in root["fixes"]
    assert (consequence["id"], consequence["line"], consequence["cause"]) == ("extension-build-failed", 4, root["id"])


def test_the_checks_that_go_with_it_are_made_here_unless_left_out() -> None:
    found = document(log=FAILED)
    assert {result["id"] for result in found["check"]["results"]} >= {"nvcc-lacks-architecture", "arch-list-wrong"}
    assert found["results"][0]["confirmed"] in (True, False, None)
    assert document("--no-check", log=FAILED)["check"] is None
    assert {result["confirmed"] for result in document("--no-check", log=FAILED)["results"]} == {None}


def test_a_check_that_is_ill_confirms_it() -> None:
    ended = triage("--format", "json", log=FAILED, env={"TORCH_CUDA_ARCH_LIST": "6.0;7.0"})
    found = json.loads(ended.stdout)
    assert found["results"][0]["confirmed"] is True
    text = triage(log=FAILED, env={"TORCH_CUDA_ARCH_LIST": "6.0;7.0"}).stdout
    assert re.search(r"✗ here, arch-list-wrong: ", text)


def test_a_report_for_a_person_shows_lines_causes_and_consequences() -> None:
    ended = triage(log=FAILED)
    assert ended.returncode == 1
    assert ended.stderr == ""
    assert "✗ nvcc-refuses-architecture [line 3]" in ended.stdout
    assert "│ 3: nvcc fatal   : Unsupported gpu architecture 'compute_1.'" in ended.stdout
    assert "      sparkdoctor fix patch-deepspeed\n" in ended.stdout
    assert "↳ line 4: " in ended.stdout
    assert "1 cause, 1 consequence (stdin, 4 lines)" in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 80


@pytest.mark.parametrize("form", ["terminal", "markdown"])
def test_many_consequences_of_one_kind_are_not_told_one_by_one(form: str) -> None:
    failed = FAILED + "".join(f"ERROR:runner:Failed for query_id(s) q{n}: evoformer_attn. See a.log\n" for n in range(9))
    told = triage("--format", form, log=failed).stdout
    assert all(f"q{n} failed" in told for n in range(3))
    assert "q3 failed" not in told
    assert "to line 12, or further: " in told
    assert "more of these" in told
    assert "q3 failed" in triage("--format", "json", log=failed).stdout


@pytest.mark.parametrize("form", ["terminal", "json", "junit", "markdown"])
def test_the_exit_code_is_the_same_in_every_format(form: str, tmp_path: Path) -> None:
    assert triage("--format", form, log=FAILED).returncode == 1
    assert triage("--format", form, log="all is well\n").returncode == 0
    assert triage("--format", form, "--fail-on", "never", log=FAILED).returncode == 0
    assert triage("--format", form, log="").returncode == 3
    ended = triage("--format", form, "--output", str(tmp_path / "out"), log=FAILED)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "nvcc-refuses-architecture" in (tmp_path / "out").read_text(encoding="utf-8")
    assert "\x1b" not in (tmp_path / "out").read_text(encoding="utf-8")


def test_junit_and_markdown() -> None:
    suite = ET.fromstring(triage("--format", "junit", log=FAILED).stdout)[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "2")
    text = triage("--format", "markdown", log=FAILED.replace("step 1", "/home/anna/x")).stdout
    assert text.startswith("### sparkdoctor ")
    assert "#### failed: nvcc-refuses-architecture" in text
    assert "- line 4: extension-build-failed: " in text


def test_an_unknown_log_is_not_explained_away() -> None:
    log = "begin\n" + "".join(f"line {number}\n" for number in range(30)) + "BespokeError: the flux capacitor is dry\nbye\n"
    ended = triage(log=log)
    assert ended.returncode == 0
    assert "Nothing known (stdin, 33 lines)" in ended.stdout
    assert "│ 32: BespokeError: the flux capacitor is dry" in ended.stdout
    assert "sparkdoctor record machine.tape.json" in ended.stdout
    found = document(log=log)
    assert (found["verdict"], found["root"], found["results"], found["check"]) == ("unknown", None, [], None)
    assert found["last_errors"] == [{"line": 32, "text": "BespokeError: the flux capacitor is dry"}]


def test_wrong_usage() -> None:
    assert triage("/nonexistent/log").returncode == 2
    assert triage("/").returncode == 2
    assert triage("a.log", "--", "true").returncode == 2
    assert triage("--").returncode == 2
    assert triage("--", "no-such-command-anywhere").returncode == 2
    assert triage("--format", "yaml").returncode == 2


def test_a_packed_file_is_not_taken_for_a_log(tmp_path: Path) -> None:
    (tmp_path / "run.log.gz").write_bytes(gzip.compress(FAILED.encode()))
    ended = triage(str(tmp_path / "run.log.gz"))
    assert ended.returncode == 2
    assert f"zcat {tmp_path}/run.log.gz | sparkdoctor triage" in ended.stderr


def test_a_file_is_read_and_written_nowhere(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    log.write_text(FAILED)
    assert document(str(log))["source"] == str(log)
    assert [path.name for path in tmp_path.iterdir()] == ["run.log"]


def test_a_command_runs_as_it_would_and_its_output_passes_through() -> None:
    script = "echo out; echo err >&2; cat; exit 7"
    ended = triage("--", "sh", "-c", script, log="in\n")
    assert (ended.returncode, ended.stdout) == (7, "out\nin\n")
    assert ended.stderr.startswith("err\n")
    assert "Nothing known" in ended.stderr or "No trouble" in ended.stderr


def test_what_a_command_prints_is_found_and_told_on_stderr() -> None:
    ended = triage("--", "sh", "-c", f'printf "%s" "{REFUSED}" >&2; exit 4')
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "✗ nvcc-refuses-architecture [line 1]" in ended.stderr


def test_of_a_command_stdout_holds_the_document_and_nothing_else() -> None:
    found = document("--", "sh", "-c", f'echo out; printf "%s" "{REFUSED}" >&2; exit 4')
    assert found["root"] == "nvcc-refuses-architecture"
    assert (found["command"]["status"], found["command"]["signal"], found["source"]) == (4, None, "sh")
    assert found["lines"] == 2


def test_a_command_that_a_signal_ends_ends_as_in_a_shell() -> None:
    ended = triage("--fail-on", "never", "--format", "json", "--no-check", "--", "sh", "-c", "kill -TERM $$")
    assert ended.returncode == 128 + signal.SIGTERM
    assert json.loads(ended.stdout)["command"] | {"argv": []} == {"argv": [], "status": None, "signal": signal.SIGTERM}


def test_bytes_pass_through_as_they_are() -> None:
    data = bytes(range(256)) * 1000
    ended = subprocess.run([COMMAND, "triage", "--", "cat"], env=ENV, input=data, capture_output=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (0, data)


def test_output_comes_at_once() -> None:
    with subprocess.Popen(
        [COMMAND, "triage", "--", "sh", "-c", "echo first; read line; echo $line"],
        env=ENV,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"first\n"  # before its end, which waits for us
        process.stdin.write(b"second\n")
        process.stdin.close()
        assert process.stdout.read() == b"second\n"
        assert process.wait(30) == 0


def test_a_signal_is_the_commands(tmp_path: Path) -> None:
    script = "trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    with subprocess.Popen(
        [COMMAND, "triage", "--", "sh", "-c", script], env=ENV, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == b"caught\n"
        assert process.wait(30) == 5


def test_what_a_command_leaves_running_does_not_keep_us() -> None:
    began = time.monotonic()
    ended = subprocess.run(
        [COMMAND, "triage", "--", "sh", "-c", "sleep 20 & echo $!"], env=ENV, stdout=subprocess.PIPE, timeout=15, check=False
    )
    os.kill(int(ended.stdout), signal.SIGKILL)
    assert ended.returncode == 0
    assert time.monotonic() - began < 10


def test_a_reader_that_goes_away_ends_the_command_as_it_would() -> None:
    shell = f"{COMMAND} triage -- yes 2>/dev/null | head -c 4"
    ended = subprocess.run(["bash", "-c", shell], env=ENV, capture_output=True, timeout=30, check=False)
    assert ended.stdout == b"y\ny\n"


def test_on_a_terminal_a_command_has_one() -> None:
    ours, theirs = pty.openpty()
    script = "test -t 1 && test -t 2 && echo both; stty size <&1; printf 'a\\nb\\n'"
    with subprocess.Popen(
        [COMMAND, "triage", "--no-check", "--", "sh", "-c", script], env=ENV | {"TERM": "dumb"}, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        seen = b""
        while select.select([ours], [], [], 20)[0]:
            try:
                data = os.read(ours, 4096)
            except OSError:
                break
            if not data:
                break
            seen += data
        assert process.wait(20) == 0
    os.close(ours)
    assert seen.startswith(b"both\r\n0 0\r\na\r\nb\r\n")


def test_of_a_killed_build_the_last_watched_one_is_told(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    report = {
        "schema": "sparkdoctor.build/1",
        "started": "2026-01-02T03:04:05Z",
        "command": ["ninja"],
        "diagnosis": {"text": "3 fit"},
    }
    (state / "build.json").write_text(json.dumps(report))
    log = "[3/9] c++ -c a.cpp\nc++: fatal error: Killed signal terminated program cc1plus\nninja: build stopped: subcommand failed.\n"
    env = {"SPARKDOCTOR_STATE": str(state)}
    assert "here, the last `sparkdoctor build`: ninja, 2026-01-02T03:04:05Z: 3 fit" in triage(log=log, env=env).stdout.replace(
        "\n      ", " "
    )
    assert json.loads(triage("--format", "json", log=log, env=env).stdout)["last_build"] == "ninja, 2026-01-02T03:04:05Z: 3 fit"
    assert json.loads(triage("--format", "json", log=log).stdout)["last_build"] is None
    assert json.loads(triage("--format", "json", log=FAILED, env=env).stdout)["last_build"] is None
