"""The contract of the command line: what is asked of the installed command, and what it says and returns."""

import importlib
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from sparkdoctor import __version__
from sparkdoctor.registry import Registry

COMMAND = (str(Path(sys.executable).with_name("sparkdoctor")),)
IDS = sorted(Registry.load().checks)
COMMANDS = ("check", "fix", "undo", "env", "preflight", "build", "smoke", "list", "explain", "record", "triage")
STATUSES = ("ok", "warning", "failed", "skipped", "crashed")
Ended = subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def env() -> dict[str, str]:
    """Small, with a home that a tape may keep as it is."""
    return {"PATH": "/usr/bin:/bin", "HOME": "/usr", "LANG": "C.UTF-8"}


def run(env: dict[str, str], *args: str, command: tuple[str, ...] = COMMAND, **options: Any) -> Ended:
    ended = subprocess.run([*command, *args], env=env, capture_output=True, text=True, timeout=30, check=False, **options)
    assert ended.returncode in {0, 1, 2, 3}, ended
    assert "Traceback" not in ended.stdout + ended.stderr
    assert "sparkdoctor broke" not in ended.stderr
    return ended


def document(ended: Ended) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def results(ended: Ended) -> list[tuple[str, str, str]]:
    """Ids, statuses, and summaries without their numbers: how much memory is free differs from one moment to the next."""
    return [
        (result["id"], result["status"], re.sub(r"\d+(\.\d+)?", "#", result["summary"])) for result in document(ended)["results"]
    ]


def one_line(ended: Ended) -> str:
    """What a wrong usage is told: one line on stderr, exit code 2."""
    assert ended.returncode == 2, ended
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    return ended.stderr


def profile(directory: Path, text: str) -> str:
    path = directory / "mine.toml"
    path.write_text(f'schema = "sparkdoctor.profile/1"\n{text}\n')
    return str(path)


# A machine for each verdict, by what is demanded of one and the same disk.
DEMANDS = {
    "ok": "[disk_gib]\nfailed = 0.000001",
    "warning": "[disk_gib]\nwarning = 100000000",
    "failed": "[disk_gib]\nfailed = 100000000",
    "unknown": '[severity]\ndisk-low = "off"',
}


# --- help


@pytest.mark.parametrize("args", [(), *((name,) for name in COMMANDS)], ids=" ".join)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_has_an_example(env: dict[str, str], args: tuple[str, ...], option: str) -> None:
    ended = run(env, *args, option)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert re.search(r"Examples?: sparkdoctor( |$)", ended.stdout)
    assert max(map(len, ended.stdout.splitlines())) <= 80


def test_every_command_stands_in_the_help(env: dict[str, str]) -> None:
    listed = re.findall(r"^  ([a-z]+)  +\S", run(env, "--help").stdout.partition("Commands:")[2], re.MULTILINE)
    assert sorted(listed) == sorted(COMMANDS)


def test_the_version(env: dict[str, str]) -> None:
    assert run(env, "--version").stdout.split()[-1] == __version__


def test_as_a_module(env: dict[str, str]) -> None:
    module = (sys.executable, "-m", "sparkdoctor")
    assert run(env, "--version", command=module).stdout == run(env, "--version").stdout
    assert results(run(env, "check", "--format", "json", command=module)) == results(run(env, "check", "--format", "json"))
    assert "sparkdoctor" in run(env, "check", "--help", command=module).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script(env: dict[str, str], shell: str) -> None:
    ended = run(env | {"_SPARKDOCTOR_COMPLETE": f"{shell}_source"})
    assert ended.returncode == 0
    assert "_SPARKDOCTOR_COMPLETE" in ended.stdout


def test_ids_are_completed(env: dict[str, str]) -> None:
    known = Registry.load(signatures=True).owners
    for command, ids in (("check", IDS), ("explain", known)):
        setting = {"_SPARKDOCTOR_COMPLETE": "bash_complete", "COMP_WORDS": f"sparkdoctor {command} torch-", "COMP_CWORD": "2"}
        found = {line.partition(",")[2] for line in run(env | setting).stdout.splitlines()}
        assert found == {name for name in ids if name.startswith("torch-")}


