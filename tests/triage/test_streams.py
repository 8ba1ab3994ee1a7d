"""Bytes of any kind, in pieces of any size: the same log is found the same, and the lines' numbers are right."""

import codecs
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkdoctor.triage.finding import Log
from sparkdoctor.triage.reader import BLOCK, Reader
from triage.readings import made, places, read

SIGNATURES = (
    made("gpu", "Unsupported gpu architecture '{gpu:name}'"),
    made("missing", "{file:path}: cannot open shared object file"),
    made("code", " code=209(cudaErrorX) "),
    made("killed", " Killed ", at_end=True),
)
MESSAGES = (
    ("gpu", "nvcc fatal   : Unsupported gpu architecture 'compute_1.'"),
    ("missing", "ImportError: /a/b.so: cannot open shared object file: No such file"),
    ("code", 'CUDA error at a.cu:7 code=209(cudaErrorX) "x"'),
)
COLOURS = (
    "\x1b[0m",
    "\x1b[01;31m\x1b[K",
    "\x1b[38;5;196m",
    "\x1b[2K",
    "\x1b[?25l",
    "\x1b]0;a title\x07",
    "\x1b(B",
    "\x1b7",
    "\x1b]8;;http://x/\x1b\\",
    "\x1b[m\x1b[K",
    "\x08",
    "\x00",
)
FILLERS = (
    "",
    "all is well",
    "the same 1 2 3",
    "gpu architecture",
    "cannot open shared",
    "é 正在 ✓",
    "\tindented",
    "90%\r91%\r92%",
    "x" * 300,
)


def expected(lines: list[str]) -> dict[str, list[int]]:
    """By counting."""
    found: dict[str, list[int]] = {}
    for number, line in enumerate(lines, 1):
        for name, message in MESSAGES:
            if message in line:
                found.setdefault(name, []).append(number)
    return {name: numbers[:5] for name, numbers in found.items()}


LINES = st.lists(st.one_of(st.sampled_from(FILLERS), st.sampled_from([message for _, message in MESSAGES])), max_size=60)


@given(LINES, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.randoms(use_true_random=False))
def test_colours_do_not_hide_anything(lines: list[str], end: str, last: bool, dice: random.Random) -> None:
    """Between words and around them."""

    def coloured(line: str) -> str:
        return "".join(
            dice.choice(COLOURS) + piece if dice.random() < 0.3 else piece for piece in line.replace(" ", " \0").split("\0")
        ) + dice.choice(("", *COLOURS))

    text = end.join(coloured(line) for line in lines) + end * last
    log = read(SIGNATURES, text.encode())
    assert places(log) == expected(lines)
    count = text.count("\n")
    assert log.lines - count in {0, 1}
    assert all("\x1b" not in quote.text for finding in log.findings for quote in finding.quotes)


@given(LINES, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be-mark", "utf-16-le-bare"]), st.integers(0, 3), st.data())
def test_in_any_encoding_and_any_pieces(lines: list[str], name: str, cut: int, data: st.DataObject) -> None:
    text = "\n".join(lines)
    if name == "utf-16-le-bare":
        raw = "".join(character for character in text if character < "\x80").encode("utf-16-le")
    elif name == "utf-16-be-mark":
        raw = codecs.BOM_UTF16_BE + text.encode("utf-16-be")
    else:
        raw = text.encode(name)
    raw = raw[: len(raw) - cut] if cut < 2 else raw + b"\n"[: cut - 2]
    whole = read(SIGNATURES, raw)
    assert whole.size == len(raw)
    if not cut:
        assert places(whole) == expected(lines)
    sizes = data.draw(st.lists(st.integers(0, 50), min_size=1, max_size=9))
    assert pieces_of(raw, sizes) == whole
    assert pieces_of(raw, [1]) == whole


def pieces_of(raw: bytes, sizes: list[int]) -> Log:
    reader = Reader(SIGNATURES)
    at = turn = 0
    while at < len(raw):
        size = sizes[turn % len(sizes)] or turn % 2
        reader.feed(raw[at : at + size])
        at, turn = at + size, turn + 1
    return reader.close()


@pytest.mark.parametrize("seed", range(12))
def test_a_log_of_many_blocks_in_any_pieces(seed: int) -> None:
    dice = random.Random(seed)
    lines: list[str] = []
    while sum(map(len, lines)) < 5 * BLOCK:
        filler = dice.choice(FILLERS) * dice.randrange(1, 40)
        message = dice.choice(MESSAGES)[1] if dice.random() < 0.02 else ""
        lines.append(dice.choice((f"{filler} {message}", message, f"\x1b[1m{filler}\x1b[0m", f"{filler}\r{message} ")))
    lines.append("x" * 2 * BLOCK if seed % 2 else "word " * BLOCK)
    end = dice.choice(("\n", "\r\n"))
    raw = end.join(lines).encode(dice.choice(("utf-8", "utf-16")))
    whole = read(SIGNATURES, raw)
    assert places(whole) == expected(lines)
    assert whole.lines == len(lines)
    for _ in range(3):
        most = dice.choice((3000, BLOCK, 3 * BLOCK))
        reader, at = Reader(SIGNATURES), 0
        while at < len(raw):
            size = dice.randrange(most)
            reader.feed(raw[at : at + size])
            at += size
        assert reader.close() == whole


@settings(max_examples=200)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from(
                [
                    b"\x1b",
                    b"\x1b[",
                    b"\x1b]8;;",
                    b"\a",
                    b"\r",
                    b"\n",
                    b"\0",
                    b"\xc2\xa0",
                    b"Unsupported gpu architecture '",
                    b"{",
                    b"\\u001b[",
                    b"&quot;",
                ]
            ),
        )
    ),
    st.integers(1, 9),
)
def test_any_bytes_are_taken(pieces: list[bytes], size: int) -> None:
    raw = b" ".join(pieces)
    log = read(SIGNATURES, raw)
    assert log == read(SIGNATURES, *(raw[at : at + size] for at in range(0, len(raw), size)))
    assert not log.problems
    marked = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    assert marked or log.lines - raw.count(b"\n") in {0, 1}


