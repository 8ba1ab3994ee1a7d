"""Warming Triton's kernels by a prediction: with stand-ins for OpenFold3 and Triton, and with the real OpenFold3 on the CPU."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sparkdoctor import process
from sparkdoctor.facts.course import Course, follow
from sparkdoctor.host import PATIENT
from sparkdoctor.query import UBIQUITIN, document
from standins.hosts import Witness
from warmed import troubles, written

FILES = {
    "torch/__init__.py": """\
import contextlib, json
__version__ = "2.11.0"
no_grad = contextlib.nullcontext

def manual_seed(seed):
    pass

def save(state, path):
    with open(path, "w") as file:
        json.dump(state, file)
""",
    "torch/utils/__init__.py": "",
    "torch/utils/cpp_extension.py": "load = None\n",
    "triton/__init__.py": """\
import os
__version__ = "3.6.0"

class knobs:
    class cache:
        dir = os.environ["TRITON_CACHE_DIR"]
    class compilation:
        listener = None
    class runtime:
        jit_cache_hook = None
""",
    "triton/knobs.py": "",
    "openfold3/__init__.py": "print('a word of OpenFold3')\n",
    "openfold3/entry_points/__init__.py": "",
    "openfold3/entry_points/experiment_runner.py": "import triton\n",
    "openfold3/projects/__init__.py": "",
    "openfold3/projects/of3_all_atom/__init__.py": "",
    "openfold3/projects/of3_all_atom/project_entry.py": """\
from types import SimpleNamespace

def ModelUpdate(presets, custom):
    return presets, custom

class OF3ProjectEntry:
    def get_model_config_with_update(self, update):
        presets, custom = update
        assert presets == ["predict"]
        architecture = {"pairformer": {"no_blocks": 48, "c_z": 128}, "shared": {"num_recycles": 3}, "heads": {"deep": {"no_blocks": 4}}}
        return SimpleNamespace(architecture=architecture, custom=custom)
""",
    "openfold3/projects/of3_all_atom/model.py": """\
import os

class Values(list):
    def __init__(self, *shape):
        self.shape, self.ndim = shape, len(shape)
    def fill_(self, value):
        self.append(value)
    def zero_(self):
        self.append(0)
    def normal_(self, mean, sd):
        self.append(["normal", mean, sd])

class OpenFold3:
    def __init__(self, config):
        if os.environ.get("STANDIN") == "no model":
            raise KeyError("no such block")
        self.named = {"layer_norm.weight": Values(4), "layer_norm.bias": Values(4), "linear.weight": Values(2, 4)}
        self.custom = config.custom
    def named_parameters(self):
        return self.named.items()
    def state_dict(self):
        return {**self.named, "custom": self.custom}
""",
    "openfold3/run_openfold.py": """\
import json, os, sys, triton
from types import SimpleNamespace

KERNELS = ["_attn_fwd", "layernorm_kernel", "linear_kernel"]

def main():
    how = os.environ.get("STANDIN", "")
    assert sys.argv[1] == "predict" and sys.stdin.read() == ""
    options = dict(zip(sys.argv[2::2], sys.argv[3::2]))
    runner, weights, query = (json.load(open(options["--" + name])) for name in ("runner_yaml", "inference_ckpt_path", "query_json"))
    settings = runner["model_update"]["custom"].pop("settings")
    assert [name for name, on in settings["memory"]["eval"].items() if on] == ["use_triton_triangle_kernels"]
    assert runner["model_update"] == {"presets": ["predict"], "custom": weights["custom"]}, runner
    assert runner["data_module_args"] == {"num_workers": 0}
    assert options["--use_msa_server"] == options["--use_templates"] == "False"
    assert len(query["queries"]["ubiquitin"]["chains"][0]["sequence"]) == 76
    output = options["--output_dir"]
    for name in ("OPENFOLD_CACHE", "TMPDIR"):
        assert os.environ[name].startswith(os.path.dirname(output))
    assert os.listdir(output) == []
    print("Predicting: 100%", flush=True)
    if how == "abort":
        os.abort()
    if how == "exit":
        sys.exit(1)
    if how == "raise":
        raise ValueError("no such option")
    if how == "failed query":
        os.mkdir(output + "/logs")
        with open(output + "/logs/predict_err_rank0.log", "w") as log:
            log.write("Failed for query_id(s) ubiquitin\\n\\nTraceback:\\n  File x\\nRuntimeError: CUDA error: no kernel image\\n----\\n")
    for number, name in enumerate(KERNELS):
        place = os.path.join(os.environ["TRITON_CACHE_DIR"], "HASH%d" % number)
        hit = os.path.exists(place) and not (how == "again" and number)
        os.makedirs(place, exist_ok=True)
        with open(place + "/" + name + ".json", "w") as file:
            json.dump({"target": {"backend": "cuda", "arch": 90, "warp_size": 32}, "name": name}, file)
        listener = triton.knobs.compilation.listener
        listener(src=SimpleNamespace(name=name), metadata={}, metadata_group={}, times=SimpleNamespace(total=1500000), cache_hit=hit)
    if how in ("failed query", "nothing"):
        return
    seed = output + "/ubiquitin/seed_42"
    os.makedirs(seed)
    with open(seed + "/timing.json", "w") as file:
        json.dump({"runtime_s": 12.345}, file)
    open(seed + "/ubiquitin_seed_42_sample_1_model.cif", "w").close()