# --- exit codes


@pytest.mark.parametrize("form", ["terminal", "json", "junit", "markdown"])
@pytest.mark.parametrize("verdict", DEMANDS)
def test_exit_codes(env: dict[str, str], tmp_path: Path, verdict: str, form: str) -> None:
    args = ("check", "disk-low", "--profile", profile(tmp_path, DEMANDS[verdict]), "--format", form)
    expected = {
        "ok": {"failed": 0, "warning": 0, "never": 0},
        "warning": {"failed": 0, "warning": 1, "never": 0},
        "failed": {"failed": 1, "warning": 1, "never": 0},
        "unknown": {"failed": 3, "warning": 3, "never": 3},
    }[verdict]
    if form != "json":
        expected = {"warning": expected["warning"]}
    for fail_on, code in expected.items():
        ended = run(env, *args, "--fail-on", fail_on)
        assert (ended.returncode, ended.stderr) == (code, "")
        if form == "json":
            assert document(ended)["verdict"] == verdict
    if form == "json":
        assert run(env, *args).returncode == expected["failed"]


def test_nothing_left_to_check_is_never_healthy(env: dict[str, str]) -> None:
    ended = run(env, "check", "disk-low", "--ignore", "disk-low", "--format", "json")
    assert (ended.returncode, document(ended)["verdict"]) == (3, "unknown")


WRONG = [
    ("nonsense",),
    ("check", "--nonsense"),
    ("check", "--format", "nonsense"),
    ("check", "--fail-on", "crashed"),
    ("check", "--timeout", "0"),
    ("check", "--timeout", "-1"),
    ("check", "--timeout", "nan"),
    ("check", "--timeout", "inf"),
    ("check", "--timeout", "soon"),
    ("check", "--profile"),
    ("check", "--python", "/nowhere/python"),
    ("check", "--python", ""),
    ("explain",),
    ("explain", "disk-low", "shm-too-small"),
    ("list", "nonsense"),
    ("record",),
    ("record", "a", "b"),
    ("record", "-", "--profile", "nonsense"),
    ("check", "--replay", "x", "--python", "/bin/sh"),
    (),
]


@pytest.mark.parametrize("args", WRONG, ids=" ".join)
def test_wrong_usage(env: dict[str, str], tmp_path: Path, args: tuple[str, ...]) -> None:
    ended = run(env, *args, cwd=tmp_path)
    assert ended.returncode == 2, ended
    assert ended.stdout == ""
    assert ended.stderr.strip()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "args", [("check", "torch-missin"), ("check", "--ignore", "torch-missin"), ("explain", "torch-missin")], ids=" ".join
)
def test_an_unknown_id_suggests_the_nearest(env: dict[str, str], args: tuple[str, ...]) -> None:
    assert "did you mean torch-missing?" in one_line(run(env, *args))


@pytest.mark.parametrize("args", [("check", "zzz"), ("check", "disk-low", "--ignore", ""), ("explain", "\x1b[31m")], ids=repr)
def test_an_unknown_id_with_none_near(env: dict[str, str], args: tuple[str, ...]) -> None:
    said = one_line(run(env, *args))
    assert "sparkdoctor list" in said
    assert "\x1b" not in said


# --- check


def test_only_what_is_named_is_checked(env: dict[str, str]) -> None:
    for ids in (("disk-low",), ("shm-too-small", "disk-low"), ("disk-low", "disk-low")):
        found = [name for name, _, _ in results(run(env, "check", *ids, "--format", "json"))]
        assert found == sorted(set(ids))


def test_what_is_ignored_is_left_out(env: dict[str, str]) -> None:
    ended = run(env, "check", "--ignore", "disk-low", "--ignore", "shm-too-small", "--format", "json")
    assert sorted(name for name, _, _ in results(ended)) == sorted(set(IDS) - {"disk-low", "shm-too-small"} - deep_ids())


