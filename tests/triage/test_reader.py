"""The reader: what it finds, in which lines, and what it does with signatures that misbehave."""

import gc
import time
from typing import Any, cast

import pytest

from sparkdoctor.model import Status, Verdict, fail, ok, skip, warn
from sparkdoctor.signature import Found, Signature
from sparkdoctor.triage import reader as module
from sparkdoctor.triage.block import AHEAD, BEHIND
from sparkdoctor.triage.reader import BLOCK
from triage.readings import made, places, read

NINJA = made("ninja", "ninja: build stopped: {why}")
MISSING = made("missing", "{file:path}: cannot open shared object file")
PLAIN = b"[1/9] c++ -MMD -MF a.o.d -O3 -c a.cc -o a.o\n"


def test_what_was_captured_where() -> None:
    log = read(
        [NINJA, MISSING],
        PLAIN * 3
        + b"ninja: build  stopped: subcommand failed.\n"
        + PLAIN
        + b"ImportError: /x/y.so: cannot open shared object file",
    )
    assert places(log) == {"ninja": [4], "missing": [6]}
    assert [finding.held for finding in log.findings] == [{"why": "subcommand failed"}, {"file": "/x/y.so"}]
    assert log.findings[0].quotes[0].text == "ninja: build  stopped: subcommand failed."
    assert (log.lines, log.verdict, log.problems) == (6, "failed", ())


@pytest.mark.parametrize(
    "raw", [b"", b"\n" * 7, b"\n" * (3 * BLOCK), b"\x00\x01", b"\xff" * 99, b"\r" * 99, b"\x1b", b"\x1b[", b"\x1b]" * 99]
)
def test_a_log_of_nothing(raw: bytes) -> None:
    log = read([NINJA, MISSING], raw)
    assert (log.findings, log.verdict, log.last, log.size) == ((), "unknown", (), len(raw))
    assert log.lines - raw.count(b"\n") in {0, 1}


def test_lines_of_one_meaning_are_counted_and_the_first_are_quoted() -> None:
    log = read([MISSING], b"a.so: cannot open shared object file\nb\n" * 100)
    assert [(finding.total, finding.more, finding.number) for finding in log.findings] == [(100, False, 1)]
    assert places(log) == {"missing": [1, 3, 5, 7, 9]}


def test_texts_of_a_signature_are_one_meaning_in_the_order_of_lines() -> None:
    """Whichever of the texts fits: the first line has the number, and each name what the first line gives that has it."""
    both = made("both", "a thing of {size:int} bytes", "a thing by name of {name:word}", "a {what:word} of {size:int} bytes")
    log = read([both], b"a thing by name of x\n" + PLAIN + b"a thing of 7 bytes\na ring of 8 bytes\n")
    (finding,) = log.findings
    assert (finding.number, finding.total, finding.held) == (1, 3, {"name": "x", "size": "7", "what": "ring"})


def test_a_text_that_says_nothing_leaves_the_line_to_the_next() -> None:
    choosy = made(
        "choosy",
        "the {what:word} is broken",
        "the {thing} is broken today",
        says=lambda found: fail(found["thing"], remedy="x") if found["thing"] else None,
    )
    assert read([choosy], b"the disk is broken today").findings[0].verdict.summary == "disk"


def test_what_stands_around_a_line() -> None:
    seen: list[tuple[tuple[str, ...], tuple[str, ...]]] = []

    def says(found: Found) -> Verdict:
        seen.append((found.before, found.after))
        return fail("x", remedy="y")

    lines = [f"line {number}" for number in range(40)]
    lines[20] = "\x1b[1mninja: build stopped: x\x1b[0m"
    for end in ("\n", "\r\n", "\r"):
        read([made("ninja", "ninja: build stopped: {why}", says=says)], end.join(lines).encode())
    assert seen == [(tuple(lines[8:20]), tuple(lines[21:33]))] * 3


@pytest.mark.parametrize(
    "shift", [*range(-60, 61, 12), *range(-AHEAD - 60, -AHEAD + 61, 24), *range(-BEHIND - 60, -BEHIND + 61, 24)]
)
def test_a_line_at_the_end_of_a_block_is_found_whole(shift: int) -> None:
    """With all 12 lines on both sides of it, whichever block they are in."""
    seen: list[tuple[Any, ...]] = []

    def says(found: Found) -> Verdict:
        seen.append((found.number, found.before, found.after))
        return fail("x", remedy="y")

    signature = made("ninja", "ninja: build stopped: {why}", says=says)
    count = 2 * (BLOCK + shift) // len(PLAIN)
    row = PLAIN.decode().rstrip("\n")
    log = read([signature], PLAIN * count, b"ninja: build stopped: x\n", PLAIN * 9000)
    assert seen == [(count + 1, (row,) * 12, (row,) * 12)]
    assert log.lines == count + 1 + 9000


