"""What facts make of texts: whose Python?."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor.facts import (
    python,
)
from sparkdoctor.model import Missing
from standins.hosts import Paper, machine_of
from texts import TEXT

OWN = {"patient_python": None, "path": ["/own/site"], "executable": "/own/bin/python", "cwd": "/home/me/work"}


@pytest.mark.parametrize(
    ("host", "path", "why"),
    [
        (
            Paper(answers={"self": {**OWN, "patient_python": "/asked"}}, env={"SPARKDOCTOR_PYTHON": "/named"}),
            "/asked",
            "--python",
        ),
        (
            Paper(answers={"self": OWN}, env={"SPARKDOCTOR_PYTHON": "/named", "VIRTUAL_ENV": "/v"}),
            "/named",
            "$SPARKDOCTOR_PYTHON",
        ),
        (
            Paper(
                {"/v/bin/python": "", "/c/bin/python": ""}, answers={"self": OWN}, env={"VIRTUAL_ENV": "/v", "CONDA_PREFIX": "/c"}
            ),
            "/v/bin/python",
            "the active virtual environment",
        ),
        (
            Paper({"/c/bin/python": ""}, answers={"self": OWN}, env={"VIRTUAL_ENV": "/gone", "CONDA_PREFIX": "/c"}),
            "/c/bin/python",
            "the active conda environment",
        ),
        (
            Paper({"/own/site/torch/__init__.py": ""}, answers={"self": OWN}, which={"python3": "/usr/bin/python3"}),
            "/own/bin/python",
            "sparkdoctor's own interpreter, which has torch",
        ),
        (Paper(answers={"self": OWN}, which={"python3": "/usr/bin/python3"}), "/usr/bin/python3", "python3 on PATH"),
        (Paper(answers={"self": OWN}), "/own/bin/python", "sparkdoctor's own interpreter: there is no python3 on PATH"),
    ],
)
def test_whose_python(host: Paper, path: str, why: str) -> None:
    assert python.choose(machine_of(host)) == python.Choice(path, why)


def test_no_python_at_all_is_missing() -> None:
    assert isinstance(python.choose(machine_of(Paper(answers={"self": {**OWN, "executable": ""}}))), Missing)


PYENV = "/home/me/.pyenv"
KEPT = {f"{PYENV}/versions/{version}/bin/python3": "" for version in ("3.12.1", "3.11.7", "3.10.13")}
SHIM = f"{PYENV}/shims/python3"


@pytest.mark.parametrize(
    ("files", "env", "version"),
    [
        ({f"{PYENV}/version": "3.12.1\n"}, {}, "3.12.1"),
        ({f"{PYENV}/version": "3.12.1\n", "/home/me/.python-version": "3.11.7\n"}, {}, "3.11.7"),
        ({"/home/me/work/.python-version": "3.10.13\n", "/home/me/.python-version": "3.11.7\n"}, {}, "3.10.13"),
        ({"/.python-version": "3.10.13\n", f"{PYENV}/version": "3.12.1\n"}, {}, "3.10.13"),
        ({"/home/me/.python-version": "3.11.7\n"}, {"PYENV_VERSION": "3.12.1"}, "3.12.1"),
        ({}, {"PYENV_VERSION": "3.9.9:3.11.7"}, "3.11.7"),
        ({f"{PYENV}/version": "3.9.9\n3.10.13\n"}, {}, "3.10.13"),
        # pyenv would go on to the system's Python: the shim itself knows best.
        ({f"{PYENV}/version": "system\n"}, {}, None),
        ({f"{PYENV}/version": "3.99\n"}, {}, None),
        ({f"{PYENV}/version": ""}, {}, None),
        ({}, {}, None),
    ],
)
def test_the_interpreter_behind_a_shim(files: dict[str, str], env: dict[str, str], version: str | None) -> None:
    machine = machine_of(Paper({**KEPT, **files}, env=env))
    expected = f"{PYENV}/versions/{version}/bin/python3" if version else SHIM
    assert python.behind_shim(machine, SHIM, "/home/me/work") == expected


@pytest.mark.parametrize("path", ["/usr/bin/python3", "/opt/shims/python3", "/home/me/.asdf/shims/python3", "python3"])
def test_what_is_no_shim_of_pyenv_is_left_alone(path: str) -> None:
    assert python.behind_shim(machine_of(Paper(KEPT, env={"PYENV_VERSION": "3.12.1"})), path, "/") == path


@given(st.text("/ab.", max_size=12), TEXT)
def test_a_shim_anywhere(cwd: str, text: str) -> None:
    machine = machine_of(Paper({**KEPT, f"{PYENV}/version": text, f"{cwd}/.python-version": text}))
    assert python.behind_shim(machine, SHIM, cwd) in {SHIM, *KEPT}
