"""What a prediction shows of its environment, and what is remembered of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from sparkdoctor.facts.course import follow
from sparkdoctor.process import Worked
from sparkdoctor.smoke import findings, history
from sparkdoctor.smoke.run import Run, told

GIB = 1 << 30
# As an H100 told of it (driver 580.159.04, PyTorch 2.11, Triton 3.6, OpenFold3 0.5.0), shortened.
COLD: list[dict[str, Any]] = [
    {"step": "import PyTorch", "at": 0.0},
    {"step": "import OpenFold3", "at": 3.241},
    {"learnt": {"openfold3": "0.5.0", "torch": "2.11.0", "triton": "3.6.0"}},
    {"step": "settings", "at": 14.315},
    {"step": "load the weights", "at": 14.718},
    {"step": "featurise", "at": 20.032},
    {"step": "trunk", "at": 23.064},
    {"kernel": "layernorm_kernel", "seconds": 1.039},
    {"kernel": "linear_fused_kernel", "seconds": 0.626},
    {"step": "diffusion", "at": 36.722},
    {"step": "confidence", "at": 46.894},
    {"step": "end", "at": 48.293},
    {
        "learnt": {
            "calls": {"triton": 502, "deepspeed": 0, "cuequivariance": 0, "lma": 0, "pytorch": 6201},
            "kernels": {"built": 14, "found": 0, "seconds": 7.633},
            "gpu_memory": 1677721600,
        }
    },
]
WARM: list[dict[str, Any]] = [line for line in COLD[:-1] if "kernel" not in line] + [
    {
        "learnt": {
            "calls": {"triton": 502, "pytorch": 6201},
            "kernels": {"built": 0, "found": 14, "seconds": 0.0},
            "gpu_memory": None,
        }
    }
]


def run_of(lines: list[dict[str, Any]], **changes: Any) -> Run:
    said = "".join(json.dumps(line) + "\n" for line in lines)
    worked = Worked(0, said, "", "")
    run = Run(0, 51.2, 1_760_000_000.0, follow(worked), *told(said), "", tree=6 * GIB, used=14 * GIB, before=9 * GIB)
    return run._replace(**changes)


def texts(run: Run, output: Path, inference: float | None = 25.2, before: dict[str, Any] | None = None) -> dict[str, str]:
    return {finding.id: finding.text for finding in findings.findings(run, str(output), inference, before)}


def test_a_cold_run(tmp_path: Path) -> None:
    config = {"settings": {"memory": {"eval": {"use_triton_triangle_kernels": True, "use_lma": False}}}}
    (tmp_path / "model_config.json").write_text(json.dumps(config))
    said = texts(run_of(COLD), tmp_path)
    assert said["versions"] == "openfold3 0.5.0, torch 2.11.0, triton 3.6.0"
    assert said["attention"] == (
        "OpenFold3's Triton kernels (502 calls), PyTorch (6,201 calls); the settings choose OpenFold3's Triton kernels"
    )
    assert said["triton-kernels"] == (
        "14 compiled in 7.6 s, 0 found compiled: layernorm_kernel 1.04 s, linear_fused_kernel 0.63 s"
    )
    assert said["time"].startswith("25.2 s inference, cold; 51.2 s in all; on a GB10: 8 to 9 s warm")
    assert said["memory"] == (
        "6.0 GiB in its processes at their peak; 14.0 GiB in use on the whole machine, 5.0 GiB more than before; "
        "1.6 GiB of GPU memory reserved by PyTorch"
    )


def test_a_warm_run_beside_the_last_one(tmp_path: Path) -> None:
    before = {"at": "2026-11-21T10:00:00+00:00", "inference_seconds": 25.2, "temperature": "cold"}
    said = texts(run_of(WARM), tmp_path, 14.4, before)
    assert said["triton-kernels"] == "0 compiled, 14 found compiled"
    assert "14.4 s inference, warm" in said["time"]
    assert said["time"].endswith("the last run here, 2026-11-21: 25.2 s, cold")


def test_an_operator_that_was_built_or_found(tmp_path: Path) -> None:
    for built, seconds, words, warmth in (
        (True, 146.2, "evoformer_attn built and loaded in 146.20 s", "cold"),
        (False, 0.034, "evoformer_attn found built, loaded in 0.03 s", "warm"),
    ):
        lines = [*WARM[:-2], {"operator": "evoformer_attn", "seconds": seconds, "built": built}]
        said = texts(run_of(lines), tmp_path)
        assert said["operator"] == words
        assert f"inference, {warmth}" in said["time"]


def test_a_run_that_did_not_come_far(tmp_path: Path) -> None:
    said = texts(run_of([], code=1, tree=None, used=None, before=None, left=("python3",)), tmp_path, None)
    assert said["versions"] == "?"
    assert said["attention"] == "none was called"
    assert said["time"].startswith("nothing to compile; 51.2 s in all")
    assert said["memory"] == "not known"
    assert said["left"] == "python3"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"settings": 3}', '{"settings": {"memory": {"eval": []}}}', "[" * 100_000])
def test_a_configuration_that_makes_no_sense(tmp_path: Path, text: str) -> None:
    (tmp_path / "model_config.json").write_text(text)
    assert findings.chosen(str(tmp_path)) is None


@pytest.mark.parametrize(
    "learnt", [{"calls": 3}, {"calls": {"triton": "x"}}, {"kernels": [1]}, {"kernels": {"built": 1}}, {"gpu_memory": "a"}]
)
def test_a_report_that_makes_no_sense(tmp_path: Path, learnt: dict[str, Any]) -> None:
    assert texts(run_of([*COLD[:-1], {"learnt": learnt}]), tmp_path)


def test_the_stages_add_up(tmp_path: Path) -> None:
    stages = findings.stages(run_of(COLD))
    assert stages["importing OpenFold3"] == pytest.approx(11.07)
    assert sum(stages.values()) == pytest.approx(51.2, abs=0.05)


# --- what is remembered


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARKDOCTOR_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


ABOUT = {"gpu": "NVIDIA GB10", "samples": 1, "weights": "of3.pt"}


def test_the_last_run_like_this_one_is_found() -> None:
    cold = findings.remembered(run_of(COLD), 25.2, "believed", ABOUT)
    assert history.last(cold) is None
    assert history.keep(cold) is None
    other = findings.remembered(run_of(COLD), 3.0, "believed", {**ABOUT, "gpu": "NVIDIA H100"})
    assert history.keep(other) is None
    found = history.last(findings.remembered(run_of(WARM), 14.4, "believed", ABOUT))
    assert found == cold
    assert found["temperature"] == "cold"


def test_no_more_than_some_are_kept(state: Path) -> None:
    for number in range(history.KEPT + 3):
        assert history.keep({"number": number}) is None
    assert [run["number"] for run in history.runs()] == list(range(3, history.KEPT + 3))
    assert [path.name for path in state.iterdir()] == ["smoke.json"]


@pytest.mark.parametrize(
    "text", ["", "[]", '{"schema": "x", "runs": []}', '{"schema": "sparkdoctor.smokes/1", "runs": [1, 2]}', "\0"]
)
def test_what_is_none_of_ours_is_not_read(state: Path, text: str) -> None:
    state.mkdir()
    (state / "smoke.json").write_text(text)
    assert history.runs() == []
    assert history.keep({"number": 1}) is None
    assert history.runs() == [{"number": 1}]


def test_where_nothing_can_be_written_that_is_said(state: Path) -> None:
    state.write_text("a file")
    assert "this run is not remembered" in (history.keep({}) or "")