def test_in_a_line_of_many_megabytes() -> None:
    words = b"a line that does not end "
    for mark in (b" ", b"\r"):
        message = b"x.so: cannot open shared object file" + mark
        raw = words * 100_000 + message + words * 100_000 + b"ninja: build stopped: x" + mark + words * 100_000
        log = read([NINJA, MISSING], raw + b"\nninja: build stopped: y\n")
        assert places(log) == {"missing": [1], "ninja": [1, 2]}
        assert "cannot open" in log.findings[0].quotes[0].text or "cannot open" in log.findings[1].quotes[0].text
        assert all(len(quote.text) <= 400 for finding in log.findings for quote in finding.quotes)
        assert log.lines == 2


@pytest.mark.parametrize("shift", range(-50, 51, 5))
def test_in_a_line_without_an_end_where_it_is_cut(shift: int) -> None:
    size = BLOCK - AHEAD + shift
    for filler in (b"word and ", b"x" * 9):
        raw = (filler * BLOCK)[:size] + b" x.so: cannot open shared object file " + filler * BLOCK
        assert places(read([MISSING], raw)) == {"missing": [1]}


def test_progress_bars_do_not_hide_what_is_printed_between_them() -> None:
    bar = b"\rDownloading:  41%|####      | 41/100 [00:12<00:17,  3.42it/s]"
    log = read([NINJA], bar * 5000 + b"\rninja: build stopped: x\r" + bar * 5000 + b"\nninja: build stopped: y\r\n")
    assert places(log) == {"ninja": [1, 2]}
    assert log.findings[0].quotes[0].text == "ninja: build stopped: x"
    assert log.lines == 2


END = made("killed", " Killed ", says=lambda found: fail(f"killed behind {len(found.before)} lines", remedy="x"), at_end=True)


@pytest.mark.parametrize(("after", "found"), [(b"", 1), (b"x\n" * 5, 1), (b"x\n" * 6, 0), (b"\n" * 30, 1), (PLAIN * 9000, 0)])
def test_a_signature_of_the_end_counts_in_the_last_lines(after: bytes, found: int) -> None:
    for before in (b"", PLAIN * 20, PLAIN * 9000, b"Killed\n" * 30_000):
        log = read([END], before + b"Killed\n" + after)
        assert len(log.findings) == found
        if found:
            assert (log.findings[0].number, log.findings[0].total) == (before.count(b"\n") + 1, 1)


def test_of_a_signature_of_the_end_the_last_line_that_means_something_counts() -> None:
    end = made(
        "end",
        "died of {what:word} today",
        says=lambda found: None if found["what"] == "age" else fail(found["what"], remedy="x"),
        at_end=True,
    )
    log = read([end], b"died of cold today\ndied of heat today\ndied of age today\n")
    assert [(finding.number, finding.verdict.summary) for finding in log.findings] == [(2, "heat")]


def test_so_many_lines_that_all_are_for_one_reason_are_not_all_looked_at() -> None:
    before = time.thread_time()
    log = read([MISSING, NINJA], b"a.so: cannot open shared object file\n" * 50_000 + b"ninja: build stopped: x")
    assert time.thread_time() - before < 5
    findings = {finding.id: finding for finding in log.findings}
    assert findings["missing"].more
    assert module._LOOKS // module._SAID <= findings["missing"].total < module._LOOKS // module._HIT
    assert (findings["ninja"].more, findings["ninja"].number) == (False, 50_001)


def test_lines_that_only_share_words_are_no_reason_to_stop() -> None:
    raw = b"file cannot open\nshared and object too\n" * 30_000 + b"a.so: cannot open shared object file"
    assert places(read([MISSING], raw)) == {"missing": [60_001]}


