"""The environment that the faults are arranged in."""

from pathlib import Path

import pytest

from sick import IMPORTED, Env
from standins.hosts import Witness


@pytest.fixture
def env(tmp_path: Path, witness: Witness) -> Env:
    """A small environment of our own: an empty home, a PATH that begins with an empty directory."""
    (tmp_path / "home").mkdir()
    (tmp_path / "bin").mkdir()
    return {
        "PATH": f"{tmp_path}/bin:/usr/bin:/bin",
        "HOME": f"{tmp_path}/home",
        "LANG": "C.UTF-8",
        "SPARKDOCTOR_TEST_WITNESS": witness.token,
        IMPORTED: f"{tmp_path}/imported",
    }
