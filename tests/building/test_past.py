"""What is remembered of builds."""

import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sparkdoctor import history
from sparkdoctor.building import past

COMMAND = ("pip", "install", "--index-url", "https://me:secret@example.org/simple", "flash-attn")
REPORT = {"schema": "sparkdoctor.build/1", "seconds": 3.0}


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARKDOCTOR_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def keep(peaks: dict[str, int], whole: bool = True, command: tuple[str, ...] = COMMAND, directory: str = "/src") -> str | None:
    return past.keep(command, directory, peaks, REPORT, whole=whole)


def test_where_nothing_was_built_nothing_is_known(state: Path) -> None:
    assert past.known(COMMAND, "/src") == {}
    assert past.last() is None
    assert not state.exists()


def test_the_same_command_in_the_same_directory_is_known(state: Path) -> None:
    assert keep({"a.cu": 3, "b.cu": 2}) is None
    assert past.known(COMMAND, "/src") == {"a.cu": 3, "b.cu": 2}
    assert past.known(COMMAND, "/other") == past.known(COMMAND[:2], "/src") == {}
    assert past.last() == REPORT
    assert "secret" not in "".join(path.read_text() for path in state.iterdir())
    assert sorted(path.name for path in state.iterdir()) == ["build.json", "builds.json"]
    assert state.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in state.iterdir())


def test_a_build_that_made_nothing_is_not_remembered() -> None:
    keep({"a.cu": 3})
    assert past.keep(("true",), "/src", {}, {**REPORT, "seconds": 0.1}, whole=True) is None
    assert past.last() == REPORT
    assert past.keep(("false",), "/src", {}, {**REPORT, "seconds": 0.1}, whole=False) is None
    assert past.last() == {**REPORT, "seconds": 0.1}


def test_a_whole_build_is_believed_and_a_failed_one_adds() -> None:
    keep({"a.cu": 90, "b.cu": 2}, whole=False)
    keep({"a.cu": 3, "b.cu": 9}, whole=False)
    assert past.known(COMMAND, "/src") == {"a.cu": 90, "b.cu": 9}
    keep({"a.cu": 5})
    assert past.known(COMMAND, "/src") == {"a.cu": 5, "b.cu": 9}


def test_the_longest_name_that_a_file_can_have_is_kept() -> None:
    keep({"x" * 255: 1})
    assert past.known(COMMAND, "/src") == {"x" * 255: 1}


def test_no_more_than_some_are_kept(state: Path) -> None:
    many = {f"{number}.cu": 1 << 30 for number in range(3 * past.NAMES)}
    for number in range(past.KEPT + 3):
        assert keep({**many, "x" * 200: 5}, directory=f"/{number}") is None
    assert past.known(COMMAND, "/2") == {}
    assert list(past.known(COMMAND, "/3")) == list(many)[: past.NAMES]
    assert (state / "builds.json").stat().st_size < 1 << 20


def test_the_largest_file_that_is_written_can_be_read(state: Path) -> None:
    longest = {f"{number:04}" + "\U0001f680" * 124: 1 << 49 for number in range(past.NAMES)}
    run = {"build": past._key(COMMAND, "/src"), "whole": True, "peaks": longest}
    history.write("builds.json", {"schema": "sparkdoctor.builds/1", "runs": [run] * past.KEPT})
    assert keep(longest) is None
    assert past.known(COMMAND, "/src") == longest


def test_names_that_are_no_unicode() -> None:
    assert keep({"\udcff\n\x1b[31m.cu": 7}) is None
    assert past.known(COMMAND, "/src") == {"\udcff\n\x1b[31m.cu": 7}


@pytest.mark.parametrize(
    "peaks", [None, [], "x", {"a": "1"}, {"a": True}, {"a": -1}, {"a": 1e9}, {"a": 1 << 60}, {"x" * 256: 1}, {"a": None}]
)
def test_peaks_that_make_no_sense_are_not_known(state: Path, peaks: Any) -> None:
    keep({"a": 1})
    document = json.loads((state / "builds.json").read_text())
    document["runs"][0]["peaks"] = peaks
    (state / "builds.json").write_text(json.dumps(document))
    assert past.known(COMMAND, "/src") == {}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.binary(max_size=40) | st.sampled_from([b"[" * 100_000, b"1" * 10_000, b"[]", b"{}", b'{"runs": [1], "schema": "x"}']))
def test_what_is_none_of_ours_is_not_believed(state: Path, noise: bytes) -> None:
    state.mkdir(exist_ok=True)
    for name in ("build.json", "builds.json"):
        (state / name).write_bytes(noise)
    assert past.known(COMMAND, "/src") == {}
    assert past.last() is None
    assert keep({"a.cu": 1}) is None
    assert past.known(COMMAND, "/src") == {"a.cu": 1}


def test_a_fifo_and_a_directory_make_nobody_wait(state: Path) -> None:
    state.mkdir()
    os.mkfifo(state / "builds.json")
    (state / "build.json").mkdir()
    assert past.known(COMMAND, "/src") == {}
    assert past.last() is None
    assert "this build is not remembered" in (keep({"a.cu": 1}) or "")
    assert sorted(path.name for path in state.iterdir()) == ["build.json", "builds.json"]


@pytest.mark.parametrize("place", ["/proc/none/such", "/dev/null"])
def test_where_nothing_can_be_written_that_is_all(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("SPARKDOCTOR_STATE", place)
    assert "this build is not remembered" in (keep({"a.cu": 1}) or "")
    assert past.known(COMMAND, "/src") == {}
    assert past.last() is None


def test_without_a_home_nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPARKDOCTOR_STATE")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", "nowhere")
    assert "there is no home directory" in (keep({"a.cu": 1}) or "")
    assert past.known(COMMAND, "/src") == {}


def _one(number: int) -> None:
    for turn in range(2):
        assert keep({f"{number}.cu": turn + 1}, whole=False) is None


def test_builds_that_end_at_once_lose_nothing(state: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_one, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert past.known(COMMAND, "/src") == {f"{number}.cu": 2 for number in range(4)}
    assert past.last() == REPORT
    assert sorted(path.name for path in state.iterdir()) == ["build.json", "builds.json"]


def test_a_lock_that_is_held_for_ever_is_not_waited_for(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    monkeypatch.setattr(history, "_PATIENCE", 0.05)
    state.mkdir()
    descriptor = os.open(state, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        assert keep({"a.cu": 1}) is None
    finally:
        os.close(descriptor)
    assert past.known(COMMAND, "/src") == {"a.cu": 1}
