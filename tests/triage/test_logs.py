"""The corpus: every log of tests/logs has the root cause that stands beside it, and none that is innocent is accused.

Beside NAME.log is NAME.toml with `sources` (where the messages were printed or quoted) and, for logs that hold a trouble, `root`
(the signature of the root cause), its `line`, `held` (what is captured there) and `also` (the other findings, consequences or
not). `harmless` are findings that say so.
"""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from sparkdoctor.registry import Registry
from sparkdoctor.triage.finding import Log
from sparkdoctor.triage.reader import Reader

HERE = Path(__file__).parents[1] / "logs"
SIGNATURES = tuple(Registry.load(signatures=True).signatures.values())
POSITIVE, NEGATIVE = (sorted(path.stem for path in (HERE / kind).glob("*.log")) for kind in ("positive", "negative"))


def read(kind: str, name: str) -> tuple[Log, dict[str, Any]]:
    reader = Reader(SIGNATURES)
    reader.feed((HERE / kind / f"{name}.log").read_bytes())
    return reader.close(), tomllib.loads((HERE / kind / f"{name}.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", POSITIVE)
def test_a_log_of_trouble_has_its_root_cause(name: str) -> None:
    log, expected = read("positive", name)
    assert not log.problems
    ills = [finding.id for finding in log.ills]
    assert ills, "nothing was found"
    root = log.ills[0]
    assert root.id == expected["root"], ills
    assert root.cause is None
    assert root.number == expected["line"]
    assert {key: root.held.get(key) for key in expected.get("held", {})} == expected.get("held", {})
    assert sorted(set(ills[1:]) - {root.id}) == sorted(expected.get("also", []))
    assert sorted({finding.id for finding in log.findings} - set(ills)) == sorted(expected.get("harmless", []))


@pytest.mark.parametrize("name", NEGATIVE)
def test_an_innocent_log_is_not_accused(name: str) -> None:
    log, expected = read("negative", name)
    assert not log.problems
    assert [(finding.id, finding.quotes[0].text) for finding in log.ills] == []
    assert sorted(finding.id for finding in log.findings) == sorted(expected.get("harmless", []))


@pytest.mark.parametrize("kind", ["positive", "negative"])
def test_every_log_says_where_it_comes_from(kind: str) -> None:
    beside = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in (HERE / kind).glob("*.toml")}
    assert beside.keys() == {path.stem for path in (HERE / kind).glob("*.log")}
    assert [name for name, about in sorted(beside.items()) if not about.get("sources")] == []
