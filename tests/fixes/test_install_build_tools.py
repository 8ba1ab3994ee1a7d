"""What compiling needs, installed: on facts made by hand; `real` with a real pip."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from by_hand import but, course, judge
from crashing import treat, undo_all
from remedies import answer, planned, refused
from sparkdoctor.architecture import Capability
from sparkdoctor.facts import BuildFiles, Compilers, DeepspeedBuilder, Extensions, Ninja, Packages, Python
from sparkdoctor.model import Broken, Missing, Status
from sparkdoctor.plan import NotNeeded, Run
from standins.hosts import Elsewhere, machine_of

FIX = "install-build-tools"
NO_HEADERS = but(Python, headers=False)
NO_COMPILERS = Compilers(Missing("PATH has no gcc and no clang"), Missing("PATH has no c++"))
NO_NINJA = Ninja(Missing("PATH has no ninja"), "", None)
NO_AIO = BuildFiles(dict.fromkeys(("libaio.h", "libaio.so")), {})
NOWHERE = Missing("/usr/bin/python3 is not in a virtual environment")
INSTALL = ("/usr/bin/apt-get", "install", "-y", "--no-install-recommends")


def packages(**changes: Any) -> Packages:
    return Packages(**{"apt": "/usr/bin/apt-get", "listed": True, "uid": 0, "environment": NOWHERE, **changes})


def runs(*facts: Any) -> list[tuple[str, ...]]:
    return [step.argv for step in planned(answer(FIX, *facts)).steps if isinstance(step, Run)]


def test_nothing_is_missing() -> None:
    assert isinstance(answer(FIX), NotNeeded)


@pytest.mark.parametrize(
    ("lacks", "names"),
    [
        ((NO_HEADERS,), ("python3.12-dev",)),
        ((NO_COMPILERS,), ("build-essential",)),
        ((NO_NINJA,), ("ninja-build",)),
        ((NO_AIO,), ("libaio-dev",)),
        ((NO_HEADERS, NO_COMPILERS, NO_NINJA, NO_AIO), ("python3.12-dev", "build-essential", "ninja-build", "libaio-dev")),
    ],
)
def test_what_is_missing_and_nothing_else(lacks: tuple[Any, ...], names: tuple[str, ...]) -> None:
    (step,) = planned(answer(FIX, *lacks, packages())).steps
    assert isinstance(step, Run)
    assert step.argv == (*INSTALL, *names)
    assert step.undo == ("/usr/bin/dpkg", "--remove", *names)
    assert step.env == (("DEBIAN_FRONTEND", "noninteractive"),)


def test_lists_are_fetched_where_there_are_none() -> None:
    assert runs(NO_AIO, packages(listed=False)) == [("/usr/bin/apt-get", "update"), (*INSTALL, "libaio-dev")]


def test_ninja_goes_into_an_active_environment() -> None:
    (step,) = planned(answer(FIX, NO_NINJA, packages(environment="/venv", uid=1000, apt=None))).steps
    pip = ("/venv/bin/python", "-m", "pip")
    assert isinstance(step, Run)
    assert (step.argv, step.undo) == ((*pip, "install", "ninja"), (*pip, "uninstall", "-y", "ninja"))
    assert len(runs(NO_NINJA, NO_AIO, packages(environment="/venv"))) == 2


def test_who_is_not_root_is_told_all_of_it() -> None:
    found = refused(answer(FIX, NO_NINJA, NO_AIO, packages(uid=1000, listed=False, environment="/venv")))
    assert found.command == (
        "sudo apt-get update && sudo apt-get install -y --no-install-recommends libaio-dev"
        " && /venv/bin/python -m pip install ninja"
    )
    assert "libaio: missing, and only root" in found.reason


def test_without_apt() -> None:
    found = refused(answer(FIX, NO_HEADERS, NO_COMPILERS, packages(apt=None)))
    assert "headers of Python 3.12, a C compiler and a C++ compiler: missing" in found.reason
    assert found.command is None


@pytest.mark.parametrize(
    "include",
    ["/root/.local/share/uv/python/cpython-3.12/include/python3.12", "/opt/conda/include/python3.12", "/usr/include/python3.13t"],
)
def test_headers_of_a_python_that_is_not_the_system_s(include: str) -> None:
    found = refused(answer(FIX, but(Python, headers=False, include=include), packages()))
    assert include in found.reason
    both = refused(answer(FIX, but(Python, headers=False, include=include), NO_AIO, packages()))
    assert both.command == "apt-get install -y --no-install-recommends libaio-dev"


def test_a_compiler_that_is_there_and_does_not_run() -> None:
    named = Compilers(Missing("$CC is /x/gcc: /x/gcc does not exist"), "c++ 13")
    assert refused(answer(FIX, named)).command == "unset CC"
    broken = Compilers(Broken("/usr/bin/gcc --version was killed by SIGILL"), "c++ 13")
    assert "SIGILL" in refused(answer(FIX, broken)).reason
    assert runs(Compilers(Missing("PATH has no gcc and no clang"), "c++ 13"), packages()) == [(*INSTALL, "build-essential")]


def test_a_ninja_that_is_not_on_the_path_or_does_not_run() -> None:
    aside = Ninja(Missing("PATH has no ninja"), "", "/my venv/bin/ninja")
    assert refused(answer(FIX, aside)).command == "export PATH='/my venv/bin':$PATH"
    dead = Ninja(Broken("/usr/bin/ninja --version was killed by SIGILL: no words"), "", None)
    assert "SIGILL" in refused(answer(FIX, dead)).reason


def test_what_nobody_needs_is_not_installed() -> None:
    plain, none = but(Python, distributions={}), but(Extensions, found=())
    assert isinstance(answer(FIX, NO_NINJA, plain, none), NotNeeded)
    assert runs(NO_NINJA, none, packages())  # DeepSpeed
    assert runs(NO_NINJA, plain, packages())  # an extension
    assert isinstance(answer(FIX, NO_AIO, deepspeed=Missing("not installed")), NotNeeded)
    links = DeepspeedBuilder(
        Capability(12, 1), course(("AsyncIOBuilder.is_compatible", {"compatible": True})), None, None, {}, {}
    )
    assert links.aio
    assert isinstance(answer(FIX, NO_AIO, links), NotNeeded)
    absent = {name: Missing("x") for name in ("python", "compilers", "ninja", "torch", "extensions", "deepspeed", "files")}
    assert isinstance(answer(FIX, **absent), NotNeeded)


def test_every_lack_is_one_that_a_check_names() -> None:
    for check, lack in (
        ("python-headers-missing", NO_HEADERS),
        ("compiler-missing", NO_COMPILERS),
        ("ninja-missing", NO_NINJA),
        ("libaio-missing", NO_AIO),
    ):
        assert judge(check, lack).status in (Status.FAILED, Status.WARNING)
        planned(answer(FIX, lack, packages()))
        assert judge(check).status is Status.OK


@pytest.mark.real
def test_a_real_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    monkeypatch.setenv("SPARKDOCTOR_PYTHON", f"{venv}/bin/python")
    monkeypatch.setenv("PATH", f"{venv}/bin")
    machine = machine_of(Elsewhere())
    found = machine.get(Packages)
    assert isinstance(found, Packages)
    assert found.environment == str(venv)
    ninja, python = machine.get(Ninja), machine.get(Python)
    assert isinstance(ninja, Ninja)
    assert isinstance(ninja.path, Missing)
    assert isinstance(python, Python)
    plan = planned(answer(FIX, ninja, but(Python, path=python.path), found))
    treat(tmp_path / "state", plan.steps)
    after = machine_of(Elsewhere()).get(Ninja)
    assert isinstance(after, Ninja)
    assert after.path == f"{venv}/bin/ninja"
    assert undo_all(tmp_path / "state") == []
    assert not (venv / "bin" / "ninja").exists()
