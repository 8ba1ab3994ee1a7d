"""Fixtures for the smoke test: a stand-in for OpenFold3 in this interpreter."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sparkdoctor.smoke.run import Order

STANDIN = Path(__file__).parents[1] / "standins" / "openfold"

Behave = Callable[..., Order]


def heeding() -> None:
    """For a child: Ctrl-C counts, also where the tests themselves run in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def behave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Behave:
    """An order for a run that behaves as it is told; see standins/openfold/openfold3/run_openfold.py."""
    monkeypatch.setenv("PYTHONPATH", str(STANDIN))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    query = tmp_path / "query.json"
    query.write_text("{}")
    output = tmp_path / "out"

    def make(behaviour: str = "", tree: Path | None = None, says: str = "", **changes: object) -> Order:
        monkeypatch.setenv("STANDIN", behaviour)
        if tree:
            monkeypatch.setenv("STANDIN_TREE", str(tree))
        if says:
            monkeypatch.setenv("STANDIN_SAYS", says)
        return Order(sys.executable, str(output), str(query), seconds=20.0)._replace(**changes)  # type: ignore[arg-type]

    return make
