"""Warming at work: the worker that builds, compares and has another process load; with stand-ins for DeepSpeed and its operator."""

import os
import sys
from pathlib import Path

import pytest

from sparkdoctor.facts.course import Course
from standins.hosts import Witness
from warmed import BUILDER, FILES, TORCH, troubles, warm, written

STEPS = [
    *("import torch", "find the cache", "import deepspeed", "build evoformer_attn"),
    *("compare in bfloat16", "compare in float16", "load in a new process"),
]


# --- with a real PyTorch


def environment(patient: Path, place: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TORCH_", "CXX"))}
    path = f"{patient}:/usr/local/bin:/usr/bin:/bin"
    return {**kept, "PATH": path, "PYTHONPATH": str(place / "site"), "TORCH_EXTENSIONS_DIR": str(place / "root"), **more}


def warmed(patient: Path, place: Path, **more: str) -> Course:
    if not (place / "site").exists():
        written(place / "site", FILES)
    directory = place / "root" / "evoformer_attn"
    directory.mkdir(parents=True, exist_ok=True)
    return warm(patient / "python", directory, environment(patient, place, **more))


@pytest.mark.real
def test_what_is_built_is_right_and_ready(patient: Path, tmp_path: Path, witness: Witness) -> None:
    found = warmed(patient, tmp_path)
    assert [step.name for step in found.steps] == STEPS
    assert troubles(found) == {}
    assert (found.ended, found.left) == (None, ())
    built = found.learnt("build evoformer_attn")
    assert built["bytes"] == (tmp_path / "root/evoformer_attn/evoformer_attn.so").stat().st_size
    for kind, least, most in (("bfloat16", 1e-4, 1e-2), ("float16", 1e-5, 1e-3)):
        errors = found.learnt(f"compare in {kind}")["errors"]
        assert set(errors) == {"forward", "dQ", "dK", "dV", "dbias1", "dbias2"}
        assert all(least < error < most for error in errors.values()), errors
    assert 0 < found.learnt("load in a new process")["seconds"] < 5
    made = (tmp_path / "root/evoformer_attn/evoformer_attn.so").stat().st_mtime_ns
    again = warmed(patient, tmp_path)
    assert troubles(again) == {}
    assert (tmp_path / "root/evoformer_attn/evoformer_attn.so").stat().st_mtime_ns == made


@pytest.mark.real
def test_a_wrong_kernel_is_told_by_its_error(patient: Path, tmp_path: Path) -> None:
    found = troubles(warmed(patient, tmp_path, STANDIN_FACTOR="1.05"))
    assert set(found) == {"compare in bfloat16", "compare in float16"}
    assert found["compare in float16"].startswith(
        "raised ArithmeticError: relative error against float64 above 0.01: forward 0.05, dQ 0.05, dK 0.05, dV 0.05"
    )
    found = troubles(warmed(patient, tmp_path, STANDIN_FACTOR="nan"))
    assert found["compare in bfloat16"] == "raised ArithmeticError: forward is not finite"


@pytest.mark.real
def test_a_build_that_fails_says_what_the_compiler_said_first(patient: Path, tmp_path: Path, witness: Witness) -> None:
    found = troubles(warmed(patient, tmp_path, STANDIN_FLAGS="-Dfactor=int"))
    assert list(found) == ["build evoformer_attn"]
    words = found["build evoformer_attn"]
    assert words.startswith("raised RuntimeError: attention.o: ")
    assert "error: " in words
    assert "\n" not in words


@pytest.mark.real
def test_an_environment_in_which_it_is_built_anew_is_told(patient: Path, tmp_path: Path, witness: Witness) -> None:
    # DeepSpeed sets a variable while it builds that the next process does not have: the flags differ.
    text = BUILDER.replace("import os\n", "import os\nPID = os.environ.setdefault('STANDIN_PID', str(os.getpid()))\n", 1)
    text = text.replace('"").split()', '"").split() + ["-DPID=" + PID]')
    files = FILES["deepspeed/ops/op_builder/__init__.py"]
    FILES["deepspeed/ops/op_builder/__init__.py"] = text
    try:
        found = troubles(warmed(patient, tmp_path))
    finally:
        FILES["deepspeed/ops/op_builder/__init__.py"] = files
    assert list(found) == ["load in a new process"]
    assert "DeepSpeed has built it anew: [1/2] c++" in found["load in a new process"]


# --- with a PyTorch that only says where it would build


def broken(place: Path, load: str, *, elsewhere: bool = False) -> dict[str, str]:
    """How warming ends where DeepSpeed's load does this."""
    builder = f"import os, sys\nclass EvoformerAttnBuilder:\n    def load(self, verbose):\n        {load}\n"
    written(place / "site", {**FILES, **TORCH, "deepspeed/ops/op_builder/__init__.py": builder})
    directory = place / "root" / "evoformer_attn"
    directory.mkdir(parents=True)
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(place / "site")}
    root = place / ("other" if elsewhere else "root")
    found = warm(sys.executable, directory, {**env, "TORCH_EXTENSIONS_DIR": str(root)})
    assert not (place / "other").exists() or not list((place / "other").iterdir())
    return troubles(found)


