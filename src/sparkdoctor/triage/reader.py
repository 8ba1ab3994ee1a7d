"""Reads a log of any size, in bounded memory, and finds what is known in it.

A log is taken in blocks. The words of a block are made a set: only a wording whose words are all in it is looked for at all, and
only the lines that hold its longest piece are looked at. So the time for a byte hardly grows with the number of signatures.
"""

import codecs
import html
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from sparkdoctor.model import Status, Verdict, words
from sparkdoctor.signature import Found, Signature
from sparkdoctor.triage.finding import LINES, Finding, Log, Quote
from sparkdoctor.triage.roots import ordered
from sparkdoctor.wording import Wording

BLOCK = 1 << 17
"""Bytes that are looked at together."""
_AHEAD, _BEHIND = 8 << 10, 4 << 10
"""Bytes after and before a line that a signature may look at."""
_AROUND = 12
"""Lines that it may look at there."""
_LINE = 4 << 10
"""Bytes of a longer line that are looked at, half of them on each side of what was found."""
_QUOTED = 400
"""Characters of a line that are kept."""
_TRIES = 20_000
"""Lines that one wording is tried on. A log that holds so many has them all for one reason."""
_MEANINGS = 8
"""Findings of one signature that are told apart."""
_END = 6
"""How many lines from the end a signature of the end may stand."""
_LAST = 10
"""Lines that look like errors that are kept."""
_ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_()#][0-9A-Za-z]?)|[\x00\x08\x0e\x0f]")
_TROUBLE = frozenset(
    b"error error: Error Error: ERROR ERROR: [ERROR] [error] fatal fatal: FATAL FATAL: Fatal failed failed: Failed FAILED"
    b" Traceback Exception Exception: exception Killed Aborted Segmentation CRITICAL panic: denied".split()
)
_ERROR = re.compile(
    r"\b(?:error|fatal|fail(?:ed|ure)?|exception|traceback|killed|aborted|segmentation fault|critical|panic|denied"
    r"|cannot|could not|unable to|not found|no such)\b|\w(?:Error|Exception|Interrupt)\b",
    re.IGNORECASE,
)
_QUOTES = str.maketrans("‘’‚‛“”„′`´", "''''\"\"\"'''")
_BOMS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class Reader:
    """Takes the bytes of a log as they come (`feed`) and says at the end (`close`) what they mean."""

    def __init__(self, signatures: Iterable[Signature]) -> None:
        self._index: dict[bytes, list[tuple[Wording, Signature]]] = defaultdict(list)
        for signature in signatures:
            for wording in signature.wordings:
                self._index[max(sorted(wording.words), key=len)].append((wording, signature))
        self._tries: dict[Wording, int] = defaultdict(int)
        self._decoder: codecs.IncrementalDecoder | None = None
        self._head = b""
        self._raw: list[bytes] = []
        self._size = self._waiting = self._lines = 0
        self._begun = self._open = False
        self._behind = self._ahead = b""
        self._meanings: dict[Signature, dict[tuple[Status, str], _Meaning]] = defaultdict(dict)
        self._ends: dict[Signature, tuple[Found, Quote]] = {}
        self._trouble: list[tuple[bytes, int]] = []
        self._problems: dict[str, str] = {}

    def feed(self, data: bytes) -> None:
        """Some bytes more, of any number."""
        self._size += len(data)
        if not self._begun:
            data = self._head + data
            if len(data) < 2:  # noqa: PLR2004 (the length of a byte order mark)
                self._head = data
                return
            self._begin(data)
        if self._decoder is not None:
            data = self._decoder.decode(data).encode(errors="replace")
        self._take(data)

    def _begin(self, data: bytes) -> None:
        self._begun = True
        if name := _BOMS.get(data[:2]):  # as PowerShell writes what ssh printed
            self._decoder = codecs.getincrementaldecoder(name)("replace")

    def _take(self, data: bytes) -> None:
        self._raw.append(data)
        self._waiting += len(data)
        if self._waiting < BLOCK:
            return
        raw = b"".join(self._raw)
        begin = 0
        while len(raw) - begin >= BLOCK:
            end = raw.rfind(b"\n", begin, begin + BLOCK) + 1 or begin + BLOCK
            self._look(raw[begin:end])
            begin = end
        self._raw, self._waiting = [raw[begin:]], len(raw) - begin

    def close(self) -> Log:
        """What it means. Nothing can be fed any more."""
        if not self._begun:
            self._take(self._head)
        self._look(b"".join(self._raw), last=True)
        total = self._lines + self._open
        for signature, (found, quote) in self._ends.items():
            if found.number > total - _END:
                self._judge(signature, found, quote)
        return Log(
            ordered(tuple(self._findings())),
            tuple(self._last_errors()),
            total,
            self._size,
            tuple(self._problems.values()),
        )

    def _look(self, raw: bytes, *, last: bool = False) -> None:
        """Look at a block: all but its end, which is kept until it is known what follows."""
        block = self._behind + self._ahead + _plain(raw)
        begin = len(self._behind)
        end = len(block) if last else max(begin, block.rfind(b"\n", begin, max(begin, len(block) - _AHEAD)) + 1)
        if not last and end == begin and len(block) - begin > _AHEAD:  # a line without an end
            end = len(block) - _AHEAD
        self._search(block, begin, end)
        self._lines += block.count(b"\n", begin, end)
        if end > begin:
            self._open = not block.endswith(b"\n", begin, end)
        behind = max(0, end - _BEHIND)
        self._behind, self._ahead = block[behind:end], block[end:]

    def _search(self, block: bytes, begin: int, end: int) -> None:
        there = set(block[begin:end].split())
        if not _TROUBLE.isdisjoint(there):
            self._trouble = [*self._trouble[-1:], (block[begin:end], self._lines)]
        for word in self._index.keys() & there:
            for wording, signature in self._index[word]:
                if wording.words <= there and self._tries[wording] < _TRIES:
                    self._try(wording, signature, block, begin, end)

    def _try(self, wording: Wording, signature: Signature, block: bytes, begin: int, end: int) -> None:
        at, counted, number = begin, begin, self._lines + 1
        while (at := block.find(wording.key, at, end)) >= 0 and self._tries[wording] < _TRIES:
            self._tries[wording] += 1
            first, upto = _bounds(block, at, at + len(wording.key))
            number += block.count(b"\n", counted, at)
            counted = at
            text = _text(block[first:upto])
            line = f" {' '.join(_usual(text).split())} "
            if (held := wording.fit(line)) is not None:
                quote = Quote(number, text.rstrip()[:_QUOTED])

                def around(first: int = first, upto: int = upto) -> tuple[tuple[str, ...], tuple[str, ...]]:
                    return _before(block, first), _after(block, upto)

                found = Found(line.strip(), held, number, around)
                if signature.at_end:
                    found.after  # noqa: B018 (what follows is gone when this is judged)
                    self._ends[signature] = found, quote
                else:
                    self._judge(signature, found, quote)
            at = max(upto, at + 1)

    def _judge(self, signature: Signature, found: Found, quote: Quote) -> None:
        try:
            verdict = signature.function(found)
        except Exception as error:  # noqa: BLE001 (a stranger's signature may raise anything)
            self._problems.setdefault(signature.id, f"signature {signature.id} broke on line {found.number}: {words(error)}")
            return
        if not isinstance(verdict, Verdict) or verdict.status not in (Status.FAILED, Status.WARNING, Status.OK):
            return
        meanings = self._meanings[signature]
        key = verdict.status, verdict.summary
        if key not in meanings:
            if len(meanings) >= _MEANINGS:
                return
            meanings[key] = _Meaning(verdict, found)
        meanings[key].add(quote)

    def _findings(self) -> Iterator[Finding]:
        for signature, meanings in self._meanings.items():
            more = any(self._tries[wording] >= _TRIES for wording in signature.wordings)
            for meaning in meanings.values():
                quotes = tuple(sorted(meaning.quotes))
                yield Finding(signature, meaning.verdict, meaning.held, quotes, meaning.count, more)

    def _last_errors(self) -> list[Quote]:
        found: list[Quote] = []
        for block, number in self._trouble:
            for offset, raw in enumerate(block.split(b"\n"), number + 1):
                text = _text(raw.rpartition(b"\r")[2] or raw.strip(b"\r")).rstrip()[:_QUOTED]
                if text.strip() and _ERROR.search(text):
                    found.append(Quote(offset, text))
            found = found[-_LAST:]
        return found


