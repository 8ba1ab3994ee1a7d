"""`sparkdoctor smoke` with the real OpenFold3, on the CPU, with random weights of a model of one block.

The runs of a version are made two at a time, of up to 20 seconds each; its environment and its weights are made before, once.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from predicted import recorded
from predictions import make
from releases import NEWEST, releases
from sparkdoctor.smoke.examination import examine_output
from sparkdoctor.smoke.judge import COMPARISON
from sparkdoctor.smoke.run import STAGES
from test_schemas import validator

COMMAND = str(Path(sys.executable).with_name("sparkdoctor"))
SCHEMA = validator("smoke")
GIB = 1 << 30
STRUCTURE = {"ca-distances", "clashes", "handedness", "radius-of-gyration", "plddt-varies", "plddt-mean", *COMPARISON}
"""The lines that tell an untrained model."""
NOTHING_WRITTEN = {"summary", "error-log", "structures"}
ENDED = {"exit-status", "summary", "structures"}
VERSIONS = (NEWEST, "0.4.5", "0.3.1")
CASES: dict[str, tuple[make.Case, str]] = {
    "random": (make.Case(samples=2), ".pt"),
    "nan": (make.Case(), "-nan.pt"),
    "default kernels": (make.Case(kernels={}), ".pt"),
    "another generation": (make.Case(), "-other.pt"),
    "truncated": (make.Case(), "-truncated.pt"),
}
"""What differs from the plain run, and the weights."""
RECORDED = {
    NEWEST: {"random": "random-weights", "nan": "nan-weights", "default kernels": "triton-missing"},
    "0.4.5": {"random": "openfold3-0.4.5"},
    "0.3.1": {"random": "openfold3-0.3.1", "default kernels": "deepspeed-missing-0.3.1"},
}
GENERATION_3 = """
import sys, torch
state = torch.load(sys.argv[1])
state.pop("version_tensor", None)
new, old = "diffusion_transformer.layer_norm_z.", "diffusion_transformer.blocks.0.attention_pair_bias.layer_norm_z."
torch.save({key.replace(new, old): value for key, value in state.items()}, sys.argv[2])
"""
"""Names the parameters as OpenFold3 0.3 did, as far as it tells the generations."""


class Smoke(NamedTuple):
    """How `sparkdoctor smoke` ended: its exit status, its document, what it said meanwhile, the directory that it wrote."""

    code: int
    found: dict[str, Any]
    said: str
    tree: Path

    @property
    def failed(self) -> set[str]:
        return {name for name, status in self.statuses.items() if status == "failed"}

    @property
    def statuses(self) -> dict[str, str]:
        return {line["id"]: line["status"] for line in self.found["criteria"]}

    def finding(self, name: str) -> dict[str, Any]:
        (values,) = [finding["values"] for finding in self.found["findings"] if finding["id"] == name]
        return dict(values)


def smoke(place: Path, python: Path, weights: Path, settings: dict[str, Any], samples: int) -> Smoke:
    for name in ("home", "tmp"):
        (place / name).mkdir(parents=True)
    (place / "runner.yml").write_text(json.dumps(settings))  # JSON is YAML
    env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1"}
    env |= {"HOME": str(place / "home"), "TMPDIR": str(place / "tmp"), "OPENFOLD_CACHE": str(place / "cache")}
    options: dict[str, object] = {
        "python": python,
        "weights": weights,
        "runner-yaml": place / "runner.yml",
        "output": place / "out",
    }
    options |= {"samples": samples, "timeout": 500, "format": "json"}
    command = [COMMAND, "smoke", *(f"--{name}={value}" for name, value in options.items())]
    ended = subprocess.run(command, env=env, cwd=place, capture_output=True, text=True, check=False, timeout=600)
    assert ended.returncode in {0, 1, 3}, ended.stderr
    found = json.loads(ended.stdout)
    SCHEMA.validate(found)
    assert found["seconds"] < 500
    return Smoke(ended.returncode, found, ended.stderr, place / "out")


@pytest.fixture(scope="module")
def smokes(openfold3: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, str], Smoke]]:
    """The run of a version with one of CASES."""
    work = tmp_path_factory.mktemp("real")

    @cache
    def weights(version: str) -> str:
        return make.weights(work, version, openfold3(version))

    def prepare(version: str) -> str:
        stem = weights(version)
        whole = Path(f"{stem}.pt").read_bytes()
        Path(f"{stem}-truncated.pt").write_bytes(whole[: len(whole) // 2])
        other = Path(f"{stem}-other.pt")
        if version == NEWEST:
            subprocess.run([openfold3(version) / "python", "-c", GENERATION_3, f"{stem}.pt", other], check=True)
        else:
            other.symlink_to(f"{weights(NEWEST)}.pt")
        return stem

    with ThreadPoolExecutor(2) as pool:

        @cache
        def started(version: str) -> dict[str, Future[Smoke]]:
            stem, python = prepare(version), openfold3(version) / "python"
            kernels = make.OLD_KERNELS if version == "0.3.1" else make.Case().kernels
            found = {}
            for name, (case, weights) in CASES.items():
                settings = make.runner(stem, case._replace(kernels=case.kernels and kernels))
                place = work / version / name.replace(" ", "-")
                found[name] = pool.submit(smoke, place, python, Path(stem + weights), settings, case.samples)
            return found

        yield lambda version, name: started(version)[name].result()


Smokes = Callable[[str, str], Smoke]


@releases(*VERSIONS)
def test_random_weights_are_refused_for_the_structure_alone(version: str, smokes: Smokes) -> None:
    run = smokes(version, "random")
    assert "Successful Queries:  1" in (run.tree / "summary.txt").read_text()
    assert (run.code, run.found["verdict"]) == (1, "refused")
    assert {"ca-distances", "plddt-mean", "rmsd", "tm-score"} <= run.failed <= STRUCTURE
    assert {status for name, status in run.statuses.items() if name not in STRUCTURE} == {"ok"}
    assert run.found["cause"]["text"].startswith("the weights were never trained: ")
    assert [sample["sample"] for sample in run.found["samples"]] == [1, 2]
    assert all(sample["rmsd"] > 100 and sample["tm_score"] < 0.1 for sample in run.found["samples"])


@releases(*VERSIONS)
def test_what_a_run_shows_of_its_environment(version: str, smokes: Smokes) -> None:
    run = smokes(version, "random")
    assert run.finding("versions")["openfold3"] == version
    attention, time, memory = run.finding("attention"), run.finding("time"), run.finding("memory")
    assert attention["configured"] == []
    assert attention["calls"].keys() == {"pytorch"}
    assert 20 < attention["calls"]["pytorch"] < 2000
    assert list(time["stages"]) == list(STAGES.values())
    assert 0.9 * time["seconds"] < sum(time["stages"].values()) <= time["seconds"] + 0.1
    assert 0 < time["inference_seconds"] < time["seconds"] < run.found["seconds"]
    assert (time["temperature"], time["before"]) == ("nothing to compile", None)
    assert GIB / 2 < memory["processes_bytes"] < memory["machine_bytes"]
    assert memory["gpu_bytes"] is None
    told = [text.partition("s  ")[2].partition("  (")[0] for text in run.said.splitlines()]
    assert [stage for stage in told if stage in time["stages"]] == list(STAGES.values())


@releases(NEWEST)
def test_weights_that_are_no_numbers(version: str, smokes: Smokes) -> None:
    run = smokes(version, "nan")
    assert "Successful Queries:  1" in (run.tree / "summary.txt").read_text()
    assert "finite" in run.failed <= {"finite", *STRUCTURE}
    assert "tensors of the weights are not finite" in run.found["cause"]["text"]


NO_TRITON = "OpenFold3's Triton kernels are asked for, as is the default, and Triton is not installed or does not load"
WHY = {
    NEWEST: NO_TRITON,
    "0.4.5": NO_TRITON,
    "0.3.1": "DeepSpeed runs on the CPU: PyTorch sees no GPU",  # DeepSpeed comes with it
}


@releases(*VERSIONS)
def test_the_default_kernels_do_not_run_on_a_cpu(version: str, smokes: Smokes) -> None:
    run = smokes(version, "default kernels")
    assert (run.code, run.found["verdict"], run.failed) == (1, "refused", NOTHING_WRITTEN)
    assert run.statuses["exit-status"] == "ok"
    assert run.found["cause"]["text"] == WHY[version]
    assert run.finding("attention")["configured"] == ["deepspeed" if version == "0.3.1" else "triton"]


@releases(*VERSIONS)
def test_weights_of_another_generation(version: str, smokes: Smokes) -> None:
    run = smokes(version, "another generation")
    assert (run.code, run.found["verdict"], run.failed) == (1, "refused", ENDED)
    other = "0.4" if version == NEWEST else "0.5"
    assert f"is of no use: weights of the generation {other}" in run.found["cause"]["text"]


@releases(*VERSIONS)
def test_weights_that_are_cut_off(version: str, smokes: Smokes) -> None:
    run = smokes(version, "truncated")
    assert (run.code, run.found["verdict"], run.failed) == (1, "refused", ENDED)
    assert "is of no use: a truncated archive" in run.found["cause"]["text"]


@releases(*VERSIONS)
def test_what_is_recorded_is_what_is_written(version: str, smokes: Smokes, tmp_path: Path) -> None:
    """The trees of tests/predictions are like fresh ones: their files, what they say of the run, and their verdict."""
    for name, case in RECORDED[version].items():
        fresh, old = smokes(version, name).tree, recorded(case, tmp_path / case) / "out"
        assert files(fresh) == files(old), case
        assert (fresh / "summary.txt").read_text() == (old / "summary.txt").read_text()
        log = (tmp_path / case / "log").read_text()
        assert (old / "summary.txt").read_text().strip() in log
        assert (fresh / "summary.txt").read_text().strip() in (fresh / "sparkdoctor" / "log.txt").read_text()
        statuses = [{line.id: line.status for line in examine_output(str(tree), None).criteria} for tree in (fresh, old)]
        assert statuses[0] == statuses[1], case
        errors = [last_line(tree / "logs" / "predict_err_rank0.log") for tree in (fresh, old)]
        assert errors[0] == errors[1], case
        settings = [json.loads((tree / "model_config.json").read_text()) for tree in (fresh, old)]
        for one in settings:
            del one["architecture"]["shared"]["diffusion"]["no_full_rollout_samples"]
        assert settings[0] == settings[1], case


def files(tree: Path) -> set[str]:
    """The files of OpenFold3 that are recorded, of the first sample."""
    names = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}
    return {
        name
        for name in names
        if not name.startswith(("sparkdoctor/", "msas/")) and not name.endswith("_confidences.json") and "_sample_2_" not in name
    }


def last_line(path: Path) -> str:
    return path.read_text().strip().splitlines()[-1] if path.exists() else ""