NVCC = """[1/3] /usr/local/cuda/bin/nvcc -c attention_back.cu -DERROR='error: x'
/cutlass/platform.h:599:33: warning: 'long4' is deprecated [-Wdeprecated-declarations]
[2/3] /usr/local/cuda/bin/nvcc -c attention_cu.cu
FAILED: {code}attention_cu.cuda.o {nl}/usr/local/cuda/bin/nvcc -MD -c attention_cu.cu -o attention_cu.cuda.o -DERROR='error: x'
{words}
nvcc warning : and more
error: a later one
ninja: build stopped: subcommand failed.
"""


@pytest.mark.parametrize("code", ["", "[code=1] "])
@pytest.mark.parametrize(
    "words",
    [
        "nvcc fatal   : Unsupported gpu architecture 'compute_1.'",
        "/torch/include/ATen/cuda/CUDAContextLight.h:10:10: fatal error: cusparse.h: No such file or directory",
        '/src/kernel_backward.h(12): error: identifier "x" is undefined',
        "/usr/bin/ld: cannot find -lcurand: No such file or directory",
        "nvcc error   : 'cicc' died due to signal 9 (Kill signal)",
        "c++: fatal error: Killed signal terminated program cc1plus",
        "ptxas error   : Entry function 'f' uses too much shared data",
        "Killed",
    ],
)
def test_of_a_long_message_the_first_error_counts(tmp_path: Path, words: str, code: str) -> None:
    text = NVCC.format(words=words, code=code, nl="\n")
    # Printed by ninja while it builds, or quoted by PyTorch: both ways are in use.
    for number, load in enumerate(
        (
            f"os.write(1, {text.encode()!r}); raise RuntimeError('Error building extension')",
            f"raise RuntimeError('Error building extension: ' + {text!r})",
        )
    ):
        found = broken(tmp_path / str(number), load)
        assert found == {"build evoformer_attn": f"raised RuntimeError: attention_cu.cuda.o: {words}"}


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (
            "raise RuntimeError('Unable to JIT load the evoformer_attn op')",
            "raised RuntimeError: Unable to JIT load the evoformer_attn op",
        ),
        ("sys.exit(3)", "raised SystemExit: 3"),
        ("os.abort()", "was killed by SIGABRT"),
        ("pass", "raised RuntimeError: it was loaded, but nothing was built in {place}/root/evoformer_attn"),
    ],
)
def test_other_ends_of_a_build(tmp_path: Path, load: str, words: str) -> None:
    assert broken(tmp_path, load) == {"build evoformer_attn": words.format(place=tmp_path)}


def test_a_builder_that_prints_without_end_is_not_ended_for_it(tmp_path: Path) -> None:
    load = "[os.write(1, b'x' * 65536) for _ in range(64)]; raise RuntimeError('at last')"
    assert broken(tmp_path, load) == {"build evoformer_attn": "raised RuntimeError: at last"}


def test_nothing_is_built_where_it_was_not_meant_to_be(tmp_path: Path) -> None:
    found = broken(tmp_path, "raise AssertionError", elsewhere=True)
    place = f"{tmp_path}/other/evoformer_attn, not in {tmp_path}/root/evoformer_attn"
    assert found == {"find the cache": f"raised RuntimeError: PyTorch looks for it in {place}"}
