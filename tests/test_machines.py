"""Tapes of whole machines, replayed. tests/machines/make_tapes.py makes them, tests/machines/SOURCES.md says from what."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sparkdoctor.host import LocalHost, Question
from sparkdoctor.model import Broken, Missing
from sparkdoctor.redact import Redactor
from sparkdoctor.tape import Player, Recorder, load, parse
from world import World, elf, examine, says

MACHINES = Path(__file__).parent / "machines"
# Written by hand: whatever is not named here is ok or skipped. A report that was made anew cannot hide from this.
WRONG: dict[str, dict[str, str]] = {
    "gb10-healthy": {},
    "gb10-healthy-memory-reported": {},
    "gb10-torch-cu128": {},
    "gb10-triton-3.5-ptxas-path": {},
    "gb200": {},
    "gb10-ngc-container": {"arch-list-wrong": "warning"},
    "gb10-container-without-gpu": {"gpu-not-visible": "failed", "arch-list-wrong": "warning"},
    "gb10-driver-575": {"driver-too-old": "failed", "gpu-not-visible": "failed", "cuda-newer-than-driver": "failed"},
    "gb10-driver-590": {"driver-branch-unsupported": "warning"},
    "gb10-driver-library-mismatch": {"driver-library-mismatch": "failed", "reboot-pending": "failed"},
    "gb10-torn-update": {"gpu-not-visible": "failed", "dgx-os-outdated": "warning"},
    "gb10-torch-cpu-wheel": {"torch-without-cuda": "failed"},
    "gb10-torch-2.5": {"torch-too-old": "failed", "torch-lacks-kernels": "failed", "nvcc-torch-mismatch": "failed"},
    "gb10-triton-3.4": {"triton-ptxas-too-old": "failed"},
    "gb10-triton-3.4-ptxas-13": {"triton-ptxas-too-old": "failed"},
    "gb10-triton-3.5": {"triton-ptxas-too-old": "failed"},
    "gb10-triton-3.5-ptxas-path-missing-file": {"triton-ptxas-path-ignored": "failed", "triton-ptxas-too-old": "failed"},
    "gb10-triton-3.6-ptxas-path-ignored": {"triton-ptxas-path-ignored": "warning"},
    "gb10-no-python-headers": {"python-headers-missing": "failed"},
    "gb10-nvcc-12.8": {"nvcc-lacks-architecture": "failed", "nvcc-torch-mismatch": "failed"},
    "gb10-cuda-home-elsewhere": {"cuda-home-wrong": "failed", "nvcc-torch-mismatch": "failed"},
    "gb10-docker-defaults": {"shm-too-small": "failed", "memlock-limit-low": "warning", "arch-list-wrong": "warning"},
    "gb10-memory-full": {"memory-low": "failed", "build-jobs-unbounded": "failed"},
    "gb10-page-cache": {"page-cache-holds-memory": "warning"},
    "gb10-openfold3": {},
    "gb10-openfold3-no-weights": {"weights-missing": "failed"},
    "gb10-openfold3-old-weights": {"weights-missing": "failed"},
    "gb10-openfold3-runner-yml": {"runner-yaml-surprise": "warning", "kernel-backend-unavailable": "failed"},
    "gb10-openfold3-ccd": {"ccd-missing": "failed"},
    "h100": {
        "compute-capability-mismatch": "failed",
        "arch-list-wrong": "failed",
        "machine-not-spark": "warning",
        "cache-not-persistent": "warning",
    },
    "h100-deep": {"cache-not-persistent": "warning"},
    "h100-warm": {"cache-not-persistent": "warning", "libaio-missing": "warning"},
    "h100-openfold3": {"ccd-missing": "failed", "cache-not-persistent": "warning"},
    "x86-laptop": {
        "machine-not-spark": "warning",
        "driver-missing": "failed",
        "nvcc-missing": "warning",
        "torch-missing": "failed",
    },
}
TAPES = sorted(path.name.removesuffix(".tape.json") for path in MACHINES.glob("*.tape.json"))


def tape(name: str) -> dict[str, Any]:
    return load(str(MACHINES / f"{name}.tape.json"))


def statuses(report: dict[str, Any]) -> dict[str, str]:
    return {result["id"]: result["status"] for result in report["results"]}


def wrong(report: dict[str, Any]) -> dict[str, str]:
    return {name: status for name, status in statuses(report).items() if status not in ("ok", "skipped")}


def summaries(report: dict[str, Any]) -> dict[str, str]:
    return {result["id"]: result["summary"] for result in report["results"]}


@pytest.mark.parametrize("name", TAPES)
def test_a_tape_replays_to_the_report_expected_of_it(name: str) -> None:
    found = tape(name)
    expected = json.loads((MACHINES / f"{name}.report.json").read_text(encoding="utf-8"))
    assert examine(Player(found), found["profile"], deep=found["deep"]) == expected, (
        "if that is meant: python tests/machines/make_tapes.py"
    )


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_machine_is_found_and_nothing_else(name: str) -> None:
    found = tape(name)
    report = examine(Player(found), found["profile"], deep=found["deep"])
    assert wrong(report) == WRONG[name]
    levels = set(WRONG[name].values())
    assert report["verdict"] == ("failed" if "failed" in levels else "warning" if levels else "ok")


def test_every_question_of_an_examination_is_on_the_tape() -> None:
    for name in TAPES:
        found = tape(name)
        untaped = [
            text
            for text in summaries(examine(Player(found), found["profile"], deep=found["deep"])).values()
            if "not on this tape" in text
        ]
        assert not untaped, f"{name} is older than the facts; python tests/machines/make_tapes.py {name}"


@pytest.mark.parametrize("name", TAPES)
def test_recording_a_replay_loses_nothing(name: str) -> None:
    found = tape(name)
    recorder = Recorder(Player(found))
    report = examine(recorder, found["profile"], deep=found["deep"])
    again = recorder.tape(Redactor("/home/user", "user", "spark-1234"), profile=found["profile"], deep=found["deep"])
    assert examine(Player(parse(json.dumps(again).encode())), found["profile"], deep=found["deep"]) == report


@pytest.mark.parametrize("name", TAPES)
def test_a_tape_tells_nothing_private(name: str) -> None:
    found = json.loads((MACHINES / f"{name}.tape.json").read_text(encoding="utf-8"))
    report = json.loads((MACHINES / f"{name}.report.json").read_text(encoding="utf-8"))
    assert Redactor().clean(found["answers"]) == found["answers"]
    assert Redactor().clean(report) == report
    for text in texts([found, report]):
        assert not re.search(
            r"/home/(?!user\b)\w|\w@\w+\.\w|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-|GPU-[0-9a-f]|SERIAL\w*=\"?\w", text
        ), text


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("name", TAPES)
def test_a_tape_has_a_report_and_sources(name: str) -> None:
    assert (MACHINES / f"{name}.report.json").is_file()
    assert f"`{name}`" in (MACHINES / "SOURCES.md").read_text(encoding="utf-8")


def test_sources_and_reports_are_of_tapes_that_exist() -> None:
    assert {path.name.removesuffix(".report.json") for path in MACHINES.glob("*.report.json")} == set(TAPES)
    assert set(WRONG) <= set(TAPES)


@pytest.mark.parametrize(("name", "profile"), [("gb10-healthy", "gb200"), ("gb10-healthy", "hopper"), ("gb200", "dgx-spark")])
def test_a_tape_judged_for_another_machine(name: str, profile: str) -> None:
    report = examine(Player(tape(name)), profile)
    found, said = statuses(report), summaries(report)
    assert found["compute-capability-mismatch"] == "failed"
    assert found["machine-not-spark"] == "warning"
    # Nobody asked the compilers for that architecture: nothing may be claimed of them.
    for check in ("triton-ptxas-too-old", "triton-ptxas-path-ignored", "nvcc-lacks-architecture"):
        assert found[check] == "skipped"
        assert said[check].startswith("not on this tape: run ")
    assert found["torch-lacks-kernels"] == "ok"  # its list is on the tape, and has code for all three


@pytest.mark.parametrize("name", ["gb10-healthy", "gb10-ngc-container"])
def test_an_old_tape_gives_skips_and_never_false_verdicts(name: str) -> None:
    found = tape(name)
    answers = found["answers"]
    for number, left_out in enumerate(answers):
        report = examine(Player({**found, "answers": answers[:number] + answers[number + 1 :]}), found["profile"])
        assert wrong(report).items() <= WRONG[name].items(), f"without {left_out['ask']} {left_out['args']}"


def test_a_real_h100_is_healthy_under_its_own_profile() -> None:
    report = examine(Player(tape("h100")), "hopper")
    assert wrong(report) == {"cache-not-persistent": "warning"}  # it is a container without volumes
    assert summaries(report)["torch-lacks-kernels"] == "sm_90 runs on 9.0"
    assert summaries(report)["triton-ptxas-too-old"] == "ptxas 12.8.93 (bundled) assembles sm_90a"


def test_everything_was_really_done_on_an_h100() -> None:
    report = examine(Player(tape("h100-deep")), "hopper", deep=True)
    proven = "torch-import-dies torch-cannot-compute triton-cannot-compile nvcc-cannot-compile extension-cannot-build".split()
    assert {name: statuses(report)[name] for name in proven} == dict.fromkeys(proven, "ok")
    assert summaries(report)["torch-cannot-compute"] == "8 results on NVIDIA H100 80GB HBM3 agree with the CPU"
    assert summaries(report)["triton-cannot-compile"].endswith("compiles for sm_90; a kernel was launched and is right")
    quick = statuses(examine(Player(tape("h100-deep")), "hopper"))
    assert quick == {name: status for name, status in statuses(report).items() if name in quick}


def test_kernels_that_were_warmed_on_an_h100_are_ready() -> None:
    report = examine(Player(tape("h100-warm")), "hopper", deep=True)
    assert summaries(report)["kernels-not-warm"] == "evoformer_attn is ready"
    assert statuses(report)["extension-cache-incomplete"] == statuses(report)["extension-cache-foreign"] == "ok"
    assert statuses(report)["deepspeed-cutlass-missing"] == "ok"


def test_what_a_prediction_used_on_an_h100_is_there() -> None:
    report = examine(Player(tape("h100-openfold3")), "hopper", deep=True)
    assert summaries(report)["kernels-not-warm"].startswith("Triton has compiled OpenFold3's kernels")
    assert summaries(report)["kernel-backend-unavailable"].startswith("OpenFold3's Triton kernels")
    assert "generation 0.5" in summaries(report)["weights-missing"]
    assert "it has 38 components" in summaries(report)["ccd-missing"]


def test_a_compiler_that_nobody_asked_is_not_called_missing() -> None:
    assert statuses(examine(Player(tape("gb10-healthy")), "gb200"))["nvcc-missing"] == "skipped"


def test_recording_a_replay_keeps_unasked_questions_unasked() -> None:
    recorder = Recorder(Player(tape("gb10-healthy")))
    examine(recorder, "gb200")
    again = recorder.tape(Redactor(), profile="gb200", deep=False)
    assert not [entry for entry in again["answers"] if "not on this tape" in entry.get("missing", "")]


# --- the world itself


def test_a_world_answers_as_the_local_host_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = str(tmp_path)
    library = elf("aarch64", "sm_80 sm_120", "other", "sm_80 sm_120", "sm_")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "a.so").write_bytes(library)
    (tmp_path / "text").write_text("one\ntwo\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("lib")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "tool").write_text("#!/bin/sh\necho hello\n")
    (tmp_path / "tool").chmod(0o755)
    monkeypatch.setenv("PATH", base)
    monkeypatch.delenv("NOWHERE", raising=False)
    world = World(
        files={f"{base}/lib/a.so": library, f"{base}/text": "one\ntwo\n"},
        links={f"{base}/link": "lib", f"{base}/loop": "loop"},
        directories={f"{base}/empty"},
        programs={f"{base}/tool": says("hello\n")},
        env={"PATH": base},
    )
    names = ("lib/a.so", "link/a.so", "link/../text", "text", "empty", "loop", "nothing", "text/below", "")
    questions = [Question(kind, (f"{base}/{name}",)) for kind in ("read", "entries") for name in names if name != "lib/a.so"]
    questions += [Question("head", (f"{base}/{name}", 20)) for name in names]
    questions += [Question("records", (f"{base}/{name}", "sm_", "\0")) for name in names]
    questions += [Question("run", ([command], {})) for command in ("tool", f"{base}/tool", "absent", f"{base}/absent")]
    questions += [Question("which", (name,)) for name in ("tool", "text", "absent")]
    questions += [Question("env", (name,)) for name in ("PATH", "NOWHERE")]
    local = LocalHost()
    for question in questions:
        here, there = local.answer(question, 5.0), world.answer(question, 5.0)
        assert (type(here), here) == (type(there), there), question
    for name in names:
        here, there = (host.answer(Question("stat", (f"{base}/{name}",)), 5.0) for host in (local, world))
        if isinstance(here, Missing):
            assert (type(here), here) == (type(there), there), name
        else:
            assert {key: here[key] for key in ("kind", "real")} == {key: there[key] for key in ("kind", "real")}
            assert there["kind"] != "file" or here["size"] == there["size"]


def test_a_world_refuses_what_this_user_may_not_read() -> None:
    world = World(files={"/etc/shadow": "secret", "/etc/hosts": ""}, denied={"/etc/shadow"})
    assert world.answer(Question("read", ("/etc/shadow",)), 1.0) == Broken("/etc/shadow: Permission denied")
    assert world.answer(Question("run", (["/etc/hosts"], {})), 1.0) == Broken("/etc/hosts: Permission denied")
    assert world.answer(Question("stat", ("/etc/shadow",)), 1.0)["readable"] is False
    assert world.answer(Question("script", ("/usr/bin/python3", "interpreter")), 1.0) == Missing(
        "/usr/bin/python3 does not exist"
    )
