"""Fixtures for all tests. No test needs a GPU or the network, but for those marked `real` or `older` (network)."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import containers as real_containers
from containers import Containers
from lab import Lab, built
from standins.hosts import Witness, script

STANDINS = Path(__file__).with_name("standins")

# Two shared cores: how long an example takes says nothing here.
settings.register_profile("sparkdoctor", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sparkdoctor")


@pytest.fixture(scope="session", autouse=True)
def power() -> Iterator[None]:
    """The power stays on: an fsync in this process, of 1 to 20 ms, changes nothing that a test can see. Commands do theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="session")
def compiler() -> str:
    """The system's C compiler."""
    found = shutil.which("cc") or shutil.which("gcc")
    if found is None:
        pytest.skip("there is no C compiler (cc, gcc) to build the stand-in for NVML with")
    return found


def _build(compiler: str, directory: Path, *flags: str) -> Path:
    """A directory with libnvidia-ml.so.1 in it, named and linked as a driver's package does."""
    real = directory / "libnvidia-ml.so.580.95.05"
    command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-Wl,-soname,libnvidia-ml.so.1", *flags]
    subprocess.run([*command, "-o", str(real), str(STANDINS / "nvml.c")], check=True)
    (directory / "libnvidia-ml.so.1").symlink_to(real.name)
    return directory


@pytest.fixture(scope="session")
def nvml_library(compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a libnvidia-ml.so.1 that answers as $FAKE_NVML says; see standins/nvml.c."""
    return _build(compiler, tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="session")
def old_nvml_library(compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without the functions that came with later drivers."""
    return _build(compiler, tmp_path_factory.mktemp("nvml-old"), "-DOLD")


PATIENT = (
    "torch==2.13.0 triton==3.7.1 ninja setuptools wheel numpy packaging psutil py-cpuinfo pydantic einops hjson msgpack tqdm"
)
"""A PyTorch with its Triton, and what DeepSpeed imports and is built with."""


@pytest.fixture(scope="session")
def patient(pytestconfig: pytest.Config) -> Path:
    """The bin directory of an environment with PATIENT, for tests marked `real`: kept in pytest's cache."""
    assert pytestconfig.cache is not None
    if not Path(sysconfig.get_path("include"), "Python.h").is_file() or shutil.which("c++") is None:
        pytest.skip("no Python.h or no C++ compiler")
    place = Path(pytestconfig.cache.mkdir("sparkdoctor-patient")) / "{}.{}".format(*sys.version_info)
    if not (place / "done").exists():
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        command = [str(place / "bin" / "pip"), "install", "--quiet", *PATIENT.split()]
        ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=1200)
        if ran.returncode:
            pytest.skip(f"pip cannot install {PATIENT}: {ran.stderr.strip().splitlines()[-1:]}")
        (place / "done").touch()
    return place / "bin"


@pytest.fixture(scope="session")
def openfold3(pytestconfig: pytest.Config, patient: Path) -> Callable[[str], Path]:
    """Makes the bin directory of an environment with an OpenFold3, once: kept in pytest's cache. PyTorch is that of `patient`."""
    assert pytestconfig.cache is not None
    cache = pytestconfig.cache

    def make(version: str) -> Path:
        place = Path(cache.mkdir(f"sparkdoctor-openfold3-{version}")) / "{}.{}".format(*sys.version_info)
        if not (place / "done").exists():
            shutil.rmtree(place, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
            (ours,) = place.glob("lib/python*/site-packages")
            (theirs,) = patient.parent.glob("lib/python*/site-packages")
            for path in (*theirs.glob("torch*"), *theirs.glob("functorch*")):
                (ours / path.name).symlink_to(path)
            command = [str(place / "bin" / "pip"), "install", "--quiet", f"openfold3=={version}"]
            ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=1200)
            if ran.returncode:
                pytest.skip(f"pip cannot install openfold3=={version}: {ran.stderr.strip().splitlines()[-1:]}")
            (place / "done").touch()
        return place / "bin"

    return make


@pytest.fixture(scope="session")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    """Runs commands in real containers that have the project; see containers.py."""
    yield from real_containers.made(tmp_path_factory.mktemp("containers"))


@pytest.fixture
def witness(monkeypatch: pytest.MonkeyPatch) -> Iterator[Witness]:
    """Sees to it that no process started in the test outlives it."""
    watching = Witness()
    monkeypatch.setenv("SPARKDOCTOR_TEST_WITNESS", watching.token)
    yield watching
    assert watching.alive() == []


@pytest.fixture(scope="session")
def library(compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(compiler, tmp_path_factory.mktemp("library") / "op.so", "int op;\n")


@pytest.fixture
def lab(tmp_path: Path, library: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    for name in ("XDG_CACHE_HOME", "TRITON_CACHE_DIR", "TRITON_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SPARKDOCTOR_PYTHON", "/lab/python")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "root"))
    # A ninja that is content, and that writes as badly as one could where it is sent to.
    ninja = 'case "$*" in --version) echo 1.99; exit;; esac\necho x > "$2/.ninja_log"; rm -f "$2/.ninja_deps"\n'
    script(tmp_path / "bin" / "ninja", f"#!/bin/sh\n{ninja}echo 'ninja: no work to do.'\n")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    (tmp_path / "lab").mkdir()
    return Lab(tmp_path, library)
