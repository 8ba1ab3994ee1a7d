"""Checks on facts made by hand: all checks."""

import re
from pathlib import Path

import pytest

from by_hand import (
    CHECKS,
    DEAD,
    GONE,
    OK,
    SKIPPED,
    UNDEMANDING,
    judge,
)
from sparkdoctor.model import Missing


@pytest.mark.parametrize("name", CHECKS)
def test_the_files_beside_this_one_judge_every_check(name: str) -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert len(re.findall(rf'judge\(\s*"{name}"', sources)) >= 2, "give it at least one that is well and one that is not"


@pytest.mark.parametrize("name", CHECKS)
def test_a_healthy_machine_is_healthy(name: str) -> None:
    assert judge(name).status is OK


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("missing", [GONE, DEAD])
def test_whatever_may_be_absent_can_be(name: str, missing: Missing) -> None:
    for need in CHECKS[name].needs:
        if need.judges_absence:
            judge(name, **{need.name: missing})
    judge(name, **{need.name: missing for need in CHECKS[name].needs if need.judges_absence})


@pytest.mark.parametrize("name", CHECKS)
def test_a_profile_that_demands_nothing_is_satisfied(name: str) -> None:
    needs = CHECKS[name].needs
    if any(need.fact is None for need in needs):
        assert judge(name, UNDEMANDING).status in (OK, SKIPPED)


@pytest.mark.parametrize("name", CHECKS)
def test_a_docstring_is_of_use(name: str) -> None:
    check = CHECKS[name]
    doc = check.function.__doc__ or ""
    assert doc.splitlines()[0].endswith(".")
    assert not re.search(r"\b(not|cannot|can't|missing|wrong|fails?|too|broken|lacks?|without)\b", check.title, re.IGNORECASE)
    assert len(check.title) <= 72
    assert len(check.why) > 60
    assert check.sources
    assert name == check.function.__name__.replace("_", "-")
    assert check.layer in ("machine", "gpu", "cuda", "torch", "triton", "deepspeed", "cache", "memory", "openfold")
    assert all(not line.endswith("TODO") for line in doc.splitlines())
