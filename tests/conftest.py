"""Fixtures for all tests. No test needs a GPU or the network, but for those marked `real` (network)."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from standins.hosts import Witness

STANDINS = Path(__file__).with_name("standins")

# Two shared cores: how long an example takes says nothing here.
settings.register_profile("sparkdoctor", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sparkdoctor")


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


@pytest.fixture
def witness(monkeypatch: pytest.MonkeyPatch) -> Iterator[Witness]:
    """Sees to it that no process started in the test outlives it."""
    watching = Witness()
    monkeypatch.setenv("SPARKDOCTOR_TEST_WITNESS", watching.token)
    yield watching
    assert watching.alive() == []
