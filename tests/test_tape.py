"""Tapes: input from strangers. What is loaded plays, what is not says so in a line."""

import contextlib
import json
import os
import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkdoctor import doctor, profiles, tape
from sparkdoctor.host import Question
from sparkdoctor.machine import Machine, Untaped
from sparkdoctor.model import Broken, Missing, Report, Status
from sparkdoctor.redact import Redactor
from sparkdoctor.registry import Registry
from sparkdoctor.render import json as json_render
from sparkdoctor.render import junit, markdown, terminal

TAPES = sorted((Path(__file__).parent / "machines").glob("*.tape.json"))
HEALTHY = Path(__file__).parent / "machines" / "gb10-healthy.tape.json"
REGISTRY = Registry.load()
CHECKS = [check for check in doctor.select(REGISTRY) if not check.deep]
PROFILES = {name: profiles.load(name) for name in profiles.builtin()}
NOBODY = Redactor()
LINE_LIMIT = 500


def whole(answers: list[Any]) -> bytes:
    return json.dumps({"schema": tape.SCHEMA, "answers": answers}).encode()


def refusal(raw: bytes) -> str:
    """The words with which a tape is refused: one printable line, not a long one."""
    with pytest.raises(tape.TapeError) as caught:
        tape.parse(raw, "x.tape.json")
    return in_a_line(str(caught.value))


def in_a_line(message: str) -> str:
    assert message.startswith("x.tape.json: ")
    assert message.isprintable(), f"not one printable line: {message!r}"
    assert len(message) < LINE_LIMIT
    return message


def play(raw: bytes, profile: str = "dgx-spark") -> Report | None:
    """Whatever is played gives a report within a second's work, and all formats can show it; None where it was refused."""
    try:
        played = tape.parse(raw, "x.tape.json")
    except tape.TapeError as error:
        in_a_line(str(error))
        return None
    started, worked = time.monotonic(), time.process_time()
    report = doctor.diagnose(Machine(tape.Player(played), PROFILES[profile], deep=True), REGISTRY, CHECKS)
    assert len(report.results) == len(CHECKS)
    for render in (json_render.render, junit.render, markdown.render, terminal.render):
        render(report, verbose=True, to_file=True).encode()
    assert time.process_time() - worked < 1
    assert time.monotonic() - started < 5, "something was waited for"
    return report


