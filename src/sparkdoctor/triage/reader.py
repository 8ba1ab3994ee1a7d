"""Reads a log of any size, in bounded memory, and finds what is known in it.

A log is taken in blocks. Which of the words that wordings are made of are in a block tells which wordings can be there at all;
where there are many, so are the words of each small part of it. So the time for a byte hardly grows with the number of
signatures.
"""

import codecs
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from sparkdoctor.model import Status, Verdict, sound, words
from sparkdoctor.signature import Found, Signature
from sparkdoctor.triage.block import AHEAD, BEHIND, LINE, Block, Line, begin_of_line, cleared, cut, styled, unstyled
from sparkdoctor.triage.finding import LINES, Finding, Log, Quote
from sparkdoctor.triage.quoted import quoted
from sparkdoctor.triage.roots import ordered
from sparkdoctor.wording import Wording

BLOCK = 1 << 16
"""Bytes that are looked at together."""
_PART, _FEW, _MANY = 2 << 10, 3, 30
"""Where more than `_FEW` wordings can be in a block, it is looked at in parts of about so many bytes; where there are not `_MANY`
of them, their rarest pieces are looked for first."""
_QUOTED = 400
"""Characters of a line that are kept."""
_LOOKS, _HIT, _SAID = 60_000, 20, 300
"""How many lines with its words a wording is tried on; one that it fits counts as `_HIT`, one that says that something is ill as
`_SAID`. So many are there for one reason."""
_MEANINGS = 8
"""Findings of one signature and one status that are told apart."""
_PATIENCE = 2.0
"""Seconds of the processor that one signature may take for all its lines."""
_END = 6
"""How many lines from the end a signature of the end may stand."""
_LAST = 10
"""Lines that look like errors that are kept."""
_SAMPLE = 2 << 10
"""Bytes that tell whether the lines of a block are the same but for numbers."""
_DIGITS = b"0123456789"
_NOUGHTS = bytes.maketrans(_DIGITS, b"0" * 10)
_TROUBLE = frozenset(
    b"error error: Error Error: ERROR ERROR: [ERROR] [error] fatal fatal: FATAL FATAL: Fatal failed failed: Failed FAILED cannot"
    b" Cannot unable Unable Traceback Exception Exception: exception Killed Aborted Segmentation CRITICAL panic: denied".split()
)
_ERROR = re.compile(
    r"\b(?:error|fatal|fail(?:ed|ure)?|exception|traceback|killed|aborted|segmentation fault|critical|panic|denied"
    r"|cannot|could not|unable to|not found|no such)\b|\w(?:Error|Exception|Interrupt)\b",
    re.IGNORECASE,
)
_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be", codecs.BOM_UTF8: ""}
"""With what a text may begin, and what it is in; UTF-16 is what PowerShell writes of what ssh printed."""


class _Wanted(NamedTuple):
    """A wording with the signature that it is of and the words that it needs. `rank` counts them as they were given."""

    rank: int
    wording: Wording
    signature: Signature
    words: frozenset[bytes]


class _Hit(NamedTuple):
    """A line that a wording fits. Hits are in the order of lines, and on one line in that of the wordings."""

    first: int
    rank: int
    at: int
    line: Line
    begin: int
    held: Mapping[str, str]
    signature: Signature


