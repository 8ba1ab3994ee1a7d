"""Some bytes of a log that are looked at together, and its lines."""

import re
from collections.abc import Iterator
from functools import cached_property

from sparkdoctor.wording import usual

BEHIND, AHEAD = 4 << 10, 8 << 10
"""Bytes before and after a line that a signature may look at."""
LINE = 4 << 10
"""Bytes of a longer line that are looked at together, a quarter of them at least on each side of what was found."""
_AROUND = 12
"""Lines that a signature may look at before and after."""
_CONTROLS = bytes({*range(32)} - {*b"\a\t\n\v\f\r\x1b"})
"""What is left out: NULs are what is left of UTF-16 without a mark."""
_DOCKER = ((b"\\u001b", b"\x1b"), (b'{"log":"', b'{"log":" '), (b'\\n"', b' "'))
"""What docker's own logs, of JSON, have where a colour begins, and what stands beside the first and the last word of a line."""
_STYLES = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]")
_ESCAPES = re.compile(rb"\x1b(?:[]PX^_][^\a\x1b\n\r]*(?:\a|\x1b\\)|[#%()*+./-][0-~]|[0-~])?")
"""Colours and movements of the cursor, which are most, and all others: hyperlinks, titles, character sets."""

_ENDS = (b"\n", b"\r")


class Line:
    """A line of a block, or a part of a long one; a carriage return ends one too. `first` and `upto` are where it stands."""

    def __init__(self, raw: bytes, first: int, upto: int) -> None:
        self.raw = raw
        self.first = first
        self.upto = upto

    @cached_property
    def text(self) -> str:
        """As it was printed."""
        return self.raw.decode(errors="replace").rstrip()

    def near(self, at: int, most: int) -> str:
        """So many characters of it, with what stands at this byte."""
        middle = len(self.raw[: at - self.first].decode(errors="replace"))
        return self.text[max(0, min(middle - most // 2, len(self.text) - most)) :][:most]

    @cached_property
    def usual(self) -> str:
        """With single blanks, one at either end, and usual marks."""
        return f" {' '.join(usual(self.text).split())} "


class Block:
    """A text without colours. `number` is that of the line in which `begin` stands."""

    def __init__(self, text: bytes, begin: int = 0, number: int = 1) -> None:
        self.text = text
        self._at, self._number = begin, number
        self._lines: dict[int, Line] = {}

    def line(self, at: int, upto: int) -> Line:
        """The line that holds these bytes."""
        rough = at - at % (LINE // 4)  # neighbours in a long line are in the same part of it
        first, last = begin_of_line(self.text, at, max(0, rough - LINE // 4)), self._end_of_line(upto, rough + LINE // 4 * 3)
        line = self._lines.get(first)
        if line is None or line.upto < last:
            line = self._lines[first] = Line(self.text[first:last], first, last)
        return line

    def _end_of_line(self, at: int, most: int) -> int:
        end = self.text.find(b"\n", at, most)
        end = min(most, len(self.text)) if end < 0 else end
        back = self.text.find(b"\r", at, end)
        return end if back < 0 else back

    def number(self, at: int) -> int:
        """The number of the line in which this byte stands. Quick where it is asked in order."""
        if at >= self._at:
            self._number += self.text.count(b"\n", self._at, at)
        else:
            self._number -= self.text.count(b"\n", at, self._at)
        self._at = at
        return self._number

    def around(self, line: Line) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The lines before and after it."""
        before = self.text[max(0, line.first - BEHIND) : line.first]
        after = self.text[line.upto : line.upto + AHEAD]
        above = before.splitlines() if b"\r" in before else before.removesuffix(b"\n").rsplit(b"\n", _AROUND) if before else []
        below = after.splitlines() if b"\r" in after else after.removesuffix(b"\n").split(b"\n", _AROUND + 1)
        return _texts(above[-_AROUND:]), _texts(below[1 : _AROUND + 1])

    def parts(self, begin: int, end: int, size: int) -> Iterator[tuple[int, int, bytes]]:
        """Where its parts begin and end, of whole lines if these are not long, and the text in which a part's lines are."""
        while begin < end:
            upto = self.text.find(b"\n", begin + size, begin + 2 * size) + 1
            if not upto or upto > end:
                upto = end if end <= begin + 2 * size else cut(self.text, begin + size, begin + 2 * size)
            whole = self.text.startswith(_ENDS, upto - 1) and (not begin or self.text.startswith(_ENDS, begin - 1))
            more = 0 if whole else LINE // 4
            yield begin, min(end, upto + more), self.text[max(0, begin - more) : upto + more]
            begin = upto

    def tail(self, lines: int) -> int:
        """Where its last lines begin, empty ones at its very end not counted."""
        at = len(self.text.rstrip())
        for _ in range(lines):
            at = max(0, self.text.rfind(b"\n", 0, at))
        return at


def begin_of_line(text: bytes, at: int, least: int) -> int:
    """Where the line begins in which this byte stands; not before `least`."""
    begin = max(text.rfind(b"\n", least, at), text.rfind(b"\r", least, at))
    return least if begin < 0 else begin + 1


def cut(text: bytes, begin: int, upto: int) -> int:
    """Where best to cut a text: behind the last line's end before `upto`, or else a word's."""
    for mark in (b"\n", b"\r", b" "):
        if (at := text.rfind(mark, begin, max(begin, upto))) >= 0:
            return at + 1
    return max(begin, upto)


def cleared(raw: bytes) -> bytes:
    """Without control characters, and with usual blanks."""
    if any(raw.find(control) >= 0 for control in (b"\0", b"\b", b"\x0e", b"\x0f")):
        raw = raw.translate(None, _CONTROLS)
    if not raw.isascii():
        raw = raw.replace(b"\xc2\xa0", b" ")
    return raw


def styled(raw: bytes) -> bool:
    """Whether there are colours in it, or other movements of the cursor, or what docker writes around a line."""
    return b"\x1b" in raw or (b"\\" in raw and any(odd in raw for odd, _ in _DOCKER[:-1]))


def unstyled(raw: bytes) -> bytes:
    """Without all that."""
    if not styled(raw):
        return raw
    for odd, plain in _DOCKER:
        raw = raw.replace(odd, plain)
    raw = _STYLES.sub(b"", raw)
    return _ESCAPES.sub(b"", raw) if b"\x1b" in raw else raw


def _texts(lines: list[bytes]) -> tuple[str, ...]:
    return tuple(line.decode(errors="replace").rstrip() for line in lines)