# --- what is no tape


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "not a tape"),
        (b"\x00\x01\x02", "not a tape"),
        (b"\xff\xfe\xff", "not UTF-8"),
        (b"\x89PNG\r\n\x1a\n", "not UTF-8"),
        (b"null", "no schema"),
        (b"[]", "no schema"),
        (b'"sparkdoctor.tape/1"', "no schema"),
        (b"{}", "no schema"),
        (b'{"schema": 1}', "no schema"),
        (b'{"schema": "sparkdoctor.tape/2", "answers": []}', "'sparkdoctor.tape/2'; this version plays 'sparkdoctor.tape/1'"),
        (b'{"schema": "a\\nb", "answers": []}', "something else"),
        (b'{"schema": "' + b"x" * 10_000 + b'", "answers": []}', "something else"),
        (b'{"schema": "sparkdoctor.tape/1"}', "no answers"),
        (b'{"schema": "sparkdoctor.tape/1", "answers": {}}', "no answers"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"schema": "sparkdoctor.tape/1", "answers": [' + b"9" * 10_000 + b"]}", "not a tape"),
        (b'{"schema": "sparkdoctor.tape/1", "answers": []} trailing', "not a tape"),
        (b'{"schema": "sparkdoctor.tape/1", "answers": [NaN]}', "answer 0 has no question"),
    ],
)
def test_no_tape_is_refused_in_a_line(raw: bytes, said: str) -> None:
    assert said in refusal(raw)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (None, "answer 0 has no question"),
        ({}, "has no question"),
        ({"ask": "env", "answer": "x"}, "has no question"),
        ({"ask": 1, "args": [], "answer": "x"}, "has no question"),
        ({"ask": "env", "args": {}, "answer": "x"}, "has no question"),
        ({"ask": "env", "args": ["A"]}, "must have one of answer, missing and broken"),
        ({"ask": "env", "args": ["A"], "answer": "x", "missing": "y"}, "must have one of"),
        ({"ask": "env", "args": ["A"], "missing": "y", "broken": "z"}, "must have one of"),
        ({"ask": "env", "args": ["A"], "missing": 1}, "gives no reason"),
        ({"ask": "env", "args": ["A"], "broken": None}, "gives no reason"),
        ({"ask": "steal", "args": [], "answer": "x"}, "does not know: 'steal'"),
        ({"ask": "a\nb" * 10_000, "args": [], "answer": "x"}, "does not know"),
        ({"ask": "env", "args": ["A"], "answer": 1}, "makes no sense for the question 'env'"),
        ({"ask": "read", "args": ["/x"], "answer": None}, "makes no sense"),
        ({"ask": "entries", "args": ["/x"], "answer": ["a", 1]}, "makes no sense"),
        ({"ask": "head", "args": ["/x", 20], "answer": "7f4"}, "makes no sense"),
        ({"ask": "head", "args": ["/x", 20], "answer": "٠٠"}, "makes no sense"),
        ({"ask": "digest", "args": ["/x"], "answer": "<id>"}, "makes no sense"),
        ({"ask": "work", "args": ["/x", "compute"], "answer": {"code": 0, "stdout": "", "stderr": ""}}, "makes no sense"),
        (
            {
                "ask": "work",
                "args": ["/x", "compute"],
                "answer": {"code": 0, "said": "", "stdout": "", "stderr": "", "flooded": 0, "left": []},
            },
            "makes no sense",
        ),
        ({"ask": "stat", "args": ["/x"], "answer": {"kind": "file"}}, "makes no sense"),
        ({"ask": "space", "args": ["/"], "answer": {"total": 1, "free": -1, "device": 1}}, "makes no sense"),
        ({"ask": "space", "args": ["/"], "answer": {"total": 1, "free": 1.0, "device": 1}}, "makes no sense"),
        ({"ask": "space", "args": ["/"], "answer": {"total": 1, "free": True, "device": 1}}, "makes no sense"),
        ({"ask": "space", "args": ["/"], "answer": {"total": 1 << 63, "free": 1, "device": 1}}, "makes no sense"),
        ({"ask": "limits", "args": [], "answer": {"stack": [1, 1]}}, "makes no sense"),
        ({"ask": "self", "args": [], "answer": {}}, "makes no sense"),
        ({"ask": "run", "args": [["x"], {}], "answer": {"code": 0, "stdout": ""}}, "makes no sense"),
        ({"ask": "run", "args": [["x"], {}], "answer": {"code": float("nan"), "stdout": "", "stderr": ""}}, "makes no sense"),
        ({"ask": "nvml", "args": [], "answer": {"code": 1 << 31, "stdout": "", "stderr": ""}}, "makes no sense"),
    ],
)
def test_a_bad_answer_is_refused_with_its_number(entry: Any, said: str) -> None:
    assert said in refusal(whole([entry]))
    assert "answer 1 " in refusal(whole([{"ask": "env", "args": ["A"], "answer": "x"}, entry]))


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(raw: bytes) -> None:
    refusal(raw)


@given(st.sampled_from(TAPES), st.floats(0, 1, exclude_max=True))
def test_a_truncated_tape_is_refused(path: Path, part: float) -> None:
    raw = path.read_bytes().rstrip()
    refusal(raw[: int(len(raw) * part)])


@given(st.sampled_from(TAPES), st.integers(min_value=0), st.integers(0, 255))
@settings(max_examples=60)
def test_a_tape_with_a_changed_byte_is_refused_or_plays(path: Path, position: int, byte: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[position % len(raw)] = byte
    play(bytes(raw))


# --- files


def load(path: Path | str) -> str:
    """The refusal of a file, which must not make us wait."""
    said: list[str] = []

    def attempt() -> None:
        try:
            tape.load(str(path))
        except tape.TapeError as error:
            said.append(str(error))

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(2)
    assert not thread.is_alive(), "tape.load waits for ever"
    assert said, "it was taken for a tape, or something else than TapeError was raised"
    assert said[0].isprintable()
    assert len(said[0]) < len(str(path)) + LINE_LIMIT
    return said[0]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert load(tmp_path / "no.tape.json") == f"{tmp_path}/no.tape.json: No such file or directory"


def test_a_directory_is_no_tape(tmp_path: Path) -> None:
    assert "directory" in load(tmp_path).lower()


def test_a_fifo_is_no_tape_and_makes_nobody_wait(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    try:
        load(fifo)
    finally:  # lets go of a reader that waits
        with contextlib.suppress(OSError):
            os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))


