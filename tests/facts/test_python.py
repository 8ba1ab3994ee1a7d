"""What facts make of texts: Python."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor.facts import (
    Python,
    python,
)
from sparkdoctor.model import Broken, Missing
from standins.hosts import Paper, machine_of
from texts import JSON, TEXT

SAID = {
    "executable": "/venv/bin/python",
    "version": "3.12.3",
    "implementation": "cpython",
    "prefix": "/venv",
    "include": "/usr/include/python3.12",
    "path": ["/venv/lib/python3.12/site-packages"],
    "modules": {"torch": {"origin": "/venv/lib/python3.12/site-packages/torch/__init__.py"}, "triton": None},
    "distributions": [["torch", "2.11.0+cu130", "/venv/lib/python3.12/site-packages/torch-2.11.0+cu130.dist-info"]],
}
MARK = "sparkdoctor-interpreter:"


@pytest.mark.parametrize("before", ["", "Loading modules...\n", "no newline\n", MARK + "{}\n"])
@pytest.mark.parametrize("after", ["", "goodbye\n"])
def test_the_marked_line_is_found_among_chatter(before: str, after: str) -> None:
    assert python.parse(f"{before}{MARK}{json.dumps(SAID)}\n{after}") == SAID


@given(st.one_of(TEXT, JSON.map(lambda data: MARK + json.dumps(data)), st.text().map(lambda rest: MARK + rest)))
def test_any_text_is_understood_or_not(text: str) -> None:
    said = python.parse(text)
    assert said is None or {"version", "include", "modules", "distributions"} <= set(said)


def interpreter(said: dict[str, Any], **files: str) -> Python | Missing:
    host = Paper(
        files,
        answers={
            "self": {"patient_python": "/venv/bin/python", "path": [], "executable": "/usr/bin/python3", "cwd": "/"},
            "script /venv/bin/python": {"code": 0, "stdout": MARK + json.dumps(said), "stderr": ""},
        },
    )
    return machine_of(host).get(Python)


def test_an_interpreter_as_it_describes_itself() -> None:
    found = interpreter(SAID, **{"/usr/include/python3.12/Python.h": ""})
    assert isinstance(found, Python)
    assert (found.path, found.why, found.version, found.headers) == ("/venv/bin/python", "--python", "3.12.3", True)
    assert found.modules["torch"] == "/venv/lib/python3.12/site-packages/torch/__init__.py"
    assert found.modules["triton"] == Missing("triton is not installed in /venv/bin/python")
    torch_found = found.distribution("pytorch", "torch")
    assert torch_found is not None
    assert torch_found.version == "2.11.0+cu130"
    without = interpreter(SAID)
    assert isinstance(without, Python)
    assert without.headers is False


@given(JSON, JSON, JSON)
def test_an_interpreter_that_says_anything_at_all(modules: Any, distributions: Any, version: Any) -> None:
    found = interpreter({**SAID, "modules": modules, "distributions": distributions, "version": version})
    assert isinstance(found, Python | Broken)


def test_a_distribution_has_many_spellings() -> None:
    found = interpreter({**SAID, "distributions": [["NVIDIA_ML.py", "13.6", "/a"], ["nvidia-ml-py", "12", "/b"], [1, 2], "x"]})
    assert isinstance(found, Python)
    assert dict(found.distributions) == {"nvidia-ml-py": python.Distribution("13.6", "/a")}


def test_an_interpreter_that_dies_is_broken() -> None:
    dead = {"code": -11, "stdout": "", "stderr": "Fatal Python error\n"}
    host = Paper(
        answers={"self": {"patient_python": "/p", "path": [], "executable": "/e", "cwd": "/"}, "script /p": dead},
    )
    assert machine_of(host).get(Python) == Broken("/p (--python) was killed by SIGSEGV: Fatal Python error")
