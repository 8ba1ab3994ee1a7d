"""What preflight understands and says: durations, the reasons left for Kubernetes, the environment that it was given."""

import os
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor.cli import preflight
from sparkdoctor.model import Report, Result, fail, skip, warn


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("0", 0), ("30s", 30), ("5m", 300), ("1h30m", 5400), ("1.5m", 90), ("2h", 7200), ("1h1m1s", 3661), ("0.5", 0.5)],
)
def test_a_duration(text: str, seconds: float) -> None:
    assert preflight.duration(text) == seconds


@pytest.mark.parametrize("text", ["", " ", "5x", "-1", "m", "1m1h", "1 m", "nan", "inf", "1e3", "1..5m", "٣", "9999999", "1m\n"])
def test_no_duration(text: str) -> None:
    with pytest.raises(click.ClickException, match=r"a duration is due: 90 \(seconds\), 30s, 1.5m, 1h30m"):
        preflight.duration(text)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_hours_minutes_and_seconds(hours: int, minutes: int, seconds: int) -> None:
    assert preflight.duration(f"{hours}h{minutes}m{seconds}s") == 3600 * hours + 60 * minutes + seconds


@given(st.text(max_size=9000), st.integers(80, 5000))
def test_what_is_cut(text: str, limit: int) -> None:
    kept = preflight.cut(text, limit)
    assert len(kept) <= limit
    shown = kept.decode()
    whole = text.encode("utf-8", "backslashreplace")
    assert kept == whole if len(whole) <= limit else shown.endswith(("see the container's log\n", "…\n"))


def test_a_cut_is_made_at_a_line_and_said() -> None:
    kept = preflight.cut("".join(f"line {number} …\n" for number in range(1000))).decode().splitlines()
    assert kept[:-1] == [f"line {number} …" for number in range(len(kept) - 1)]
    assert kept[-1] == f"… {1000 - len(kept) + 1} more lines: see the container's log"


def report(*results: Result) -> Report:
    machine = dict.fromkeys(("name", "gpu", "gpus", "compute_capability", "driver", "cuda"))
    return Report("0", "few", False, {}, {**machine, "gpus": 0}, results, 0.1)


def test_the_reasons() -> None:
    bent = Result("bent", "memory", "It is straight", warn("it is\nbent", remedy="Straighten it."))
    broken = Result("broken", "memory", "It is whole", fail("it is \x1b[31mbroken", remedy="Mend it.", command="mend it"))
    assert preflight.reasons(report(bent, broken), "Not ready.").splitlines() == [
        "Not ready.",
        "no GPU seen",
        "failed: broken: it is \\x1b[31mbroken",
        "  → Mend it. mend it",
        "warning: bent: it is bent",
        "  → Straighten it.",
    ]
    skipped = Result("left-out", "memory", "It is there", skip("there is none"))
    assert preflight.reasons(report(skipped), "Not ready.").splitlines()[2:] == ["there is none"]


@pytest.mark.parametrize("kind", ["directory", "fifo", "none", "forbidden"])
def test_what_is_no_file_gets_no_reasons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    place = tmp_path / "log"
    match kind:
        case "directory":
            place.mkdir()
        case "fifo":
            os.mkfifo(place)
        case "forbidden":
            place = Path("/proc/version")
    monkeypatch.setattr(preflight, "TERMINATION_LOG", str(place))
    preflight.leave("x\n")
    assert kind != "none" or not place.exists()