@pytest.mark.parametrize("device", ["/dev/null", "/dev/zero"])
def test_a_device_is_no_tape(device: str) -> None:
    load(device)


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(HEALTHY.read_bytes())
    path.chmod(0)
    assert "Permission denied" in load(path)


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert "larger than 64 MiB" in load(path)


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb", "a\u202eb", "a\udcffb", "a\0b"], ids=ascii)
def test_a_name_with_a_newline_or_a_nul_is_told_in_a_line(tmp_path: Path, name: str) -> None:
    load(f"{tmp_path}/{name}")


def test_a_good_file_is_loaded() -> None:
    assert tape.load(str(HEALTHY))["schema"] == tape.SCHEMA


# --- playing what strangers send


@pytest.mark.parametrize("path", TAPES, ids=lambda path: path.name.partition(".")[0])
def test_every_tape_plays_against_every_profile(path: Path) -> None:
    raw = path.read_bytes()
    for profile in PROFILES:
        report = play(raw, profile)
        assert report is not None
        assert report.number(Status.CRASHED) == 0


HOSTILE: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([1 << 62, (1 << 63) - 1, 1 << 63, -1, 1e308, float("nan"), float("inf"), 10**4000]),
    st.text(max_size=12),
    st.sampled_from(
        [
            "",
            "\0",
            "\n" * 50,
            "\x1b[2J",
            "\u202e",
            "\ud800",
            "9" * 5000,
            "%s{}{0}",
            "../../etc/passwd",
            "x" * 100_000,
            "'; rm -rf ~",
        ]
    ),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = [path] if path else []
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        found += places(inner, (*path, key))
    return found


@given(st.data())
@settings(max_examples=150)
def test_a_changed_tape_is_refused_or_plays(data: st.DataObject) -> None:
    changed = json.loads(data.draw(st.sampled_from(TAPES)).read_text())
    every = places(changed)
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from(every))
        place = changed
        try:
            for step in path[:-1]:
                place = place[step]
            old = place[path[-1]]
            action = data.draw(st.sampled_from(["delete", "replace", "double", "wrap", "cut"]))
            if action == "delete":
                del place[path[-1]]
            elif action == "double" and isinstance(place, list):
                place.append(old)
            elif action == "wrap":
                place[path[-1]] = [old]
            elif action == "cut" and isinstance(old, str):
                place[path[-1]] = old[: len(old) // 2]
            else:
                place[path[-1]] = data.draw(HOSTILE)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    play(json.dumps(changed).encode(), data.draw(st.sampled_from(sorted(PROFILES))))


@given(st.data())
@settings(max_examples=40)
def test_hostile_text_in_every_answer_plays(data: st.DataObject) -> None:
    changed = json.loads(data.draw(st.sampled_from(TAPES)).read_text())
    text = data.draw(st.text(max_size=20) | st.sampled_from(["", "9" * 5000, "\ud800\x1b[31m\n", "1" * 400 + ".0", "-1", "\0"]))
    kinds = data.draw(
        st.sets(st.sampled_from(["env", "read", "which", "run", "script", "nvml", "entries", "records"]), min_size=1)
    )
    for entry in changed["answers"]:
        if entry["ask"] not in kinds or data.draw(st.booleans()):
            continue
        for way in ("missing", "broken"):
            if way in entry:
                entry[way] = text
        match entry.get("answer"):
            case str():
                entry["answer"] = text
            case {"stdout": str(said)} as ran:
                ran["stdout"] = data.draw(st.sampled_from([text, said + text, text + said, said.replace("13", text)]))
                ran["stderr"] = text
                ran["code"] = data.draw(st.sampled_from([0, 1, -11, None, -((1 << 31) - 1)]))
            case list():
                entry["answer"] = [text] * 3
    assert play(json.dumps(changed).encode()) is not None


NUMBERS = ["9" * 5000, "1" * 400 + ".0", "1e999", "-1", "0", "NaN", "18446744073709551616", "٣"]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda text: text[:8])
def test_hostile_numbers_in_every_text_play(number: str) -> None:
    for path in TAPES[::4]:
        found = json.loads(path.read_text())
        for entry in found["answers"]:
            match entry.get("answer"):
                case str(text) if entry["ask"] == "read":
                    entry["answer"] = re.sub(r"\d+", number, text)
                case {"stdout": str(text)} as ran:
                    ran["stdout"] = re.sub(r"\d+", number, text)
        assert play(json.dumps(found).encode()) is not None