@pytest.mark.parametrize(
    "line",
    [
        b"nvcc\xc2\xa0fatal : Unsupported\xc2\xa0gpu architecture\xc2\xa0'compute_1.'",
        "nvcc fatal : Unsupported gpu architecture ‘compute_1.’".encode(),
        b"nvcc fatal : Unsupported gpu architecture &#39;compute_1.&#39;",
        b"nvcc fatal : Unsupported gpu architecture \\'compute_1.\\'",
        b"\x1b[01m\x1b[Knvcc\x1b[m\x1b[K \x1b[01;31m\x1b[Kfatal\x1b[m\x1b[K : Unsupported \x1b]8;;https://example.org/a b\x07gpu\x1b]8;;\x07 architecture '\x1b[1mcompute_1.\x1b[0m'",
        b"2026-11-22T10:00:00Z stderr F nvcc fatal : Unsupported\tgpu  architecture 'compute_1.'",
    ],
)  # fmt: skip
def test_marks_and_blanks_as_pages_and_terminals_have_them(line: bytes) -> None:
    (finding,) = read(SIGNATURES, b"x\n" + line + b"\ny").findings
    assert (finding.number, finding.held) == (2, {"gpu": "compute_1."})


@pytest.mark.parametrize(
    "message",
    [
        "\x1b[31mnvcc fatal\x1b[0m : Unsupported gpu architecture 'compute_1.'",
        "Killed",
        'a "b" <c> /x.so: cannot open shared object file',
    ],
)
def test_the_logs_that_docker_keeps(message: str) -> None:
    """Of JSON, with quotation marks and angle brackets escaped, and nothing between a word and its quotation mark."""
    rows = [
        json.dumps({"log": text + "\n", "stream": "stderr", "time": "2026-11-22T10:00:00.1Z"}, separators=(",", ":"))
        for text in ("INFO: a", message, "b")
    ]
    rows = [row.replace("<", "\\u003c").replace(">", "\\u003e").replace("'", "\\u0027") for row in rows]
    (finding,) = read(SIGNATURES, "\n".join(rows).encode()).findings
    assert finding.number == 2
    assert finding.held in ({"gpu": "compute_1."}, {}, {"file": "/x.so"})


def test_a_colour_that_is_cut_off_takes_no_lines_with_it() -> None:
    raw = b"\x1b]0;a title without an end\n" + b"x\n" * 9 + MESSAGES[0][1].encode() + b"\n\x07"
    assert places(read(SIGNATURES, raw)) == {"gpu": [11]}
    assert read(SIGNATURES, raw).lines == 12


def test_rows_of_numbers_do_not_hide_what_differs_from_them_in_digits_alone() -> None:
    """Such rows are looked at once; a message among them that has numbers in it is one all the same."""
    rows = [f"step {number} loss 0.{number} code={number}(cudaErrorX) \n".encode() for number in range(3000, 9000)]
    rows[4000] = b"step 7 loss 0.7 code=209(cudaErrorX) \n"
    assert places(read(SIGNATURES, b"".join(rows))) == {"code": [4001]}
