"""Fixes of strangers: whatever they raise or return is a refusal, and never believed."""

import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from sparkdoctor import treatment
from sparkdoctor.fix import Fix, fix
from sparkdoctor.host import LocalHost
from sparkdoctor.machine import Machine
from sparkdoctor.plan import Answer, MakeDirectory, NotNeeded, Plan, Refused, Run, Work, WriteFile, flaw
from sparkdoctor.profiles import DEFAULT, Profile, load

GOOD = (
    WriteFile("/a/b", "x\0\udcff", None),
    WriteFile("/a/b", "x", "y", 0o600),
    MakeDirectory("/a", filled=True),
    Run(("true",), "Look.", (), 5, (("A", "b"),)),
    Work("/python", "warm", ("/a",), "Build."),
)
WRITE = WriteFile("/a", "x")


def answered(function: Callable[[], Any]) -> Answer:
    """What becomes of a fix that does that."""

    def strange(profile: Profile) -> Any:
        return function()

    made: Fix = fix(cures=("milk-sour",))(strange)
    return treatment.plan(Machine(LocalHost(None), load(DEFAULT)), made)


@pytest.mark.parametrize("good", [Plan("x", GOOD, ("n",), (("A", None),), ("c",), "t"), Refused("x"), NotNeeded("x", "true")])
def test_what_is_sound_passes(good: Answer) -> None:
    assert flaw(good) == ""
    assert answered(lambda: good) is good


@pytest.mark.parametrize(
    ("bad", "where"),
    [
        (None, "NoneType"),
        (Plan(None, GOOD), "Plan.summary"),  # type: ignore[arg-type]
        (Plan("x", None), "Plan.steps"),  # type: ignore[arg-type]
        (Plan("x", ()), "steps"),
        (Plan("x", ("rm -rf /",)), "Plan.steps[0]"),  # type: ignore[arg-type]
        (Plan("x", (WRITE, WriteFile(b"/a", "x"))), "Plan.steps[1].path"),  # type: ignore[arg-type]
        (Plan("x", (WriteFile("/a\0", "x"),)), "Plan.steps[0].path"),
        (Plan("x", (WriteFile("/a", "\ud800"),)), "Plan.steps[0].text"),
        (Plan("x", (WriteFile("/a", "x", mode="0644"),)), "Plan.steps[0].mode"),  # type: ignore[arg-type]
        (Plan("x", (Run("ls", "x"),)), "Plan.steps[0].argv"),  # type: ignore[arg-type]
        (Plan("x", (Run((), "x"),)), "Plan.steps[0].argv"),
        (Plan("x", (Run(("ls",), "x", undo=("a", None)),)), "Plan.steps[0].undo[1]"),  # type: ignore[arg-type]
        (Plan("x", (WRITE,), 5), "Plan.notes"),  # type: ignore[arg-type]
        (Plan("x", (WRITE,), (), (("A", 5),)), "Plan.environment[0][1]"),  # type: ignore[arg-type]
        (Plan("x", (WRITE,), (), (("A", "b", "c"),)), "Plan.environment[0]"),  # type: ignore[arg-type]
        (Refused(None), "Refused.reason"),  # type: ignore[arg-type]
        (NotNeeded("x", 5), "NotNeeded.command"),  # type: ignore[arg-type]
    ],
)
def test_what_is_not_is_refused_with_the_place(bad: Any, where: str) -> None:
    found = answered(lambda: bad)
    assert isinstance(found, Refused)
    assert where in found.reason
    assert flaw(found) == ""


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("x"), SystemExit(0), KeyboardInterrupt(), BaseException("x"), GeneratorExit()]
)
def test_whatever_it_raises(error: BaseException) -> None:
    def function() -> None:
        raise error

    found = answered(function)
    assert isinstance(found, Refused)
    assert type(error).__name__ in found.reason


def test_one_that_never_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(treatment, "_PATIENCE", 0.05)
    over = time.monotonic() + 30

    def function() -> None:
        while time.monotonic() < over and sys.modules:
            time.sleep(0.01)

    found = answered(function)
    over = 0.0
    assert found == Refused("the fix did not come to an end")