class Reader:
    """Takes the bytes of a log as they come (`feed`) and says at the end (`close`) what they mean."""

    def __init__(self, signatures: Iterable[Signature]) -> None:
        self._index: dict[bytes, list[_Wanted]] = defaultdict(list)
        self._ends: list[_Wanted] = []
        self._signatures: list[Signature] = []
        for rank, (signature, wording) in enumerate((one, text) for one in signatures for text in one.wordings):
            some = self._ends if signature.at_end else self._index[wording.rarest]
            some.append(_Wanted(rank, wording, signature, wording.words))
            self._signatures.append(signature)
        self._known = _TROUBLE.union(*(one.wording.words for some in self._index.values() for one in some))
        self._undigited: dict[bytes, set[bytes]] = defaultdict(set)
        for word in self._known:
            self._undigited[word.translate(None, _DIGITS)].add(word)
        self._looks: dict[int, int] = defaultdict(int)
        self._enough: set[int] = set()
        self._decoder: codecs.IncrementalDecoder | None = None
        self._begun = self._open = False
        self._raw: list[bytes] = []
        self._size = self._waiting = self._lines = 0
        self._behind = self._ahead = b""
        self._meanings: dict[Signature, dict[tuple[Status, str], _Meaning]] = defaultdict(dict)
        self._spent: dict[Signature, float] = defaultdict(float)
        self._trouble: list[tuple[bytes, int]] = []
        self._problems: dict[Signature, str] = {}

    def feed(self, data: bytes) -> None:
        """Some bytes more, of any number."""
        self._size += len(data)
        if self._begun:
            self._take(data)
        else:
            self._raw.append(data)
            if self._size >= max(map(len, _MARKS)):
                self._begin()

    def _begin(self) -> None:
        self._begun = True
        data, self._raw = b"".join(self._raw), []
        mark = next((mark for mark in _MARKS if data.startswith(mark)), b"")
        if name := _MARKS.get(mark):
            self._decoder = codecs.getincrementaldecoder(name)("replace")
        self._take(data[len(mark) :])

    def _take(self, data: bytes, *, last: bool = False) -> None:
        if self._decoder is not None:
            data = self._decoder.decode(data, last).encode(errors="replace")
        self._raw.append(data)
        self._waiting += len(data)
        if self._waiting < BLOCK:
            return
        raw, begin = b"".join(self._raw), 0
        while len(raw) - begin >= BLOCK:
            end = cut(raw, begin, begin + BLOCK)
            self._look(raw[begin:end])
            begin = end
        self._raw, self._waiting = [raw[begin:]], len(raw) - begin

    def close(self) -> Log:
        """What it means. Nothing can be fed any more."""
        if not self._begun:
            self._begin()
        self._take(b"", last=True)
        self._look(b"".join(self._raw), last=True)
        findings = ordered(tuple(self._findings()))
        return Log(findings, self._last_errors(), self._lines + self._open, self._size, tuple(self._problems.values()))

    def _look(self, raw: bytes, *, last: bool = False) -> None:
        """Look at a block: all but its end, which is kept until it is known what follows."""
        raw = self._behind + self._ahead + cleared(raw)
        begin = len(self._behind)
        end = len(raw) if last else cut(raw, begin, len(raw) - AHEAD)
        start = begin_of_line(raw, begin, max(0, begin - LINE // 2))  # where a line goes on, what was before is looked at again
        there, surely = self._there(raw[start:end])
        if last or not _TROUBLE.isdisjoint(there):
            self._trouble = [*self._trouble[-1:], (raw[begin:end], self._lines)]
        wanted = self._wanted(there)
        if not surely:
            wanted = [one for one in wanted if all(raw.find(word, start, end) >= 0 for word in one.words)]
        if wanted or last:
            before, text, after = unstyled(raw[:start]), unstyled(raw[start:end]), unstyled(raw[end:])
            block = Block(before + text + after, len(before), self._lines + 1)
            self._judge(block, self._search(block, len(before), len(before) + len(text), wanted))
            if last:
                self._judge_last(block, self._hits_in(block, block.tail(_END), len(block.text), self._ends))
        self._lines += raw.count(b"\n", begin, end)
        if end > begin:
            self._open = not raw.endswith(b"\n", begin, end)
        self._behind, self._ahead = raw[max(0, end - BEHIND) : end], raw[end:]

    def _there(self, part: bytes) -> tuple[frozenset[bytes], bool]:
        """The words of wordings that are in it, and whether surely: not if they may differ from those there in digits."""
        if styled(part):
            part = unstyled(b"\n".join(set(part.translate(_NOUGHTS).split()))).replace(b"\a", b" ").translate(None, _DIGITS)
        else:
            rows = part[:_SAMPLE].translate(None, _DIGITS).splitlines()
            if not 2 * len(set(rows)) < len(rows) < _SAMPLE // 8:
                return self._known.intersection(part.split()), True
            part = b"\n".join(set(part.translate(None, _DIGITS).splitlines()))
        known = self._undigited.keys() & {b"", *part.split()}
        return frozenset().union(*(self._undigited[word] for word in known)), False

    def _wanted(self, there: frozenset[bytes]) -> list[_Wanted]:
        """The wordings whose words are all there."""
        return [one for word in self._index.keys() & there for one in self._index[word] if one[3] <= there]

    def _search(self, block: Block, begin: int, end: int, wanted: list[_Wanted]) -> Iterator[_Hit]:
        """The lines that they fit, in order."""
        if _FEW < len(wanted) < _MANY:
            text = block.text[begin:end]
            wanted = [one for one in wanted if all(part in text for part in one.wording.parts)]
        if len(wanted) <= _FEW:
            yield from self._hits_in(block, begin, end, wanted)
            return
        for first, upto, part in block.parts(begin, end, _PART):
            some = self._wanted(self._known.intersection(part.split()))
            if some := [one for one in some if one.wording.key in part]:
                yield from self._hits_in(block, first, upto, some)

    def _hits_in(self, block: Block, begin: int, end: int, wanted: list[_Wanted]) -> list[_Hit]:
        hits: list[_Hit] = []
        for rank, wording, signature, _ in wanted:
            (key, *others), upto = wording.parts, begin
            while rank not in self._enough and (at := block.text.find(key, upto, end)) >= 0:
                line = block.line(at, at + len(key))
                upto = max(line.upto, at + 1)
                for other in others:
                    if other not in line.raw:
                        break
                else:
                    found = wording.find(line.usual)
                    if found is not None:
                        hits.append(_Hit(line.first, rank, at, line, *found, signature))
                    self._count(rank, 1 if found is None else _HIT)
        return sorted(hits)

    def _judge(self, block: Block, hits: Iterable[_Hit]) -> None:
        judged: set[tuple[int, Signature]] = set()
        for hit in hits:  # of a signature's texts, the first one counts that fits a line and says something
            if (hit.first, hit.signature) not in judged and (status := self._says(block, hit)):
                judged.add((hit.first, hit.signature))
                self._count(hit.rank, 0 if status is Status.OK else _SAID - _HIT)

    def _count(self, rank: int, looks: int) -> None:
        self._looks[rank] += looks
        if self._looks[rank] >= _LOOKS and rank not in self._enough:
            self._enough.add(rank)
            for some in self._index.values():
                some[:] = [one for one in some if one.rank != rank]

    def _judge_last(self, block: Block, hits: Sequence[_Hit]) -> None:
        judged: set[Signature] = set()
        for hit in reversed(hits):
            if hit.signature not in judged and self._says(block, hit):
                judged.add(hit.signature)

    def _says(self, block: Block, hit: _Hit) -> Status | None:
        """The status of what a hit means, which then is a finding, or one line more of one; None where it means nothing."""
        found = Found(hit.line.usual.strip(), hit.held, block.number(hit.first), partial(block.around, hit.line))
        verdict = self._asked(hit.signature, found)
        if verdict is None or quoted(hit.line.usual, hit.begin):
            return None
        meanings = self._meanings[hit.signature]
        key = verdict.status, verdict.summary
        if key in meanings or sum(status is verdict.status for status, _ in meanings) < _MEANINGS:
            meanings.setdefault(key, _Meaning(verdict)).add(Quote(found.number, hit.line.near(hit.at, _QUOTED)), hit.held)
        return verdict.status

    def _asked(self, signature: Signature, found: Found) -> Verdict | None:
        """What a signature says of a line."""
        if self._spent[signature] > _PATIENCE:
            return None
        began = time.thread_time()
        try:
            verdict: object = signature.function(found)
        except (Exception, SystemExit) as error:  # noqa: BLE001 (a stranger's signature may raise anything)
            self._problem(signature, f"broke on line {found.number}: {words(error)}")
            verdict = None
        self._spent[signature] += time.thread_time() - began
        if self._spent[signature] > _PATIENCE:
            self._problem(signature, f"is slow, and was not asked about what is below line {found.number}")
        if isinstance(verdict, Verdict) and sound(verdict):
            return verdict if verdict.status in (Status.FAILED, Status.WARNING, Status.OK) else None
        if verdict is not None:
            self._problem(signature, f"returned {type(verdict).__name__} and no verdict on line {found.number}")
        return None

    def _problem(self, signature: Signature, what: str) -> None:
        self._problems.setdefault(signature, f"signature {signature.id} {what}")

    def _findings(self) -> Iterator[Finding]:
        enough = {self._signatures[rank] for rank in self._enough}
        for signature, meanings in self._meanings.items():
            for meaning in meanings.values():
                quotes = tuple(meaning.quotes)
                yield Finding(signature, meaning.verdict, meaning.held, quotes, meaning.count, signature in enough)

    def _last_errors(self) -> tuple[Quote, ...]:
        found: list[Quote] = []
        for block, number in self._trouble:
            for offset, raw in enumerate(unstyled(block).split(b"\n"), number + 1):
                text = raw.rstrip(b"\r").rpartition(b"\r")[2].decode(errors="replace").rstrip()[:_QUOTED]
                if _ERROR.search(text):
                    found.append(Quote(offset, text))
            found = found[-_LAST:]
        return tuple(found)


class _Meaning:
    """One meaning of one signature, with the lines that have it, which are added in order."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.held: dict[str, str] = {}
        self.quotes: list[Quote] = []
        self.count = self._number = 0

    def add(self, quote: Quote, held: Mapping[str, str]) -> None:
        self.held = {**held, **self.held}
        if quote.number <= self._number:  # another part of the same line
            return
        self._number = quote.number
        self.count += 1
        if len(self.quotes) < LINES:
            self.quotes.append(quote)