@pytest.mark.parametrize("depth", [50, 150, 200, 300, 400, 500, 700, 900, 960, 980, 990])
def test_what_can_be_loaded_can_be_played_however_deep(depth: int) -> None:
    nested = "[" * depth + "]" * depth
    for entry in (f'{{"ask": "run", "args": [{nested}], "answer": {{"code": 0, "stdout": "", "stderr": ""}}}}',):
        play(f'{{"schema": "{tape.SCHEMA}", "answers": [{entry}], "notes": {nested}}}'.encode())


def test_of_two_answers_to_a_question_one_is_played() -> None:
    one = {"ask": "env", "args": ["A"], "answer": "1"}
    player = tape.Player(tape.parse(whole([one, {**one, "answer": "2"}, {"ask": "env", "args": ["B"], "missing": "no"}])))
    assert player.answer(Question("env", ("A",)), 1) in ("1", "2")
    assert player.answer(Question("env", ("B",)), 1) == Missing("no")


def test_many_answers_play_quickly() -> None:
    many = [{"ask": "read", "args": [f"/file/{number}"], "answer": "x"} for number in range(50_000)]
    assert play(whole(many)) is not None


# --- questions that are not on the tape


def test_a_question_that_was_not_asked() -> None:
    player = tape.Player(tape.parse(whole([])))
    for question, said in (
        (Question("read", ("/proc/meminfo",)), "not on this tape: read /proc/meminfo"),
        (Question("run", (["nvcc", "--version"], {})), "not on this tape: run nvcc --version"),
        (Question("nvml", ()), "not on this tape: nvml"),
        (Question("head", ("/x", 20)), "not on this tape: head /x"),
    ):
        answer = player.answer(question, 1)
        assert isinstance(answer, Untaped)
        assert answer.reason == said


def judged(answers: list[Any]) -> dict[str, Status]:
    report = play(whole(answers))
    assert report is not None
    return {result.id: result.status for result in report.results}


def test_an_empty_tape_gives_skips_and_no_verdict() -> None:
    report = play(whole([]))
    assert report is not None
    wrong = {result.id: result.verdict.summary for result in report.results if result.status is not Status.SKIPPED}
    assert wrong == {}
    assert report.verdict == "unknown"


@pytest.mark.parametrize("kind", [*tape._SHAPES])
def test_a_tape_without_a_kind_of_question_gives_no_false_verdict(kind: str) -> None:
    """Old tapes lack what is asked today: that is never a problem of the machine."""
    answers = json.loads(HEALTHY.read_text())["answers"]
    before = judged(answers)
    after = judged([entry for entry in answers if entry["ask"] != kind])
    assert {name: status for name, status in after.items() if status not in (before[name], Status.SKIPPED)} == {}


def test_a_tape_without_any_one_answer_gives_no_false_verdict() -> None:
    answers = json.loads(HEALTHY.read_text())["answers"]
    before = judged(answers)
    false: dict[str, Any] = {}
    for number, entry in enumerate(answers):
        after = judged(answers[:number] + answers[number + 1 :])
        wrong = {name: status for name, status in after.items() if status not in (before[name], Status.SKIPPED)}
        if wrong:
            false[f"{entry['ask']} {str(entry['args'])[:100]}"] = wrong
    assert false == {}


# --- recording


class Said:
    """A host with ready answers."""

    def __init__(self, answers: list[tuple[Question, Any]]) -> None:
        self._answers = answers

    def answer(self, question: Question, timeout: float) -> Any:  # noqa: ARG002
        return next(answer for asked, answer in self._answers if asked == question)


def through(answers: list[tuple[Question, Any]]) -> tape.Player:
    """Recorded, written, read and ready to play."""
    recorder = tape.Recorder(Said(answers))
    for question, answer in answers:
        assert recorder.answer(question, 1.0) == answer
    made = recorder.tape(NOBODY, profile="dgx-spark", deep=False, notes="made by a test")
    assert (made["profile"], made["deep"], made["notes"]) == ("dgx-spark", False, "made by a test")
    return tape.Player(tape.parse(json.dumps(made).encode()))