def deep_ids() -> set[str]:
    return {name for name, check in Registry.load().checks.items() if check.deep}


def test_the_json_report_has_exactly_the_keys_of_the_contract(env: dict[str, str]) -> None:
    ended = run(env, "check", "--format", "json")
    report = document(ended)
    assert list(report) == [
        "schema",
        "version",
        "profile",
        "deep",
        "verdict",
        "python",
        "machine",
        "summary",
        "seconds",
        "results",
    ]
    assert (report["schema"], report["version"], report["profile"]) == ("sparkdoctor.report/1", __version__, "dgx-spark")
    assert report["deep"] is False
    assert report["verdict"] in ("ok", "warning", "failed", "unknown")
    assert set(report["python"]) == {"path", "why"}
    assert {"name", "gpu", "compute_capability", "driver", "cuda", "arch"} <= set(report["machine"])
    assert tuple(report["summary"]) == STATUSES
    assert sum(report["summary"].values()) == len(report["results"])
    assert report["seconds"] > 0
    assert {result["id"] for result in report["results"]} == set(IDS) - deep_ids()
    keys = ["id", "layer", "title", "status", "summary", "expected", "observed", "evidence", "remedy", "fixes", "seconds"]
    for result in report["results"]:
        assert list(result) == keys
        assert result["status"] in STATUSES
        assert all(result[name] for name in ("title", "summary", "layer"))
        assert all(isinstance(line, str) for line in [*result["evidence"], *result["fixes"]])
        if result["status"] in ("failed", "warning"):
            assert result["remedy"]["text"]
        if result["remedy"] is not None:
            assert list(result["remedy"]) == ["text", "command", "needs_root", "needs_reboot"]
    assert ended.stderr == ""


def test_the_json_report_keeps_its_schema(env: dict[str, str]) -> None:
    published = Path(__file__).parents[1] / "docs" / "report.schema.json"
    if not published.exists():
        pytest.skip("docs/report.schema.json is not written yet")
    validator: Any = importlib.import_module("jsonschema").Draft202012Validator

    schema = json.loads(published.read_text())
    validator.check_schema(schema)
    validator(schema).validate(document(run(env, "check", "--format", "json")))


def test_the_formats_tell_the_same(env: dict[str, str]) -> None:
    report = document(run(env, "check", "--format", "json"))
    suite = ET.fromstring(run(env, "check", "--format", "junit").stdout).find("testsuite")
    assert suite is not None
    assert [case.get("name") for case in suite.iter("testcase")] == [result["id"] for result in report["results"]]
    assert suite.get("failures") == str(report["summary"]["failed"])
    text, page = run(env, "check", "-v").stdout, run(env, "check", "--format", "markdown").stdout
    for result in report["results"]:
        assert result["id"] in text
        assert result["id"] in page
    brief = run(env, "check").stdout
    assert len(brief) < len(text)
    assert all(result["id"] in brief for result in report["results"] if result["status"] in ("failed", "warning"))


@pytest.mark.parametrize("form", ["terminal", "json", "junit", "markdown"])
def test_output_goes_to_a_file_and_nowhere_else(env: dict[str, str], tmp_path: Path, form: str) -> None:
    args = ("check", "disk-low", "--format", form)
    plain = run(env, *args)
    ended = run(env, *args, "--output", "report", cwd=tmp_path)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("", "", plain.returncode)
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
    number = r"[\d.]+(e-\d+)?"  # of seconds and of bytes: they differ from one moment to the next
    assert re.sub(number, "#", (tmp_path / "report").read_text()) == re.sub(number, "#", plain.stdout)


@pytest.mark.parametrize("path", ["/nowhere/report", "/proc/report", ".", "/dev/full", "x" * 300])
def test_an_output_that_cannot_be_written(env: dict[str, str], tmp_path: Path, path: str) -> None:
    for args in (("check", "disk-low", "--output", path), ("record", path)):
        ended = run(env, *args, cwd=tmp_path)
        assert ended.returncode == 3
        assert ended.stdout == ""
        assert len(ended.stderr.splitlines()) == 1
        assert path in ended.stderr
    assert list(tmp_path.iterdir()) == []


