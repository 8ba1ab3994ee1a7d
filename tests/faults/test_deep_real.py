"""The installed command with a real PyTorch and Triton among faults."""

from pathlib import Path

import pytest

from sick import Env, deep, result, statuses
from standins.hosts import script

pytestmark = pytest.mark.real
CHECKS = ("torch-import-dies", "torch-cannot-compute", "triton-cannot-compile", "extension-cannot-build")


@pytest.fixture
def with_torch(env: Env, patient: Path, tmp_path: Path) -> Env:
    """The environment, with what stands for the patient's interpreter in its place."""
    # Not a link: Python would look for its environment beside that.
    script(tmp_path / "venv" / "bin" / "python", f'#!/bin/sh\nexec {patient}/python "$@"\n')
    (tmp_path / "bin" / "ninja").symlink_to(patient / "ninja")
    return env


def test_a_real_pytorch_does_its_work_and_writes_nothing(with_torch: Env, tmp_path: Path) -> None:
    document = deep(with_torch, tmp_path, *CHECKS, seconds=120)
    found = statuses(document)
    assert found["torch-import-dies"] == found["triton-cannot-compile"] == found["extension-cannot-build"] == "ok", document
    assert found["torch-cannot-compute"] in ("ok", "skipped")  # there need not be a GPU


def test_a_triton_whose_ptxas_never_ends(with_torch: Env, tmp_path: Path) -> None:
    slow = script(
        tmp_path / "ptxas",
        "#!/bin/sh\n[ $1 = --version ] && echo 'Cuda compilation tools, release 13.0, V13.0.88' && exit\nexec sleep 3600\n",
    )
    env = {**with_torch, "TRITON_PTXAS_BLACKWELL_PATH": str(slow)}
    found = result(deep(env, tmp_path, "triton-cannot-compile", seconds=20), "triton-cannot-compile")
    assert found["status"] == "failed"
    assert found["summary"].endswith("compile for sm_121 did not answer in time")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("[ $1 = --version ] && echo 1.13.0 && exit\nexec sleep 3600", "build an extension did not answer in time"),
        ("[ $1 = --version ] && echo 1.13.0 && exit\nsleep 3600 & echo 'fatal error: no' ; exit 1", "build an extension "),
        ("exit 1", "build an extension raised RuntimeError: Ninja is required to load C++ extensions"),
    ],
)
def test_a_ninja_that_does_not_do_its_work(with_torch: Env, tmp_path: Path, code: str, words: str) -> None:
    (tmp_path / "bin" / "ninja").unlink()
    script(tmp_path / "bin" / "ninja", f"#!/bin/sh\n{code}\n")
    found = result(deep(with_torch, tmp_path, "extension-cannot-build", seconds=20), "extension-cannot-build")
    assert found["status"] == "failed"
    assert found["summary"].startswith(words)