def test_no_more_meanings_than_can_be_read_but_of_each_status() -> None:
    def says(found: Found) -> Verdict:
        name = found["file"]
        return ok(name) if name.startswith("o") else warn(name, remedy="x") if name.startswith("w") else fail(name, remedy="x")

    raw = b"".join(
        b"%s%d.so: cannot open shared object file\n" % (kind, number) for kind in (b"o", b"w", b"f") for number in range(20)
    )
    log = read([made("missing", "{file:path}: cannot open shared object file", says=says)], raw)
    assert [finding.verdict.summary for finding in log.findings] == [
        f"{kind}{number}.so" for kind in "fwo" for number in range(8)
    ]


def raises(error: BaseException) -> Any:
    def says(found: Found) -> Verdict:
        raise error

    return says


class Rude(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (raises(RuntimeError("boom")), "signature bad broke on line 1: RuntimeError: boom"),
        (raises(SystemExit(3)), "signature bad broke on line 1: SystemExit: 3"),
        (raises(Rude()), "signature bad broke on line 1: Rude"),
        (lambda _: "nonsense", "signature bad returned str and no verdict on line 1"),
        (lambda _: 0, "signature bad returned int and no verdict on line 1"),
        (
            lambda _: Verdict(Status.FAILED, cast("str", ["no text"])),
            "signature bad returned Verdict and no verdict on line 1",
        ),
        (lambda _: skip("not here"), None),
        (lambda _: None, None),
        (lambda: None, "signature bad broke on line 1: TypeError: "),
    ],
)
def test_a_signature_that_misbehaves_is_told_of_once_and_spares_the_others(says: Any, words: str | None) -> None:
    log = read([made("bad", "ninja: build stopped: {why}", says=says), NINJA], b"ninja: build stopped: x\n" * 9)
    assert places(log) == {"ninja": [1, 2, 3, 4, 5]}
    assert [problem[: len(words or "")] for problem in log.problems] == ([words] if words else [])


def test_ctrl_c_in_a_signature_ends_the_reading() -> None:
    with pytest.raises(KeyboardInterrupt):
        read([made("bad", "ninja: build stopped: {why}", says=raises(KeyboardInterrupt()))], b"ninja: build stopped: x")


def test_a_slow_signature_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.05)

    def says(found: Found) -> Verdict:
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            pass
        return fail("slow", remedy="x")

    log = read([made("slow", "ninja: build stopped: {why}", says=says), NINJA], b"ninja: build stopped: x\n" * 1000)
    totals = {finding.id: finding.total for finding in log.findings}
    assert totals["ninja"] == 1000
    assert 1 <= totals["slow"] <= 3
    assert log.problems == (f"signature slow is slow, and was not asked about what is below line {totals['slow']}",)


@pytest.mark.parametrize(
    ("raw", "last"),
    [
        (b"bash: foo: command not found", [(1, "bash: foo: command not found")]),
        (b"all is well\n" * 9, []),
        (b"ValueError: x\nfine\n" + PLAIN * 20_000 + b"fine", []),
        (b"Traceback (most recent call last):\nValueError: x\n" + PLAIN * 20_000, [(1, "Traceback (most recent call last):"), (2, "ValueError: x")]),
        (b"error: %d\n" * 20, [(number, "error: %d") for number in range(11, 21)]),
        (b"10%\r20%\rerror: it broke\r\n", [(1, "error: it broke")]),
        (b"\x1b[31mfatal:\x1b[0m not a repository\n", [(1, "fatal: not a repository")]),
    ],
)  # fmt: skip
def test_the_last_lines_that_look_like_errors(raw: bytes, last: list[tuple[int, str]]) -> None:
    assert [tuple(quote) for quote in read([NINJA], raw).last] == last


def test_nothing_is_left_for_the_collector_of_cycles() -> None:
    """The command line switches it off."""
    signatures = [NINJA, MISSING, END, made("bad", "ninja: build stopped: {why}", says=raises(RuntimeError("x")))]
    raw = (PLAIN * 9 + b"\x1b[1mninja: build stopped: x\x1b[0m\na.so: cannot open shared object file\n") * 400
    read(signatures, raw)
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            read(signatures, raw)
        assert gc.collect() < 100
    finally:
        gc.enable()


def test_memory_does_not_grow_with_the_log() -> None:
    import tracemalloc

    signatures: list[Signature] = [NINJA, MISSING, END]
    raw = (PLAIN * 40 + b"ninja: build stopped: x\nerror: y\n") * 150

    def peak(times: int) -> int:
        tracemalloc.start()
        read(signatures, *[raw] * times)
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(9) < 1.2 * peak(3)
    assert peak(9) < 10_000_000
