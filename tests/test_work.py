"""Deep work on a described machine, through tape, facts and checks: done well, cut short, and lied about."""

import json
from typing import Any

import pytest

from machines.parts import healthy_gb10
from sparkdoctor import doctor, profiles, tape
from sparkdoctor.machine import Machine
from sparkdoctor.model import Result, Status
from sparkdoctor.process import Worked
from sparkdoctor.redact import Redactor
from sparkdoctor.registry import Registry
from sparkdoctor.render import json as json_render
from sparkdoctor.render import terminal
from world import World, steps

REGISTRY = Registry.load()
CHECKS = [
    check
    for check in doctor.select(REGISTRY)
    if check.id
    in {
        *("torch-import-dies", "torch-cannot-compute", "triton-cannot-compile", "nvcc-cannot-compile"),
        *("extension-cannot-build", "gpu-clocks-wedged"),
    }
]
SPARK = profiles.load("dgx-spark")
GOOD: dict[str, Any] = {"error": 1e-4, "finite": True}
WORK: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "pytorch": [("import torch", {"version": "2.11.0+cu130", "closed": False})],
    "compute": [
        ("torch.cuda.is_available", {"available": True, "built": "13.0", "warnings": ["12.1 is new"]}),
        ("torch.cuda.init", {"name": "NVIDIA GB10", "capability": [12, 1], "count": 1}),
        ("matmul float32", GOOD),
        ("matmul bfloat16", GOOD),
        ("scaled_dot_product_attention float32", GOOD),
        ("FLASH_ATTENTION float32", {"refused": "No available kernel"}),
        ("clocks under load", {"samples": 40, "mhz": 2411, "watts": 61.5, "busy": 96}),
    ],
    "compile": [("import triton", {"version": "3.6.0"}), ("compile for sm_121", {"bytes": 5000})],
    "launch": [
        ("torch.cuda.init", {"available": True}),
        ("import triton", {"installed": True}),
        ("launch a Triton kernel", {"error": 0.0, "finite": True}),
    ],
    "extension": [
        ("import torch.utils.cpp_extension", {}),
        ("build an extension", {}),
        ("call the extension", {}),
    ],
    "toolkit": [("compile for sm_121", {"bytes": 900_000})],
}
BRANCHES = ("compute", "launch", "extension")
HOSTILE = [None, "x", [None, 1], {"error": 1}, True, -1, 10**400, float("inf"), float("nan")]


def together(work: dict[str, Worked]) -> dict[str, Worked]:
    """The branches of pytorch in one report, as they come."""
    trunk = work["pytorch"]
    if trunk.code != 0 or not trunk.said:
        return work
    *began, done = trunk.said.splitlines(keepends=True)
    code: int | None = 0
    for name in BRANCHES:
        for line in work[name].said.splitlines():
            read = json.loads(line)
            began.append(json.dumps({**read, "in": name} if isinstance(read, dict) else read) + "\n")
        if work[name].code is None:
            code = None
        else:
            began.append(json.dumps({"ended": work[name].code, "of": name}) + "\n")
    return {**work, "pytorch": trunk._replace(said="".join((*began, done)), code=code)}


def judged(work: dict[str, Worked]) -> dict[str, Result]:
    """The results, when seen and when replayed; both the same, and every renderer can show them."""
    world: World = healthy_gb10()
    world.work = together(work) if work else {}
    recorder = tape.Recorder(world)
    report = doctor.diagnose(Machine(recorder, SPARK, deep=True), REGISTRY, CHECKS)
    made = json.dumps(recorder.tape(Redactor(), profile="dgx-spark", deep=True))
    again = doctor.diagnose(Machine(tape.Player(tape.parse(made.encode())), SPARK, deep=True), REGISTRY, CHECKS)
    assert [(result.id, result.verdict) for result in again.results] == [(result.id, result.verdict) for result in report.results]
    for render in (json_render.render, terminal.render):
        assert render(report, verbose=True, to_file=True)
    return {result.id: result for result in report.results}


def done() -> dict[str, Worked]:
    return {name: steps(*lines) for name, lines in WORK.items()}


def test_work_that_is_done_well_is_ok() -> None:
    assert {name: str(result.status) for name, result in judged(done()).items()} == dict.fromkeys(
        (check.id for check in CHECKS), "ok"
    )


def test_a_machine_without_work_has_no_verdict() -> None:
    assert {result.status for result in judged({}).values()} == {Status.SKIPPED}


@pytest.mark.parametrize("name", WORK)
def test_wherever_work_is_cut_short_the_step_is_named(name: str) -> None:
    for count in range(1, len(WORK[name]) + 1):
        cut = steps(*WORK[name][:count], code=-11)
        found = judged({**done(), name: cut})
        words = f"{WORK[name][count - 1][0]} was killed by SIGSEGV"
        failed = [result.verdict.summary for result in found.values() if result.status is Status.FAILED]
        if name == "compute" and count == len(WORK[name]):
            continue  # nobody judges the GPU by that
        if name == "launch" and words.startswith("torch.cuda.init"):
            assert failed == []  # said by others
        else:
            assert [summary for summary in failed if words in summary], (words, found)
        assert not [result for result in found.values() if result.status is Status.CRASHED]


@pytest.mark.parametrize("name", WORK)
def test_work_that_never_began_is_never_ok(name: str) -> None:
    mine = {
        "pytorch": {check.id for check in CHECKS} - {"nvcc-cannot-compile", "triton-cannot-compile"},
        "compute": {"torch-cannot-compute", "gpu-clocks-wedged"},
        "compile": {"triton-cannot-compile"},
        "launch": {"triton-cannot-compile"},
        "extension": {"extension-cannot-build"},
        "toolkit": {"nvcc-cannot-compile"},
    }[name]
    endings = [Worked(-11, "", "", "Fatal Python error: Aborted"), Worked(0, "", "", "")]
    for worked in endings if name in BRANCHES else [*endings, Worked(None, "", "", "")]:
        found = judged({**done(), name: worked})
        assert {result.status for check, result in found.items() if check in mine} <= {Status.FAILED, Status.SKIPPED}
        assert all(result.status is Status.OK for check, result in found.items() if check not in mine)


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:20])
def test_lies_about_work_break_no_check(value: Any) -> None:
    for name, lines in WORK.items():
        lying = [(step, dict.fromkeys(learnt, value)) for step, learnt in lines]
        found = judged({**done(), name: steps(*lying)})
        assert not [result for result in found.values() if result.status is Status.CRASHED], found
    odd = "".join(json.dumps({key: value, "at": value}) + "\n" for key in ("step", "learnt", "error", "done", "text", "place"))
    for name, worked in done().items():
        found = judged({**done(), name: worked._replace(said=odd + worked.said.replace("\n", "\n" + odd))})
        assert not [result for result in found.values() if result.status is Status.CRASHED], found


def test_numbers_that_are_none_are_no_agreement() -> None:
    for value in (None, "x", float("nan"), float("inf"), 10**400):
        lines = [(step, {**learnt, "error": value} if "error" in learnt else learnt) for step, learnt in WORK["compute"]]
        assert judged({**done(), "compute": steps(*lines)})["torch-cannot-compute"].status is Status.FAILED
        launch = [*WORK["launch"][:-1], ("launch a Triton kernel", {"error": value})]
        assert judged({**done(), "launch": steps(*launch)})["triton-cannot-compile"].status is Status.FAILED
