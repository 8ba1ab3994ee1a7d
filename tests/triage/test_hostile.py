"""Logs that are made of the wordings themselves, to take as long as can be, and signatures that are given anything."""

import random
import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkdoctor.model import Remedy, Status, Verdict
from sparkdoctor.registry import Registry
from sparkdoctor.signature import Found, Signature
from sparkdoctor.triage.reader import Reader
from sparkdoctor.wording import Wording

SIGNATURES = tuple(Registry.load(signatures=True).signatures.values())
TEXTS = [wording.text for signature in SIGNATURES for wording in signature.wordings]
HOLE = re.compile(r"\{[^{}]*\}")
WORDS = sorted({word for text in TEXTS for word in text.split()})
MEGABYTE = 1 << 20
BOUND = 5
"""Seconds for a megabyte of nothing but messages, 25,000 of them, where four others work at the same time."""


def filled(text: str, held: str) -> str:
    return HOLE.sub(lambda _: held, text).replace("{{", "{").replace("}}", "}")


def pieces(text: str) -> list[str]:
    return [piece for piece in HOLE.split(text) if piece]


def halves(text: str) -> str:
    return text[: len(text) // 2] + text[: len(text) * 2 // 3] + text[len(text) // 2 :]


KINDS: dict[str, Callable[[random.Random], str]] = {
    "all in one line": lambda dice: filled(dice.choice(TEXTS), "7") + " ",
    "all in many lines": lambda dice: filled(dice.choice(TEXTS), "7") + "\n",
    "all but a hole, in lines": lambda dice: filled(dice.choice(TEXTS), "") + "\n",
    "literals in one line": lambda dice: dice.choice(pieces(dice.choice(TEXTS))) + " ",
    "literals in long lines": lambda dice: dice.choice(pieces(dice.choice(TEXTS))) + dice.choice(" " * 99 + "\n"),
    "beginnings again and again": lambda dice: pieces(dice.choice(TEXTS))[0] * 40 + "\n",
    "nested": lambda dice: filled(dice.choice(TEXTS), filled(dice.choice(TEXTS), "x")) + "\n",
    "halves": lambda dice: halves(filled(dice.choice(TEXTS), "7")) + "\n",
    "words of all": lambda dice: " ".join(dice.choices(WORDS, k=40)) + dice.choice(" \n"),
    "coloured": lambda dice: filled(dice.choice(TEXTS), "7").replace(" ", " \x1b[1m") + "\x1b]8;;x" * 3 + "\n",
    "carriage returns": lambda dice: filled(dice.choice(TEXTS), "7") + "\r",
    "entities": lambda dice: "&quot;" * 9 + filled(dice.choice(TEXTS), '&#39;\\"') + "&lt;" * 9 + "\n",
    "brackets of a terminal": lambda _: "\x1b]\x1b[\x1bP\x1b" * 99,
}


def log_of(kind: str, size: int) -> bytes:
    dice = random.Random(kind)
    made: list[str] = []
    length = 0
    while length < size:
        made.append(KINDS[kind](dice))
        length += len(made[-1])
    return "".join(made).encode()[:size]


def same(text: str, size: int) -> bytes:
    """A line of one wording, that many times over, in one line."""
    line = filled(text, "7") + " "
    return (line * (size // len(line) + 1)).encode()[:size]


def seconds(raw: bytes) -> float:
    """Of the processor, at best: others work here too."""
    found: list[float] = []
    while len(found) < 2 or (found[-1] > len(raw) / MEGABYTE and len(found) < 4):
        reader = Reader(SIGNATURES)
        began = time.thread_time()
        reader.feed(raw)
        log = reader.close()
        found.append(time.thread_time() - began)
        assert not log.problems
    return min(found)


@pytest.mark.parametrize("kind", KINDS)
def test_the_time_for_a_megabyte_is_bounded(kind: str) -> None:
    size = MEGABYTE // 16
    assert seconds(log_of(kind, size)) < max(0.1, BOUND * size / MEGABYTE)


@pytest.mark.waits
@pytest.mark.parametrize("kind", KINDS)
def test_the_time_does_not_grow_faster_than_the_log(kind: str) -> None:
    one = seconds(log_of(kind, MEGABYTE // 8))
    assert one < BOUND / 8
    assert seconds(log_of(kind, MEGABYTE // 2)) < 8 * one


@pytest.mark.waits
@pytest.mark.parametrize("name", [signature.id for signature in SIGNATURES])
def test_the_same_message_again_and_again_in_one_line(name: str) -> None:
    for wording in next(one for one in SIGNATURES if one.id == name).wordings:
        assert seconds(same(wording.text, MEGABYTE // 64)) < max(0.1, 1 / 64)


NASTY = (
    "7",
    "0",
    "",
    "x",
    "12.1",
    "1.2.3",
    "...",
    ".",
    "-1",
    "9" * 400,
    "a" * 400,
    "é" * 100,
    "９",
    "'\"`<>&;",
    "/" * 99,
    "a/b.so",
    "compute_1.",
    "\u2028",
    "sm_",
    "1e9",
    "0x",
)
AROUND = (
    (),
    ("",) * 12,
    ("7",) * 12,
    ("error: " * 60,) * 12,
    ("é" * 400,) * 12,
    ("Traceback (most recent call last):", *TEXTS[:11]),
)


def asked(signature: Signature, wording: Wording, held: list[str], before: tuple[str, ...], after: tuple[str, ...]) -> None:
    """Fill the holes, and where the wording fits what has become of it, ask the signature."""
    values = iter(held)
    text = HOLE.sub(lambda _: next(values, "7"), wording.text).replace("{{", "{").replace("}}", "}")
    line = f" {' '.join(text.split())} "
    found = wording.fit(line)
    if found is None:
        return
    began = time.thread_time()
    verdict = signature.function(Found(line.strip(), found, 1, lambda: (before, after)))
    assert time.thread_time() - began < 0.1
    if verdict is not None:
        assert isinstance(verdict, Verdict)
        assert verdict.status in {Status.FAILED, Status.WARNING, Status.OK}
        assert verdict.summary.strip()
        assert (verdict.remedy is None) == (verdict.status is Status.OK)
        assert verdict.remedy is None or isinstance(verdict.remedy, Remedy)
        assert len(verdict.summary) < 5000


@pytest.mark.parametrize("name", [signature.id for signature in SIGNATURES])
def test_a_signature_takes_whatever_its_wordings_fit(name: str) -> None:
    signature = next(one for one in SIGNATURES if one.id == name)
    dice = random.Random(name)
    for wording in signature.wordings:
        for value in NASTY:
            asked(signature, wording, [value] * 9, dice.choice(AROUND), dice.choice(AROUND))
        for _ in range(5):
            asked(signature, wording, dice.choices(NASTY, k=9), dice.choice(AROUND), dice.choice(AROUND))


LINES = st.lists(st.one_of(st.text(max_size=30), st.sampled_from([*NASTY, *TEXTS])), max_size=12).map(tuple)


@pytest.mark.waits
@pytest.mark.parametrize("name", [signature.id for signature in SIGNATURES])
def test_a_signature_takes_anything(name: str) -> None:
    signature = next(one for one in SIGNATURES if one.id == name)

    @settings(max_examples=20)
    @given(
        st.sampled_from(signature.wordings),
        st.lists(
            st.one_of(st.text(max_size=20), st.sampled_from(NASTY), st.from_regex(r"[0-9./:a-f_-]{1,12}", fullmatch=True)),
            max_size=6,
        ),
        LINES,
        LINES,
    )
    def takes(wording: Wording, held: list[str], before: tuple[str, ...], after: tuple[str, ...]) -> None:
        asked(signature, wording, held, before, after)

    takes()
