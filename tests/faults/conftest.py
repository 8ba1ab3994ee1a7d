"""The environment that the faults are arranged in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sick import IMPORTED, Env, alive, hidden
from standins.hosts import Witness


@pytest.fixture
def env(tmp_path: Path, witness: Witness) -> Iterator[Env]:
    """A small environment of our own: an empty home, a PATH that begins with an empty directory.

    No process outlives a test, not even one that hides.
    """
    (tmp_path / "home").mkdir()
    (tmp_path / "bin").mkdir()
    yield {
        "PATH": f"{tmp_path}/bin:/usr/bin:/bin",
        "HOME": f"{tmp_path}/home",
        "LANG": "C.UTF-8",
        "SPARKDOCTOR_TEST_WITNESS": witness.token,
        IMPORTED: f"{tmp_path}/imported",
    }
    assert [pid for pid in hidden(tmp_path) if alive(pid)] == []
