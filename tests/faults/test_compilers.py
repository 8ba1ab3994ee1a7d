"""The installed command among faults: the compilers."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from sick import MARK, Env, check, patient, run, statuses, unusable
from standins.hosts import Witness, script

TOOLS = {
    "hangs": ("exec sleep 3600", 0.8),
    "segfaults": ("ulimit -c 0; kill -SEGV $$", 5),
    "talks noise": ("exec cat /dev/urandom", 5),
    "fails": ("exit 3", 5),
    "says nothing": ("exit 0", 5),
    "names a version of nonsense": ("echo 'release 99999999999999999999.99999999999999999999, V1.2.3'", 5),
    "plans nonsense": ("printf '#$ CICC_PATH=\\000\\377\\n#$ _HERE_=/dev/zero\\n-D__CUDACC_VER_MAJOR__=13' >&2", 5),
}


def tools(env: Env, tmp_path: Path, where: str) -> tuple[tuple[Path, ...], Env]:
    """Where an nvcc, a ptxas, a C and a C++ compiler are looked for, and the environment that says so."""
    site = patient(tmp_path / "venv")
    (site / "triton" / "backends" / "nvidia" / "bin").mkdir(parents=True)
    (site / "triton" / "__init__.py").write_text(MARK + "__version__ = '3.6.0'\n")
    (tmp_path / "cuda" / "bin").mkdir(parents=True)
    nvcc = {
        "PATH": tmp_path / "bin" / "nvcc",
        "CUDA_HOME": tmp_path / "cuda" / "bin" / "nvcc",
        "PYTORCH_NVCC": tmp_path / "nvcc",
    }[where]
    named = {"CUDA_HOME": {"CUDA_HOME": f"{tmp_path}/cuda"}, "PYTORCH_NVCC": {"PYTORCH_NVCC": str(nvcc)}}.get(where, {})
    ptxas, c, cxx = site / "triton/backends/nvidia/bin/ptxas-blackwell", tmp_path / "cc", tmp_path / "c++"
    return (nvcc, ptxas, c, cxx), env | named | {"VIRTUAL_ENV": f"{tmp_path}/venv", "CC": str(c), "CXX": str(cxx)}


@pytest.mark.parametrize("where", ["PATH", "PYTORCH_NVCC"])
@pytest.mark.parametrize("kind", TOOLS)
def test_compilers_that_are_sick(env: Env, tmp_path: Path, witness: Witness, where: str, kind: str) -> None:
    code, seconds = TOOLS[kind]
    paths, env = tools(env, tmp_path, where)
    for path in paths:
        script(path, f"#!/bin/sh\n{code}\n")
    document = check(env, seconds=seconds)
    found = statuses(document)
    assert found["disk-low"] != "crashed"
    if kind != "names a version of nonsense":
        assert "ok" not in (found["nvcc-lacks-architecture"], found["triton-ptxas-too-old"])
    assert not (tmp_path / "imported").exists()
    assert witness.alive() == []


@pytest.mark.parametrize("where", ["CUDA_HOME"])
@pytest.mark.parametrize("kind", ["missing", "not executable", "directory", "fifo", "garbage", "dangling", "lost interpreter"])
def test_compilers_that_cannot_be_started(env: Env, tmp_path: Path, where: str, kind: str) -> None:
    paths, env = tools(env, tmp_path, where)
    for path in paths:
        unusable(path, kind)
    found = statuses(check(env))
    assert found["triton-ptxas-too-old"] != "ok"
    assert found["nvcc-lacks-architecture"] != "ok"


VALUES = [
    "",
    " ",
    "/",
    "\x1b[2J\x1b]0;x\x07",
    "../..",
    "x" * 100_000,
    "-1",
    "9" * 400,
    "a b;c",
    "$(reboot)",
    "12.1+PTX;;sm_x;12.1f",
    "nan",
]
VARIABLES: tuple[str, ...] = (
    "CUDA_HOME",
    "TORCH_CUDA_ARCH_LIST",
    "MAX_JOBS",
    "TRITON_PTXAS_PATH",
    "TRITON_PTXAS_BLACKWELL_PATH",
    "NVCC_THREADS",
)
VARIABLES += ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "DS_NVCC_THREADS", "PYENV_VERSION", "VIRTUAL_ENV", "CONDA_PREFIX")


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_variables_of_nonsense(env: Env, tmp_path: Path, value: str) -> None:
    patient(tmp_path / "venv")
    check(env | dict.fromkeys(VARIABLES, value), "--python", f"{tmp_path}/venv/bin/python")


@pytest.mark.parametrize("form", ["terminal", "json", "junit", "markdown"])
def test_variables_that_are_no_text(env: Env, form: str) -> None:
    raw = {name.encode(): value.encode() for name, value in env.items()}
    raw |= {name.encode(): b"/\xff\xfe\xed\xa0\x80\x1b[31m" for name in VARIABLES}
    ended = run(raw, "check", "--format", form, "--timeout", "5")
    ended.out.decode("utf-8")
    if form == "json":
        assert ended.document["results"]
    if form == "junit":
        assert ET.fromstring(ended.out).find("testsuite") is not None