# --- record and replay


def test_a_replay_says_what_the_check_said(env: dict[str, str], tmp_path: Path) -> None:
    before = run(env, "check", "--format", "json")
    recorded = run(env, "record", "tape.json", cwd=tmp_path)
    assert (recorded.returncode, recorded.stdout) == (0, "")
    assert "tape.json" in recorded.stderr
    said = run(env, "record", "-", "--notes", "a note")
    assert (said.returncode, said.stderr) == (0, "")
    tape = json.loads(said.stdout)
    assert (tape["schema"], tape["notes"], tape["profile"], tape["deep"]) == ("sparkdoctor.tape/1", "a note", "dgx-spark", False)
    (tmp_path / "other.json").write_text(said.stdout)
    for name in ("tape.json", "other.json"):
        replayed = run(env, "check", "--replay", name, "--format", "json", cwd=tmp_path)
        assert replayed.stderr == ""
        assert results(replayed) == results(before)
        assert replayed.returncode == before.returncode
    assert run(env, "check", "--replay", "tape.json", cwd=tmp_path).stdout
    # Elsewhere: no environment, another directory, an older tape.
    assert results(run({}, "check", "--replay", str(tmp_path / "tape.json"), "--format", "json", cwd="/")) == results(before)


def test_a_tape_without_its_answers_gives_no_verdict(env: dict[str, str], tmp_path: Path) -> None:
    tape = tmp_path / "tape.json"
    tape.write_text('{"schema": "sparkdoctor.tape/1", "answers": []}')
    ended = run(env, "check", "--replay", str(tape), "--format", "json")
    assert ended.returncode == 3
    assert {status for _, status, _ in results(ended)} == {"skipped"}


TAPES: dict[str, bytes] = {
    "empty": b"",
    "no JSON": b"hello\n",
    "noise": bytes(range(256)) * 100,
    "UTF-16": '{"schema": "sparkdoctor.tape/1"}'.encode("utf-16"),
    "a list": b"[]",
    "a number": b"1e999",
    "no schema": b"{}",
    "another schema": b'{"schema": "sparkdoctor.tape/99", "answers": []}',
    "a hostile schema": b'{"schema": "\\u001b[2J\\n\\n", "answers": []}',
    "a report": b'{"schema": "sparkdoctor.report/1", "results": []}',
    "no answers": b'{"schema": "sparkdoctor.tape/1"}',
    "torn": b'{"schema": "sparkdoctor.tape/1", "answers": [{"ask": "read", "args"',
    "deep": b"[" * 1_000_000,
    "a wrong answer": b'{"schema": "sparkdoctor.tape/1", "answers": [{"ask": "read", "args": ["/x"], "answer": 7}]}',
    "an unknown question": b'{"schema": "sparkdoctor.tape/1", "answers": [{"ask": "\\u001b[2J\\n", "args": [], "answer": 7}]}',
    "a huge number": b'{"schema": "sparkdoctor.tape/1", "answers": ' + b"9" * 100_000 + b"}",
}


@pytest.mark.parametrize("kind", TAPES)
def test_a_tape_that_is_none(env: dict[str, str], tmp_path: Path, kind: str) -> None:
    tape = tmp_path / "tape.json"
    tape.write_bytes(TAPES[kind])
    said = one_line(run(env, "check", "--replay", str(tape)))
    assert str(tape) in said
    assert said.rstrip("\n").isprintable()
    assert len(said) < 600


@pytest.mark.parametrize("kind", ["missing", "directory", "huge", "endless"])
def test_a_tape_that_cannot_be_read(env: dict[str, str], tmp_path: Path, kind: str) -> None:
    tape = tmp_path / "tape.json"
    if kind == "directory":
        tape.mkdir()
    if kind == "huge":
        with tape.open("wb") as file:
            file.truncate(1 << 33)
    assert (name := "/dev/zero" if kind == "endless" else str(tape)) in one_line(run(env, "check", "--replay", name))