main()
""",
}
STEPS = ["find Triton's cache", "make a small model", "predict ubiquitin", "predict ubiquitin again"]
QUERY = document([UBIQUITIN])


def predicted(place: Path, how: str = "", *, cache: str = "cache", files: dict[str, str] | None = None) -> Course:
    """How warming goes, and that nothing stays but what is in the cache."""
    written(place / "site", FILES if files is None else files)
    directory, temporary = place / "cache", place / "tmp"
    directory.mkdir(exist_ok=True)
    temporary.mkdir(exist_ok=True)
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(place / "site"), "TRITON_CACHE_DIR": str(place / cache)}
    argv = [sys.executable, "-B", f"{PATIENT}/warm_triton.py", str(directory), QUERY]
    env |= {"STANDIN": how, "TMPDIR": str(temporary), "HOME": str(place)}
    found = follow(process.work(argv, timeout=60, env=env, hear=lambda _: None))
    assert list(temporary.iterdir()) == []
    assert {path.name for path in place.iterdir()} <= {"site", "cache", "tmp"}
    return found


def test_the_second_prediction_finds_what_the_first_one_has_compiled(tmp_path: Path, witness: Witness) -> None:
    (tmp_path / "cache" / "OLD").mkdir(parents=True)
    found = predicted(tmp_path)
    assert [step.name for step in found.steps] == STEPS
    assert (troubles(found), found.ended, found.left) == ({}, None, ())
    first, second = found.learnt("predict ubiquitin"), found.learnt("predict ubiquitin again")
    assert (first["entries"], second["entries"]) == (3, 0)
    assert first["bytes"] == sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*.json"))
    assert first["compiled"] == [["_attn_fwd", 1.5], ["layernorm_kernel", 1.5], ["linear_kernel", 1.5]]
    assert (first["found"], second["found"], second["compiled"]) == (0, 3, [])
    assert second["told"] == (
        "the first prediction compiled 3 kernels in 4.5 s and took 12.3 s, the second compiled none and took 12.3 s"
    )
    again = predicted(tmp_path)
    assert again.learnt("predict ubiquitin again")["told"].startswith("the first prediction compiled 0 kernels in 0.0 s")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("no model", {"make a small model": "raised RuntimeError: it ended with status 1: KeyError: 'no such block'"}),
        ("abort", {"predict ubiquitin": "raised RuntimeError: it was ended by signal 6"}),
        ("exit", {"predict ubiquitin": "raised RuntimeError: it ended with status 1: Predicting: 100%"}),
        ("raise", {"predict ubiquitin": "raised RuntimeError: it ended with status 1: ValueError: no such option"}),
        ("nothing", {"predict ubiquitin": "raised RuntimeError: OpenFold3 made no structure"}),
        (
            "failed query",
            {"predict ubiquitin": "raised RuntimeError: OpenFold3 made no structure: RuntimeError: CUDA error: no kernel image"},
        ),
        (
            "again",
            {
                "predict ubiquitin again": "raised RuntimeError: Triton has compiled again what is in its cache: "
                "layernorm_kernel, linear_kernel"
            },
        ),
    ],
)
def test_a_prediction_that_goes_wrong_is_told(tmp_path: Path, how: str, words: dict[str, str], witness: Witness) -> None:
    assert troubles(predicted(tmp_path, how)) == words


def test_what_is_not_there_is_told_first(tmp_path: Path) -> None:
    words = {name: f"raised RuntimeError: {name} is not installed" for name in ("openfold3", "triton")}
    for name, said in words.items():
        files = {path: text for path, text in FILES.items() if not path.startswith(name)}
        found = predicted(tmp_path / name, files=files)
        assert troubles(found) == {"find Triton's cache": said}
    found = predicted(tmp_path / "moved", cache="elsewhere")
    place = tmp_path / "moved"
    assert troubles(found) == {
        "find Triton's cache": f"raised RuntimeError: Triton looks for it in {place}/elsewhere, not in {place}/cache"
    }


@pytest.mark.older  # a minute each
@pytest.mark.parametrize("version", ["0.5.0", "0.4.5"])
@pytest.mark.usefixtures("witness")
def test_the_real_openfold3_predicts_twice(version: str, openfold3: Callable[[str], Path], tmp_path: Path) -> None:
    """Without Triton, on the CPU: what it is told, the weights and the two predictions are the real thing."""
    env: dict[str, Any] = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "cache").mkdir()
    (tmp_path / "tmp").mkdir()
    argv = [str(openfold3(version) / "python"), "-B", f"{PATIENT}/warm_triton.py", str(tmp_path / "cache"), QUERY]
    refused = follow(process.work(argv, timeout=60, env=env, hear=lambda _: None))
    assert troubles(refused) == {"find Triton's cache": "raised RuntimeError: triton is not installed"}
    course = follow(process.work([*argv, "cpu"], timeout=600, env=env, hear=lambda _: None))
    assert (troubles(course), [step.name for step in course.steps]) == ({}, STEPS)
    assert all(course.learnt(name)["inference"] > 0 for name in STEPS if name.startswith("predict"))
    assert list((tmp_path / "tmp").iterdir()) == list((tmp_path / "cache").iterdir()) == []
    assert json.dumps(course.learnt("predict ubiquitin again")["compiled"]) == "[]"
