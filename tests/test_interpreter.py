"""The patient's interpreter, as it describes itself: path, packages and editable installs, with nothing imported."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor import host
from sparkdoctor.facts.python import parse as parse_interpreter
from standins.hosts import ask, script


def interpreters() -> list[Path]:
    """Every Python from 3.9 on that pyenv keeps here, and ours."""
    kept = (Path.home() / ".pyenv" / "versions").glob("3.*/bin/python")
    known = {".".join(path.parents[1].name.split(".")[:2]): path for path in kept}
    known[f"{sys.version_info[0]}.{sys.version_info[1]}"] = Path(sys.executable)
    return [known[name] for name in sorted(known, key=lambda name: int(name.split(".")[1])) if int(name.split(".")[1]) >= 9]


BOMB = "import os\nos.abort()\n"


class Patient:
    """A copy of a virtual environment, its site-packages and a place for what lies outside of it."""

    def __init__(self, venv: Path, home: Path) -> None:
        shutil.copytree(venv, home / "venv", symlinks=True)
        self.python = home / "venv" / "bin" / "python"
        (self.site,) = (home / "venv" / "lib").glob("python*/site-packages")
        self.outside = home / "outside"
        self.outside.mkdir()

    def said(self, *names: str) -> dict[str, Any]:
        """What interpreter.py says of the modules."""
        answer = ask("script", str(self.python), "interpreter", *names)
        assert answer["code"] == 0, answer["stderr"]
        said = parse_interpreter(answer["stdout"])
        assert said is not None
        return said

    def origin(self, name: str) -> str | None:
        """Where the interpreter itself would import a module from, as it says in its own words."""
        code = f"import importlib.util as u; s = u.find_spec({name!r}); print(s.origin if s else None)"
        ran = subprocess.run([self.python, "-c", code], check=True, capture_output=True, text=True, cwd=self.outside)
        said = ran.stdout.strip()
        return None if said == "None" else os.path.realpath(said)


def package(place: Path, name: str, code: str = "") -> str:
    (place / name).mkdir(parents=True)
    (place / name / "__init__.py").write_text(code)
    return os.path.realpath(place / name / "__init__.py")


@pytest.fixture(scope="session", params=interpreters(), ids=lambda path: path.parents[1].name)
def venv(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once for all: that takes longer than most tests here."""
    place = tmp_path_factory.mktemp("empty") / "venv"
    subprocess.run([request.param, "-I", "-m", "venv", "--without-pip", "--symlinks", place], check=True)
    return place


