"""What could install packages here."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor.facts import Packages, Python
from sparkdoctor.facts.packages import has_lists
from sparkdoctor.facts.python import Distribution
from sparkdoctor.model import Missing
from standins.hosts import Elsewhere, machine_of


@pytest.mark.parametrize(
    ("names", "has"),
    [
        (("auxfiles", "lock", "partial"), False),
        (("deb.debian.org_debian_dists_bookworm_InRelease",), False),
        (("deb.debian.org_debian_dists_bookworm_main_binary-amd64_Packages.lz4",), True),
        (("ports.ubuntu.com_ubuntu-ports_dists_noble_main_binary-arm64_Packages",), True),
    ],
)
def test_lists(names: tuple[str, ...], has: bool) -> None:
    assert has_lists(names) is has


@given(st.lists(st.text()))
def test_no_name_makes_us_stumble(names: list[str]) -> None:
    assert has_lists(tuple(names)) in (True, False)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    (tmp_path / "lib").mkdir()
    (tmp_path / "pyvenv.cfg").touch()
    monkeypatch.setenv("PATH", f"/usr/bin:{tmp_path}/bin/")
    return tmp_path


def environment(place: Path, monkeypatch: pytest.MonkeyPatch, *, pip: bool = True) -> str | Missing:
    known = {"pip": Distribution("25.0", f"{place}/lib/pip-25.0.dist-info")} if pip else {}
    python = Python(f"{place}/bin/python", "", "3.12.3", "/usr/include/python3.12", True, {}, known)
    monkeypatch.setattr(Python, "probe", classmethod(lambda *_: python))
    found = machine_of(Elsewhere()).get(Packages)
    assert isinstance(found, Packages)
    return found.environment


def test_an_active_environment(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment(place, monkeypatch) == str(place)
    (place / "pyvenv.cfg").rename(place / "conda-meta")
    assert environment(place, monkeypatch) == str(place)


@pytest.mark.parametrize("what", ["no environment", "not on PATH", "no pip", "nothing to write to"])
def test_why_not(place: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    match what:
        case "no environment":
            (place / "pyvenv.cfg").unlink()
        case "not on PATH":
            monkeypatch.setenv("PATH", "/usr/bin")
        case "nothing to write to":
            (place / "lib").rmdir()
    found = environment(place, monkeypatch, pip=what != "no pip")
    assert isinstance(found, Missing)
    words = {"no environment": "virtual", "not on PATH": "PATH", "no pip": "no pip", "nothing to write to": "written"}
    assert words[what] in found.reason


def test_without_a_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Python, "probe", classmethod(lambda *_: Missing("none")))
    found = machine_of(Elsewhere()).get(Packages)
    assert isinstance(found, Packages)
    assert found.environment == Missing("none")
