"""Causes: chains, cycles, anything, consequences that are printed first."""

import time

from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor.model import Status, Verdict, fail, ok, warn
from sparkdoctor.signature import ANYTHING
from sparkdoctor.triage.finding import Finding, Quote
from sparkdoctor.triage.roots import ordered
from triage.readings import made

FAILED, WARNED, FINE = fail("f", remedy="x"), warn("w", remedy="x"), ok("o")


def one(name: str, line: int, *because: str, verdict: Verdict = FAILED) -> Finding:
    return Finding(made(name, "a b c", because=because), verdict, {}, (Quote(line, name),), 1)


def told(*findings: Finding) -> list[tuple[str, int, str | None]]:
    return [(finding.id, finding.number, finding.cause) for finding in ordered(findings)]


def test_nothing() -> None:
    assert ordered(()) == ()


def test_a_chain_is_told_from_its_cause_on_wherever_they_stand() -> None:
    findings = one("c", 1, "b"), one("b", 5, "a"), one("a", 9)
    assert told(*findings) == told(*findings[::-1]) == [("a", 9, None), ("b", 5, "a"), ("c", 1, "b")]


def test_a_cause_that_is_not_there_makes_a_root() -> None:
    assert told(one("b", 5, "a"), one("c", 7, "b", "a")) == [("b", 5, None), ("c", 7, "b")]


def test_two_roots_each_with_its_own() -> None:
    findings = one("b", 8), one("a", 1), one("after-b", 9, "b"), one("after-a", 10, "a")
    assert told(*findings) == [("a", 1, None), ("after-a", 10, "a"), ("b", 8, None), ("after-b", 9, "b")]


def test_the_nearest_cause_above_counts_and_then_the_nearest_below() -> None:
    assert ("x", 6, "b") in told(one("a", 1), one("b", 5), one("c", 7), one("x", 6, "a", "b", "c"))
    assert ("x", 1, "b") in told(one("c", 9), one("b", 5), one("x", 1, "b", "c"))


def test_anything_is_what_failed_for_itself() -> None:
    findings = one("w", 1, verdict=WARNED), one("any", 2, ANYTHING), one("other", 3, ANYTHING), one("a", 7), one("b", 9)
    assert told(*findings) == [("a", 7, None), ("any", 2, "a"), ("other", 3, "a"), ("b", 9, None), ("w", 1, None)]
    assert told(*findings[:3]) == [("any", 2, None), ("other", 3, None), ("w", 1, None)]


def test_a_named_cause_goes_before_anything() -> None:
    assert ("x", 9, "w") in told(one("w", 1, verdict=WARNED), one("a", 8), one("x", 9, "w", ANYTHING))


def test_a_warning_that_is_a_cause_goes_first() -> None:
    assert [name for name, _, _ in told(one("other", 2), one("w", 1, verdict=WARNED), one("x", 3, "w"))] == ["w", "x", "other"]


def test_what_is_harmless_is_no_cause_and_has_none() -> None:
    assert told(one("o", 1, "a", ANYTHING, verdict=FINE), one("a", 2, "o")) == [("a", 2, None), ("o", 1, None)]


def test_causes_in_a_circle_are_roots() -> None:
    assert told(one("a", 2, "b"), one("b", 1, "a")) == [("b", 1, None), ("a", 2, None)]
    assert told(one("a", 1, "b"), one("b", 2, "c"), one("c", 3, "a")) == [("a", 1, None), ("b", 2, None), ("c", 3, None)]
    assert told(one("a", 1, "a", ANYTHING)) == [("a", 1, None)]


def test_a_circle_through_anything_has_a_root_all_the_same() -> None:
    findings = one("any", 2, ANYTHING), one("b", 1, "both"), one("both", 4, "d", ANYTHING), one("d", 3, "any")
    assert any(cause is None for _, _, cause in told(*findings))
    findings = one("a", 4, ANYTHING), one("b", 3, "c"), one("c", 6, ANYTHING), one("d", 5, "a")
    assert any(cause is None for _, _, cause in told(*findings))


def test_several_meanings_of_a_signature_have_their_consequences_once() -> None:
    findings = one("a", 1), one("a", 5, verdict=WARNED), one("x", 6, "a"), one("x", 2, "a")
    assert told(*findings) == [("a", 1, None), ("x", 2, "a"), ("x", 6, "a"), ("a", 5, None)]


NAMES = st.sampled_from("abcdefgh")
FINDINGS = st.lists(
    st.tuples(NAMES, st.integers(1, 30), st.sampled_from([FAILED, FAILED, WARNED, FINE])),
    max_size=14,
    unique_by=lambda found: found[:2],
)


@given(FINDINGS, st.dictionaries(NAMES, st.lists(st.one_of(NAMES, st.just(ANYTHING)), max_size=4)))
def test_all_are_told_once_and_every_cause_leads_to_a_root(
    rows: list[tuple[str, int, Verdict]], because: dict[str, list[str]]
) -> None:
    signatures = {name: made(name, "a b c", because=tuple(because.get(name, ()))) for name in "abcdefgh"}
    findings = [Finding(signatures[name], verdict, {}, (Quote(line, name),), 1) for name, line, verdict in rows]
    found = ordered(findings)
    assert sorted((one.id, one.number) for one in found) == sorted((one.id, one.number) for one in findings)
    assert not found or found[0].cause is None
    assert {one._replace(cause=None).quotes for one in found} == {one.quotes for one in findings}
    causes: dict[str, set[str]] = {}
    for one in found:
        causes.setdefault(one.id, set()).update({one.cause} if one.cause else ())
        if one.cause:
            assert one.status is not Status.OK
            assert one.cause in one.signature.because or ANYTHING in one.signature.because
            assert any(other.id == one.cause and other.status is not Status.OK for other in found)
    for name, direct in causes.items():
        reached, waiting = set[str](), list(direct)
        while waiting:
            if (other := waiting.pop()) not in reached:
                reached.add(other)
                waiting += causes.get(other, ())
        assert name not in reached, "a cause of itself"
    ills = [one for one in found if one.status is not Status.OK]
    assert not ills or any(one.cause is None for one in ills)


def test_many_findings_take_no_long_time() -> None:
    findings = [
        one(f"s{number % 130}", number, ANYTHING) if number % 2 else one(f"f{number % 130}", number, "s1")
        for number in range(1, 1041)
    ]
    began = time.thread_time()
    assert len(ordered(findings)) == len(findings)
    assert time.thread_time() - began < 2


def test_what_was_only_warned_of_goes_after_what_was_not() -> None:
    warned = Finding(made("early", "a b c"), FAILED, {}, (Quote(1, "x.py:4: UserWarning: no library"),), 1)
    assert [name for name, _, _ in told(warned, one("late", 9))] == ["late", "early"]
    assert [name for name, _, _ in told(warned, one("late", 9), one("x", 3, "early"))] == ["early", "x", "late"]
