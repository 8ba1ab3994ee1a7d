"""The installed command among faults: the patient's packages."""

import os
from pathlib import Path

import pytest

from sick import (
    IMPORTED,
    MARK,
    TORCH,
    Env,
    check,
    patient,
    statuses,
    told,
)

INITS = {
    "segfaults": "import ctypes\nctypes.string_at(0)\n",
    "hangs": "import time\ntime.sleep(3600)\n",
    "raises OSError": "raise OSError('libcudart.so.13: cannot open shared object file: No such file or directory')\n",
    "prints rubbish": "import sys\nsys.stdout.buffer.write(b'\\xff\\x00\\x1b[2J{' * 1000)\nprint('sparkdoctor-interpreter:{')\n",
    "exits": "os._exit(9)\n",
}


@pytest.mark.parametrize(("init", "how"), [*((init, "--python") for init in INITS), ("segfaults", "VIRTUAL_ENV")])
def test_a_torch_that_cannot_be_imported_is_not_imported(env: Env, tmp_path: Path, init: str, how: str) -> None:
    patient(tmp_path / "venv", INITS[init])
    args = ("--python", f"{tmp_path}/venv/bin/python") if how == "--python" else ()
    document = check(env if args else env | {"VIRTUAL_ENV": f"{tmp_path}/venv"}, *args)
    assert document["machine"]["torch"] == TORCH
    assert document["python"]["path"] == f"{tmp_path}/venv/bin/python"
    assert statuses(document)["torch-lacks-kernels"] != "crashed"
    assert not (tmp_path / "imported").exists()


VERSIONS: dict[str, bytes | None] = {
    "missing": None,
    "empty": b"",
    "binary": bytes(range(256)) * 64,
    "a syntax error": b"__version__ = (\n",
    "long": b"__version__ = '" + b"9" * 1_000_000 + b"'\ncuda = '13.0'\n",
    "a version of nonsense": b"__version__ = '\xff\xfe not a version'\ncuda = 'nor this'\n",
}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_torch_version_file_of_nonsense(env: Env, tmp_path: Path, version: str) -> None:
    patient(tmp_path / "venv", version=VERSIONS[version])
    document = check(env, "--python", f"{tmp_path}/venv/bin/python")
    assert statuses(document)["torch-too-old"] != "ok" or version == "long"
    if version not in ("long", "a version of nonsense"):
        assert "version.py" in told(document)


@pytest.mark.parametrize("name", ["torch/version.py", "torch/lib/libtorch_python.so", "torch-2.11.0+cu130.dist-info/METADATA"])
@pytest.mark.parametrize("kind", ["fifo", "gone", "device"])
def test_a_torch_file_that_is_no_file(env: Env, tmp_path: Path, name: str, kind: str) -> None:
    path = patient(tmp_path / "venv") / name
    path.unlink()
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
    document = check(env, "--python", f"{tmp_path}/venv/bin/python")
    assert document["machine"]["torch"] == (None if "version" in name else TORCH)


def test_a_torch_library_that_has_no_end(env: Env, tmp_path: Path) -> None:
    with (patient(tmp_path / "venv") / "torch/lib/libtorch_python.so").open("ab") as library:
        library.truncate(1 << 40)
    check(env, "--python", f"{tmp_path}/venv/bin/python", seconds=1)


@pytest.mark.parametrize("init", ["segfaults", "raises OSError", "exits", "prints rubbish"])
def test_what_python_runs_at_its_start_is_not_run(env: Env, tmp_path: Path, init: str) -> None:
    site = patient(tmp_path / "venv")
    (site / "sitecustomize.py").write_text(MARK + INITS[init])
    (site / "usercustomize.py").write_text(MARK + INITS[init])
    (site / "trap.pth").write_text(f"import os; open(os.environ['{IMPORTED}'], 'a').close(); os._exit(9)\n")
    (site / "binary.pth").write_bytes(b"\xff\xfe\x00" * 100)
    (site / "__editable___trap_finder.py").write_text(MARK + "MAPPING = {'torch': ['no', 'path']}\n")
    document = check(env, "--python", f"{tmp_path}/venv/bin/python")
    assert document["machine"]["torch"] == TORCH
    assert not (tmp_path / "imported").exists()


def test_an_editable_finder_of_nonsense(env: Env, tmp_path: Path) -> None:
    site = patient(tmp_path / "venv")
    (site / "__editable__.torch.pth").write_text("import __editable___torch_finder; __editable___torch_finder.install()\n")
    (site / "__editable___torch_finder.py").write_text("MAPPING = {'torch': ['no', 'path'], 'triton': None}\n")
    check(env, "--python", f"{tmp_path}/venv/bin/python")


def test_modules_of_the_working_directory_are_not_taken_for_the_standard_library(env: Env, tmp_path: Path) -> None:
    for name in ("json", "os", "site", "sysconfig", "wire", "pynvml", "ctypes", "torch", "click", "selectors", "ast"):
        (tmp_path / f"{name}.py").write_text(MARK + "os._exit(9)\n")
    patient(tmp_path / "venv")
    document = check(env, "--python", f"{tmp_path}/venv/bin/python", cwd=tmp_path)
    assert document["machine"]["torch"] == TORCH
    assert not (tmp_path / "imported").exists()