def test_a_tape_from_a_pipe(env: dict[str, str], tmp_path: Path) -> None:
    """As `--replay <(zcat tape.gz)` of a shell gives it."""
    os.mkfifo(tmp_path / "tape")
    said = run(env, "record", "-").stdout
    with subprocess.Popen(["/bin/sh", "-c", f"cat > {tmp_path}/tape"], stdin=subprocess.PIPE, text=True) as writer:
        assert writer.stdin is not None
        writer.stdin.write(said)
        writer.stdin.close()
        assert results(run(env, "check", "--replay", str(tmp_path / "tape"), "--format", "json"))


# --- profiles


@pytest.mark.parametrize("name", ["dgx-spark", "gb200", "hopper", "openfold3-spark"])
def test_a_profile_by_name(env: dict[str, str], name: str) -> None:
    assert document(run(env, "check", "--profile", name, "--format", "json"))["profile"] == name


def test_a_profile_of_ones_own(env: dict[str, str], tmp_path: Path) -> None:
    path = profile(tmp_path, 'name = "ours"\nextends = "hopper"')
    assert document(run(env, "check", "--profile", path, "--format", "json"))["profile"] == "ours"


BROKEN = {
    "[disk_gib]\nwarnin = 3": ("mine.toml:3", "disk_gib.warnin", "did you mean warning?"),
    "[disk_gib]\nwarning = 'much'": ("mine.toml:3", "disk_gib.warning"),
    "[gpu]\n\ndriver = 'new'": ("mine.toml:4", "gpu.driver"),
    "nonsense = 1": ("mine.toml:2", "nonsense"),
    "[severity]\ndisk-low = 'bad'": ("mine.toml:3", "severity.disk-low"),
    "[disk_gib": ("mine.toml:2",),
    "extends = 'nowhere'": ("nowhere",),
    "extends = './mine.toml'": ("mine.toml", "extends itself"),
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_profile_is_told_with_line_and_key(env: dict[str, str], tmp_path: Path, text: str) -> None:
    said = one_line(run(env, "check", "--profile", profile(tmp_path, text)))
    for words in BROKEN[text]:
        assert words in said


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"[" * 100_000, b"schema = 1", b'schema = "sparkdoctor.profile/9"'], ids=range(5)
)
def test_a_profile_that_is_none(env: dict[str, str], tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    assert str(path) in one_line(run(env, "check", "--profile", str(path)))


@pytest.mark.parametrize(
    "name",
    ["nonsense", "/nowhere/mine.toml", "/dev/zero", "/", "", "../profiles/hopper", "\x00".join("ab").replace("\x00", "\x1b")],
)
def test_a_profile_that_cannot_be_had(env: dict[str, str], name: str) -> None:
    said = one_line(run(env, "check", "--profile", name))
    assert said.rstrip("\n").isprintable()
    if name == "nonsense":
        assert "dgx-spark, gb200, hopper" in said


# --- list and explain


def test_the_list_has_every_check(env: dict[str, str]) -> None:
    ended = run(env, "list")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert sorted(re.findall(r"^  (\S+) ", ended.stdout, re.MULTILINE)) == sorted(Registry.load(signatures=True).owners)


def test_every_check_can_be_explained(env: dict[str, str]) -> None:
    """Through the command for three, through the function behind it for all: a process each would take half a minute."""
    from sparkdoctor.cli.explain import explain

    registry = Registry.load()
    for name in (IDS[0], IDS[len(IDS) // 2], IDS[-1]):
        ended = run(env, "explain", name)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout == explain(registry.checks[name], registry)
    for name in IDS:
        check = registry.checks[name]
        text = explain(check, registry)
        assert " ".join(text.split()).startswith(f"{name}: {check.title}. ")
        assert len(check.title) > 10
        assert len(check.why.split()) > 8, name
        assert check.sources, name
        assert "Sources:\n" in text
        assert max(len(line) for line in text.splitlines() if " " in line.strip()) <= 100