@pytest.fixture
def patient(venv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Patient:
    for variable in ("PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH", "PYTHONNOUSERSITE"):
        monkeypatch.delenv(variable, raising=False)
    return Patient(venv, tmp_path)


def test_an_interpreter_tells_what_it_is(patient: Patient) -> None:
    said = patient.said("torch")
    assert said["executable"] == str(patient.python)
    assert said["prefix"] == str(patient.python.parents[1])
    assert said["version"].startswith("3.")
    assert said["implementation"] == "cpython"
    assert said["modules"] == {"torch": None}
    assert str(patient.site) in said["path"]
    assert str(host.PATIENT) not in said["path"]


@pytest.mark.parametrize(
    "code",
    [
        BOMB,
        "raise RuntimeError('at import')\n",
        "import ctypes\nctypes.string_at(0)\n",
        "import time\ntime.sleep(60)\n",
        "this is no Python\n",
        "print('loaded')\n",
    ],
)
def test_a_package_is_found_and_never_imported(patient: Patient, code: str) -> None:
    where = package(patient.site, "torch", code)
    said = patient.said("torch")
    assert said["modules"]["torch"] == {"origin": where}


def test_directories_in_pth_files_count_and_import_lines_do_not_run(patient: Patient, tmp_path: Path) -> None:
    where = package(patient.outside, "torch", BOMB)
    (patient.site / "a.pth").write_text("# a comment\nimport os; os.abort()\n\n")
    (patient.site / "b.pth").write_text(f"{patient.outside}\n{patient.outside}\n/nowhere/at/all\n")
    (patient.site / "c.pth").write_text("import sys;exec('raise SystemExit(3)')\nimport\tos; os._exit(4)\n")
    (patient.site / "d.pth").write_bytes(b"\xff\xfe\x00 no text\n")
    (patient.site / "sitecustomize.py").write_text(BOMB)
    (patient.site / "usercustomize.py").write_text(BOMB)
    said = patient.said("torch")
    assert said["modules"]["torch"] == {"origin": where}
    assert said["path"].count(str(patient.outside)) == 1


@pytest.mark.parametrize("line", ["import ;", "import , ;", "import\t;x", "import __editable__;", "import __editable___x_finder"])
def test_a_pth_line_that_makes_no_sense_does_no_harm(patient: Patient, line: str) -> None:
    (patient.site / "odd.pth").write_text(line + "\n")
    where = package(patient.site, "torch")
    assert patient.said("torch")["modules"]["torch"] == {"origin": where}


def test_relative_pth_lines_and_pythonpath_count(patient: Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = package(patient.site / "vendored", "torch", BOMB)
    package(patient.site, "triton", BOMB)
    first = package(tmp_path / "first", "triton", BOMB)
    (patient.site / "vendored.pth").write_text("vendored\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "first"))
    said = patient.said("torch", "triton")
    assert said["modules"] == {"torch": {"origin": torch}, "triton": {"origin": first}}
    assert (patient.origin("torch"), patient.origin("triton")) == (torch, first)


MAPPINGS = {
    # As setuptools 64 and 75 write it (setuptools/command/editable_wheel.py, _FINDER_TEMPLATE).
    "plain": "import sys\nMAPPING = {mapping!r}\nNAMESPACES = {{}}\n",
    "annotated": "from __future__ import annotations\nMAPPING: dict[str, str] = {mapping!r}\nNAMESPACES: dict[str, list[str]] = {{}}\n",
}


def editable(patient: Patient, mapping: dict[str, str], kind: str = "annotated", more: str = "") -> None:
    name = "__editable___torch_2_11_0_finder"
    (patient.site / "__editable__.torch-2.11.0.pth").write_text(f"import {name}; {name}.install()")
    (patient.site / f"{name}.py").write_text(MAPPINGS[kind].format(mapping=mapping) + more)


@pytest.mark.parametrize("kind", MAPPINGS)
def test_an_editable_install_is_found_by_its_table_and_its_finder_never_runs(patient: Patient, kind: str) -> None:
    where = package(patient.outside, "torch", BOMB)
    editable(patient, {"torch": str(patient.outside / "torch")}, kind, "import os\nos.abort()\n")
    said = patient.said("torch", "triton")
    assert said["modules"] == {"torch": {"origin": where}, "triton": None}


INSTALL = """
import sys
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location

class _EditableFinder:
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname in MAPPING:
            return spec_from_file_location(fullname, MAPPING[fullname] + "/__init__.py")

def install():
    sys.meta_path.append(_EditableFinder)
"""


@pytest.mark.parametrize("rival", ["package", "namespace"])
def test_what_lies_on_the_path_goes_before_an_editable_install(patient: Patient, rival: str) -> None:
    # setuptools appends its finder to sys.meta_path: the path finder is asked first.
    package(patient.outside / "src", "torch")
    editable(patient, {"torch": str(patient.outside / "src" / "torch")}, more=INSTALL)
    if rival == "package":
        where = package(patient.site, "torch")
        assert patient.origin("torch") == where
        assert patient.said("torch")["modules"]["torch"] == {"origin": where}
    else:
        (patient.site / "torch").mkdir()
        assert patient.origin("torch") is None
        assert patient.said("torch")["modules"]["torch"] == {"namespace": [str(patient.site / "torch")]}


@pytest.mark.parametrize("table", ["None", "7", "[1]", "{'torch': None}", "{1: 2}", "f()", "{", "{'torch': '/nowhere'}"])
def test_a_table_that_makes_no_sense_does_no_harm(patient: Patient, table: str) -> None:
    editable(patient, {})
    (patient.site / "__editable___torch_2_11_0_finder.py").write_text(f"MAPPING = {table}\n")
    where = package(patient.site, "triton")
    assert patient.said("torch", "triton")["modules"]["triton"] == {"origin": where}


def test_a_folder_without_code_is_no_package(patient: Patient) -> None:
    (patient.site / "torch").mkdir()
    assert patient.said("torch")["modules"]["torch"] == {"namespace": [str(patient.site / "torch")]}


def test_distributions_are_read_from_directory_names(patient: Patient) -> None:
    for name in ("torch-2.11.0+cu130.dist-info", "old-1.2-py3.9.egg-info", "developed.egg-info", "no_dist", "x.dist-info.bak"):
        (patient.site / name).mkdir()
    found = {(name, version) for name, version, path in patient.said()["distributions"] if path.startswith(str(patient.site))}
    assert found == {("torch", "2.11.0+cu130"), ("old", "1.2"), ("developed", "")}


def test_the_first_of_two_installations_comes_first(patient: Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (patient.site / "torch-2.11.0.dist-info").mkdir()
    (tmp_path / "first" / "torch-2.5.1.dist-info").mkdir(parents=True)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "first"))
    versions = [version for name, version, _ in patient.said()["distributions"] if name == "torch"]
    assert versions == ["2.5.1", "2.11.0"]


def test_a_broken_environment_is_told_by_its_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    answer = ask("script", sys.executable, "interpreter", "torch")
    assert answer["code"] != 0
    assert parse_interpreter(answer["stdout"]) is None


@pytest.mark.parametrize(
    "variable", ["PYTHONSAFEPATH", "PYTHONNOUSERSITE", "PYTHONDONTWRITEBYTECODE", "PYTHONOPTIMIZE", "PYTHONUTF8"]
)
def test_settings_of_the_interpreter_do_no_harm(patient: Patient, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    where = package(patient.site, "torch", BOMB)
    monkeypatch.setenv(variable, "1")
    said = patient.said("torch", "wire", "interpreter")
    # The directory of our own scripts is no part of the patient.
    assert said["modules"] == {"torch": {"origin": where}, "wire": None, "interpreter": None}


PLAIN_DATA = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(st.characters())
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=10,
)


def wire() -> Any:
    spec = importlib.util.spec_from_file_location("wire", Path(host.PATIENT) / "wire.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@given(PLAIN_DATA)
def test_what_the_scripts_write_is_json(data: Any) -> None:
    text = wire().dumps(data)
    assert json.loads(text) == data
    assert text.isascii()
    assert "\n" not in text


def test_numbers_that_json_has_not_are_null() -> None:
    assert wire().dumps([float("nan"), float("inf"), float("-inf"), (1, True)]) == "[null, null, null, [1, true]]"


def test_an_interpreter_that_chatters_is_still_understood(tmp_path: Path) -> None:
    chatty = script(tmp_path / "python", f'#!/bin/sh\necho Loading modules...\nprintf "no newline"\nexec {sys.executable} "$@"\n')
    said = parse_interpreter(ask("script", str(chatty), "interpreter", "json")["stdout"])
    assert said is not None
    assert said["modules"]["json"]["origin"].endswith("json/__init__.py")