RAN = {"code": 0, "stdout": "out", "stderr": "err"}
STAT = {"kind": "file", "size": 1, "mode": 0o644, "real": "/x", "readable": True, "writable": False, "executable": False}
WORKED = {"code": 0, "said": '{"step": "import torch", "at": 0.1}\n', "stdout": "out", "stderr": "", "flooded": False, "left": []}
ITSELF = {
    **dict.fromkeys(("sysname", "release", "machine", "cwd", "executable"), "x"),
    **dict.fromkeys(("page_size", "cpus", "usable_cpus", "uid"), 4096),
    "path": ["/a", "/b"],
    "patient_python": None,
}
EVERY: list[tuple[Question, Any]] = [
    (Question("env", ("SET",)), "value"),
    (Question("env", ("EMPTY",)), ""),
    (Question("env", ("UNSET",)), None),
    (Question("which", ("nvcc",)), "/usr/local/cuda/bin/nvcc"),
    (Question("which", ("nothing",)), None),
    (Question("read", ("/text",)), "a\nb\t\\xff ünï \u2028"),
    (Question("read", ("/absent",)), Missing("/absent does not exist")),
    (Question("read", ("/denied",)), Broken("/denied: Permission denied")),
    (Question("entries", ("/dev",)), ["nvidia0", "nvidiactl"]),
    (Question("records", ("/lib", "sm_", "\0")), ["sm_80 sm_120"]),
    (Question("records", ("/lib", "sm_", "\0", ".rodata")), ["sm_120"]),
    (Question("head", ("/lib", 20)), "7f454c46"),
    (Question("digest", ("/lib",)), "0123456789abcdef" * 4),
    (Question("archived", ("/x.pt", "data.pkl", ["version_tensor", "atom"])), ["atom"]),
    (Question("rows", ("/components.bcif", "chem_comp")), 49196),
    (Question("rows", ("/truncated.bcif", "chem_comp")), Broken("/truncated.bcif: a truncated file")),
    (Question("stat", ("/x",)), STAT),
    (Question("stat", ("/z",)), {**STAT, "uid": 1000, "gid": 0, "mtime": 1_760_000_000}),
    (Question("lineage", ("/x/y",)), [{"path": "/x", **STAT}, {"path": "/", **STAT, "uid": 0, "gid": 0, "mtime": 0}]),
    (Question("stat", ("/y",)), Missing("/y does not exist")),
    (Question("gpu_code", ("/lib",)), ["sm_121", "compute_121"]),
    (Question("holders", ("/x",)), {"now": 1, "processes": [{"pid": 7, "name": "ninja", "what": "/x/lock"}], "hidden": 0}),
    (Question("members", (100,)), 3),
    (Question("space", ("/",)), {"total": (1 << 63) - 1, "free": 0, "device": 64}),
    (Question("limits", ()), {"stack": [8 << 20, None], "memlock": [None, None], "nofile": [1024, 1 << 20]}),
    (Question("self", ()), {**ITSELF, "query": "/q.json", "runner_yaml": None}),
    (Question("run", (["nvcc", "--version"], {})), RAN),
    (Question("run", (["ptxas", "{input}"], {"input": ".version 8.0\n", "scratch": True})), {**RAN, "code": 255}),
    (Question("run", (["ninja", "-C", "{mirror}"], {"mirror": "/x"})), RAN),
    (Question("run", (["nvidia-smi"], {})), {**RAN, "code": None}),
    (Question("run", (["crash"], {})), {**RAN, "code": -11}),
    (Question("run", (["none"], {})), Missing("none does not exist")),
    (Question("script", ("/usr/bin/python3", "interpreter", "torch")), {**RAN, "code": -6}),
    (Question("work", ("/usr/bin/python3", "compute")), WORKED),
    (Question("work", ("/usr/bin/python3", "compile", "121")), {**WORKED, "code": -11, "flooded": True, "left": ["python3"]}),
    (Question("work", ("/usr/bin/python3", "launch")), {**WORKED, "code": None}),
    (Question("work", ("/gone/python3", "compute")), Broken("/gone/python3: Permission denied")),
    (Question("nvml", ()), {**RAN, "code": None, "stdout": '{"ask": "load"}\n'}),
]


def test_every_kind_of_question_is_recorded() -> None:
    assert {question.kind for question, _ in EVERY} == set(tape._SHAPES)


def test_what_was_recorded_is_played() -> None:
    player = through(EVERY)
    for question, answer in EVERY:
        heard = player.answer(question, 1.0)
        assert type(heard) is type(answer)
        assert heard == answer


