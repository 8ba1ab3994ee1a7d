"""All built-in signatures: each is told well, names checks that there are, and has a log in the corpus."""

import re
import tomllib
from pathlib import Path

import pytest

from sparkdoctor.registry import Registry
from sparkdoctor.signature import ANYTHING

REGISTRY = Registry.load(signatures=True)
NAMES = sorted(REGISTRY.signatures)
LOGS = [tomllib.loads(path.read_text(encoding="utf-8")) for path in (Path(__file__).parents[1] / "logs").glob("*/*.toml")]
KNOWN = {name for log in LOGS for name in (log.get("root"), *log.get("also", ()), *log.get("harmless", ()))}


@pytest.mark.parametrize("name", NAMES)
def test_it_is_told_well(name: str) -> None:
    signature = REGISTRY.signatures[name]
    doc = signature.function.__doc__ or ""
    assert doc.splitlines()[0].endswith(".")
    assert len(signature.title) <= 72
    assert len(signature.why) > 60
    assert signature.sources
    assert all(source.strip() for source in signature.sources)
    assert name == signature.function.__name__.replace("_", "-")
    assert signature.function.__module__.endswith(f".signatures.{signature.function.__name__}"), "one file each, of its name"


@pytest.mark.parametrize("name", NAMES)
def test_what_it_names_is_there(name: str) -> None:
    signature = REGISTRY.signatures[name]
    assert set(signature.checks) <= REGISTRY.checks.keys()
    assert set(signature.because) - {ANYTHING} <= REGISTRY.signatures.keys()
    assert len({wording.text for wording in signature.wordings}) == len(signature.wordings)
    code = Path(signature.function.__code__.co_filename).read_text(encoding="utf-8")
    for fix in re.findall(r"sparkdoctor fix ([a-z][a-z-]+)", code):
        assert fix in REGISTRY.fixes, fix


@pytest.mark.parametrize("name", NAMES)
def test_a_log_of_the_corpus_has_it(name: str) -> None:
    assert name in KNOWN
