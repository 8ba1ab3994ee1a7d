"""What is built of this source tree: the wheel by way of the sdist, and that it works where it is installed."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sparkdoctor import __version__, profiles
from sparkdoctor.registry import SIGNATURES, Registry

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
CHECKS = ROOT / "checks" / "sparkdoctor_checks"
FIXES = ROOT / "fixes" / "sparkdoctor_fixes"
NOBODY = 65534
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")
OFFLINE = ("--no-deps", "--no-build-isolation", "--no-index", "-q")


def sources(*roots: str) -> set[str]:
    """Files of the import packages, as they are named in a wheel."""
    found = set()
    for root in roots:
        for path in (ROOT / root).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                found.add(str(path.relative_to((ROOT / root).parent)))
    return found


EXPECTED = sources("src/sparkdoctor", "checks/sparkdoctor_checks", "fixes/sparkdoctor_fixes")


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A directory that other users can read, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="sparkdoctor-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def sdist(place: Path) -> Path:
    """The source distribution, made by the build backend."""
    if importlib.util.find_spec("hatchling") is None or importlib.util.find_spec("pip") is None:
        pytest.skip("hatchling or pip is not installed here")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", place / "sdist"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (path,) = (place / "sdist").iterdir()
    return path


@pytest.fixture(scope="module")
def wheel(place: Path, sdist: Path) -> Path:
    """The wheel that is built of the sdist, as everybody does who has only that."""
    subprocess.run([*PIP, "wheel", *OFFLINE, "-w", place / "wheel", sdist], check=True, capture_output=True)
    (path,) = (place / "wheel").iterdir()
    return path


@pytest.fixture(scope="module")
def installed(place: Path, wheel: Path) -> Path:
    subprocess.run([*PIP, "install", *OFFLINE, "--target", place / "installed", wheel], check=True, capture_output=True)
    return place / "installed"


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def metadata(wheel: Path, name: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(f"sparkdoctor-{__version__}.dist-info/{name}").decode()


# --- the source tree


def test_versions_agree() -> None:
    assert PROJECT["project"]["version"] == __version__
    log = ROOT / "CHANGELOG.md"
    if log.exists():
        assert re.findall(r"^#+ \[?v?(\d+\.\d+\.\d+)", log.read_text(), re.MULTILINE)[:1] == [__version__]


def test_the_extra_stack_is_what_the_profile_calls_fresh() -> None:
    profile = profiles.load("dgx-spark")
    fresh = {name: str(getattr(profile, name).fresh) for name in ("torch", "triton", "deepspeed")}
    stack = {
        re.split(r"[^\w-]", line)[0]: line.lstrip("abcdefghijklmnopqrstuvwxyz")
        for line in PROJECT["project"]["optional-dependencies"]["stack"]
    }
    assert stack == fresh


def test_no_patient_is_required() -> None:
    required = {re.split(r"[^\w-]", line)[0] for line in PROJECT["project"]["dependencies"]}
    assert not required & {"torch", "triton", "deepspeed", "openfold3", "numpy"}


SHARED = {"refusals", "renewal"}
"""Modules that several signatures share."""


def test_one_check_fix_or_signature_a_file() -> None:
    every = [path for path in CHECKS.rglob("*.py") if path.name != "__init__.py"]
    files = [path for path in every if path.parent.name != SIGNATURES]
    registry = Registry.load(signatures=True)
    ours = {name for name, owner in registry.owners.items() if owner.distribution == "sparkdoctor"}
    assert {(check.layer, name) for name, check in registry.checks.items() if name in ours} == {
        (path.parent.name, path.stem.replace("_", "-")) for path in files
    }
    fixes = {path.stem.replace("_", "-") for path in FIXES.rglob("*.py") if path.name != "__init__.py"}
    assert registry.fixes.keys() & ours == fixes
    signatures = {path.stem.replace("_", "-") for path in every if path.parent.name == SIGNATURES and path.stem not in SHARED}
    assert registry.signatures.keys() & ours == signatures
    assert registry.problems == []


# --- the sdist


def test_the_sdist_has_the_sources_and_no_litter(sdist: Path) -> None:
    assert sdist.name == f"sparkdoctor-{__version__}.tar.gz"
    with tarfile.open(sdist) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"pyproject.toml", "README.md", "LICENSE", "tests/test_packaging.py", "tests/standins/nvml.c"}
    wanted |= {
        f"{root}/{name}"
        for root, top in (("src", "sparkdoctor"), ("checks", "sparkdoctor_checks"), ("fixes", "sparkdoctor_fixes"))
        for name in sources(f"{root}/{top}")
    }
    wanted |= {f"container/{path.relative_to(ROOT / 'container')}" for path in (ROOT / "container").rglob("*") if path.is_file()}
    assert wanted <= found
    litter = re.compile(r"(^|/)(\.git/|\.ci/|__pycache__|\.hypothesis|\.venv|\.\w+_cache|dist/|build/)|\.pyc$")
    assert not [name for name in found if litter.search(name)]
    assert sdist.stat().st_size < 5 << 20


# --- the wheel


def test_the_wheel_has_every_source_file_and_nothing_else(wheel: Path) -> None:
    assert wheel.name == f"sparkdoctor-{__version__}-py3-none-any.whl"
    found = {name for name in names(wheel) if ".dist-info/" not in name}
    assert found == EXPECTED
    for name in (
        "sparkdoctor/py.typed",
        "sparkdoctor_checks/py.typed",
        "sparkdoctor/profiles/dgx-spark.toml",
        "sparkdoctor/patient/nvml.py",
    ):
        assert name in found
    modules = [
        name
        for name in found
        if name.startswith("sparkdoctor_checks/") and name.endswith(".py") and not name.endswith("__init__.py")
    ]
    registry = Registry.load(signatures=True)
    assert len(modules) == len(registry.checks) + len(registry.signatures) + len(SHARED)
    assert wheel.stat().st_size < 1 << 20


def test_the_wheel_of_the_tree_is_the_wheel_of_the_sdist(place: Path, wheel: Path) -> None:
    subprocess.run([*PIP, "wheel", *OFFLINE, "-w", place / "direct", ROOT], check=True, capture_output=True)
    (direct,) = (place / "direct").iterdir()
    assert names(direct) == names(wheel)


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    assert metadata(wheel, "entry_points.txt").split() == [
        *("[console_scripts]", "sparkdoctor", "=", "sparkdoctor.cli:main"),
        *("[sparkdoctor.plugins]", "checks", "=", "sparkdoctor_checks", "fixes", "=", "sparkdoctor_fixes"),
    ]
    text = metadata(wheel, "METADATA")
    head = text.partition("\n\n")[0].splitlines()
    assert f"Version: {__version__}" in head
    assert "License-Expression: Apache-2.0" in head
    assert "Requires-Python: >=3.11" in head
    assert {
        line.removeprefix("Requires-Dist: ") for line in head if line.startswith("Requires-Dist:") and "extra ==" not in line
    } == set(PROJECT["project"]["dependencies"])
    assert "Root-Is-Purelib: true" in metadata(wheel, "WHEEL")
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read(f"sparkdoctor-{__version__}.dist-info/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()


# --- installed


def elsewhere(installed: Path) -> dict[str, str]:
    """The wheel first, our dependencies behind it, and nothing of the source tree."""
    behind = [path for path in sys.path if path.endswith("site-packages")]
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/nonexistent",
        "PYTHONPATH": os.pathsep.join([str(installed), *behind]),
    }


def somebody(env: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """An interpreter, and how to start it as a user who is not root."""
    if os.getuid() != 0:
        return sys.executable, {}
    options: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        try:
            ended = subprocess.run(
                [python, "-B", "-m", "sparkdoctor", "--version"], env=env, cwd="/", capture_output=True, check=False, **options
            )
        except OSError:
            continue
        if ended.returncode == 0:
            return python, options
    pytest.skip("no Python that another user can run has what sparkdoctor needs")


def test_the_installed_wheel_finds_all_checks_elsewhere_and_as_another_user(installed: Path, place: Path) -> None:
    env = elsewhere(installed)
    python, options = somebody(env)
    work = place / "work"
    work.mkdir()
    where = [
        python,
        "-B",
        "-c",
        "import sparkdoctor, sparkdoctor_checks; print(sparkdoctor.__file__); print(sparkdoctor_checks.__file__)",
    ]
    said = subprocess.run(where, env=env, cwd=work, capture_output=True, text=True, check=True, **options).stdout
    assert [line.startswith(f"{installed}/") for line in said.split()] == [True, True]
    listed = subprocess.run(
        [python, "-B", "-m", "sparkdoctor", "list"], env=env, cwd=work, capture_output=True, text=True, check=True, **options
    )
    assert sorted(re.findall(r"^  (\S+) ", listed.stdout, re.MULTILINE)) == sorted(Registry.load(signatures=True).owners)
    assert listed.stderr == ""
    command = [python, "-B", "-m", "sparkdoctor", "check", "--format", "json"]
    checked = subprocess.run(command, env=env, cwd=work, capture_output=True, text=True, check=False, **options)
    assert checked.returncode in {0, 1}
    assert "cannot be imported" not in checked.stdout
    assert checked.stderr == ""
    assert list(work.iterdir()) == []


def test_the_installed_command_is_the_one_of_the_entry_point(installed: Path) -> None:
    script = installed / "bin" / "sparkdoctor"
    assert "sparkdoctor.cli" in script.read_text()
    ended = subprocess.run([script, "--version"], env=elsewhere(installed), cwd="/", capture_output=True, text=True, check=True)
    assert ended.stdout.split()[-1] == __version__