class _Meaning:
    """One meaning of one signature, with the lines that have it."""

    def __init__(self, verdict: Verdict, found: Found) -> None:
        self.verdict = verdict
        self.held = dict(found.held)
        self.quotes: list[Quote] = []
        self._numbers: set[int] = set()
        self.count = 0

    def add(self, quote: Quote) -> None:
        if quote.number in self._numbers:  # two texts of a signature fit the same line
            return
        self._numbers.add(quote.number)
        self.count += 1
        if len(self.quotes) < LINES:
            self.quotes.append(quote)


def _plain(raw: bytes) -> bytes:
    """Without colours, cursor movements and blanks that are not of ASCII."""
    if b"\x1b" in raw or b"\0" in raw or b"\x08" in raw:
        raw = _ESCAPES.sub(b"", raw)
    return raw if raw.isascii() else raw.replace(b"\xc2\xa0", b" ")


def _bounds(block: bytes, at: int, upto: int) -> tuple[int, int]:
    """Where the line that holds these bytes begins and ends; a carriage return ends one too."""
    low, high = max(0, at - _LINE // 2), min(len(block), upto + _LINE // 2)
    first = max(block.rfind(b"\n", low, at), block.rfind(b"\r", low, at)) + 1 or low
    ends = [end for end in (block.find(b"\n", upto, high), block.find(b"\r", upto, high)) if end >= 0]
    return first, min(ends, default=high)


def _before(block: bytes, first: int) -> tuple[str, ...]:
    lines = block[max(0, first - _BEHIND) : first].splitlines()
    return tuple(_text(line).rstrip() for line in lines[-_AROUND:])


def _after(block: bytes, upto: int) -> tuple[str, ...]:
    lines = block[upto : upto + _AHEAD].splitlines()
    return tuple(_text(line).rstrip() for line in lines[1 : _AROUND + 1])


def _text(line: bytes) -> str:
    return line.decode(errors="replace")


def _usual(text: str) -> str:
    """A line with the quotation marks that tools print, where a web page or a log's own format have others."""
    if not text.isascii():
        text = text.translate(_QUOTES)
    if "&" in text and ";" in text:
        text = html.unescape(text)
    return text.replace('\\"', '"').replace("\\'", "'") if "\\" in text else text