def test_what_is_private_in_a_worker_s_words_is_taken_out() -> None:
    private = "spock's /home/spock/lib on enterprise-1701, TOKEN=hunter2hunter2, 10.1.2.3"
    error = {"error": "OSError", "text": f'{private}: password="hunter2" "api_key": "hunter2"', "place": "/home/spock/torch.py:1"}
    said = "".join(json.dumps(line) + "\n" for line in ({"step": "import torch", "at": 0.5}, error))
    question = Question("work", ("/home/spock/venv/bin/python", "compute"))
    worked = {**WORKED, "code": 1, "said": said, "stdout": private, "stderr": private, "left": ["spock"]}
    recorder = tape.Recorder(Said([(question, worked)]))
    recorder.answer(question, 1.0)
    text = json.dumps(recorder.tape(Redactor("/home/spock", "spock", "enterprise-1701"), profile="p", deep=True))
    assert not [word for word in ("spock", "enterprise", "hunter2", "10.1.2.3") if word in text]
    played = tape.Player(tape.parse(text.encode())).answer(Question("work", ("/home/user/venv/bin/python", "compute")), 1.0)
    assert played["left"] == ["user"]
    step, again = map(json.loads, played["said"].splitlines())  # still a report
    assert step == {"step": "import torch", "at": 0.5}
    assert again["place"] == "/home/user/torch.py:1"


def test_a_checksum_is_no_id() -> None:
    digest, head = "0123456789abcdef" * 4, "7f454c46" * 4
    answers = [(Question("digest", ("/lib",)), digest), (Question("head", ("/lib", 16)), head)]
    player = through(answers)
    for question, answer in answers:
        assert player.answer(question, 1.0) == answer


def test_crashes_and_timeouts_play_as_they_were() -> None:
    machine = Machine(through(EVERY), PROFILES["dgx-spark"])
    endings = [machine.run(name) for name in ("nvidia-smi", "crash", "none")]
    assert [ran if isinstance(ran, Missing) else ran.ended for ran in endings] == [
        "did not answer in time",
        "was killed by SIGSEGV",
        Missing("none does not exist"),
    ]


TEXTS = st.text(max_size=20)


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["env", "which", "read"]), TEXTS),
        st.one_of(TEXTS, st.builds(Missing, TEXTS), st.builds(Broken, TEXTS)),
        max_size=5,
    )
)
def test_any_text_is_recorded_and_played(answers: dict[tuple[str, str], Any]) -> None:
    every = [(Question(kind, (subject,)), answer) for (kind, subject), answer in answers.items()]
    player = through(every)
    for question, answer in every:
        assert player.answer(question, 1.0) == answer


def test_the_first_answer_is_the_one_that_stays() -> None:
    class Changing:
        number = 0

        def answer(self, question: Question, timeout: float) -> Any:  # noqa: ARG002
            self.number += 1
            return str(self.number)

    recorder = tape.Recorder(Changing())
    question = Question("env", ("A",))
    assert [recorder.answer(question, 1.0) for _ in range(3)] == ["1", "1", "1"]
    assert recorder.tape(NOBODY, profile="p", deep=True)["answers"] == [{"ask": "env", "args": ["A"], "answer": "1"}]


def test_a_tape_says_the_same_in_whatever_order_it_was_asked() -> None:
    made = []
    for order in (EVERY, EVERY[::-1]):
        recorder = tape.Recorder(Said(EVERY))
        for question, _ in order:
            recorder.answer(question, 1.0)
        made.append(json.dumps(recorder.tape(NOBODY, profile="p", deep=False)))
    assert made[0] == made[1]


@pytest.mark.parametrize("path", TAPES, ids=lambda path: path.name.partition(".")[0])
def test_a_replay_recorded_again_gives_the_same_report(path: Path) -> None:
    first = tape.load(str(path))
    rules = PROFILES[first["profile"]]
    recorder = tape.Recorder(tape.Player(first))
    before = doctor.diagnose(Machine(recorder, rules), REGISTRY, CHECKS)
    again = tape.parse(json.dumps(recorder.tape(NOBODY, profile=rules.name, deep=False)).encode())
    after = doctor.diagnose(Machine(tape.Player(again), rules), REGISTRY, CHECKS)
    assert [result.verdict for result in after.results] == [result.verdict for result in before.results]
    assert after.machine == before.machine
