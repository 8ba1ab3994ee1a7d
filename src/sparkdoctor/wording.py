"""What tools print, as a text with holes: found without regular expressions, in time that grows with the line alone."""

import re
import string
from collections.abc import Mapping
from functools import cached_property

KINDS: Mapping[str, str] = {
    "": r".",
    "word": r"\S",
    "path": r"""[^\s'"`,;()<>]""",
    "name": r"[\w.+-]",
    "number": r"[0-9.]",
    "int": r"[0-9]",
}
"""What may stand in a hole, by the word after its colon: one class of characters each, so that nothing is tried twice."""
_RUNS = {kind: re.compile(f"{one}+") for kind, one in KINDS.items()}
_LONGEST = 400
"""Characters that a hole holds at most."""
_TRIES = 8
"""How often a line is searched for the beginning of a wording."""
_SPELLINGS = {
    "'": ("‘", "’", "‚", "‛", "′", "´", "&#39;", "&#x27;", "&apos;", "\\u0027", "\\u2018", "\\u2019", "\\'"),
    '"': ("“", "”", "„", "″", "&quot;", "&#34;", "\\u0022", "\\u201c", "\\u201d", '\\"'),
    "<": ("&lt;", "\\u003c"),
    ">": ("&gt;", "\\u003e"),
    "&": ("&amp;", "\\u0026"),
}
_PLAIN = re.compile(r"[^'\"<>&\\]+")
"""Text without what may be spelled otherwise."""
_COMMON = frozenset(
    b"No such file or directory not found error: Error: error warning: Error ERROR: failed: failed Failed command the to a an of"
    b" for in is on with from and as be by at it this that was are open cannot exit code".split()
)
"""Words that are in many lines of logs."""


class Wording:
    """A text that a tool prints in one line.

    `Value '{gpu:name}' is not defined for option 'gpu-name'` is written as the tool prints it, with each run of blanks as one
    blank. Where something varies is a hole, with a name where it is of use; its kind (`KINDS`) says what may stand there: any
    text where there is none. A hole holds as little as the text behind it allows, and is never empty. A blank at either end
    stands for the edge of the line too. Braces are doubled.

    Raises:
        ValueError: the text holds no whole word (with blanks on both sides) to look for, or cannot be read.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._literals: list[str] = [""]
        self._holes: list[tuple[str, str]] = []
        for literal, name, kind, conversion in string.Formatter().parse(text):
            self._literals[-1] += usual(literal)
            if name is not None:
                if (kind or "") not in KINDS or conversion:
                    raise ValueError(
                        f"{text!r}: a hole is {{name}} or {{name:kind}} with one of {', '.join(filter(None, KINDS))}"
                    )
                if not self._literals[-1] and self._holes:
                    raise ValueError(f"{text!r}: two holes need a text between them")
                if name and name in dict(self._holes):
                    raise ValueError(f"{text!r}: two holes are called {name}")
                self._holes.append((name, kind or ""))
                self._literals.append("")
        if any(" ".join(f".{literal}.".split()) != f".{literal}." for literal in self._literals):
            raise ValueError(f"{text!r}: one blank stands for any run of them, and a wording is of one line")
        # A hole behind nothing but a blank is found from behind.
        self._alone = self._literals[0] == " " and bool(self._holes) and self._holes[0][1] != ""
        if self._literals[0] == " " and self._holes:
            self._literals[0] = ""
        self._longest = max(self._literals, key=len)
        if not self.words:
            raise ValueError(f"{text!r}: there is no whole word in it, with blanks on both sides, to look for")

    @cached_property
    def words(self) -> frozenset[bytes]:
        """Words, as they stand between blanks, that are in each line which it fits; of the rare ones if there are any."""
        found = {word for literal in self._literals for word in re.findall(r"(?<=\s)\S+(?=\s)", literal)}
        words = frozenset(word.encode() for word in found if _PLAIN.fullmatch(word))
        rare = words - _COMMON
        return words if all(word.isdigit() for word in rare) else rare  # a number alone is in every log

    @cached_property
    def rarest(self) -> bytes:
        """The one of its words that is in the fewest lines, as far as that can be told."""
        return max(self.words, key=_rarity)

    @cached_property
    def parts(self) -> tuple[bytes, ...]:
        """Words and parts of words that are in each line which it fits, the rarest first; they need no blanks beside them."""
        parts = {str.encode(word) for literal in self._literals for part in _PLAIN.findall(literal) for word in part.split()}
        return tuple(sorted(parts, key=_rarity, reverse=True))

    @cached_property
    def key(self) -> bytes:
        """The rarest of these."""
        return self.parts[0]

    def fit(self, line: str) -> dict[str, str] | None:
        """What the holes hold where the line holds this text, None where it does not; `line` as for `find`."""
        found = self.find(line)
        return None if found is None else found[1]

    def find(self, line: str) -> tuple[int, dict[str, str]] | None:
        """Where this text begins in a line, and what its holes hold; None where it is not there.

        `line` begins and ends with a blank, and has no others that are not single.
        """
        if self._longest not in line:
            return None
        first, at = self._literals[0] or self._literals[1], -1
        for _ in range(_TRIES):
            at = line.find(first, at + 1)
            if at < 0:
                return None
            found = self._from(line, at)
            if found is not None:
                return found
        return None

    def _from(self, line: str, at: int) -> tuple[int, dict[str, str]] | None:
        begin = at + self._literals[0].startswith(" ")
        found: dict[str, str] = {}
        literals, holes = self._literals, self._holes
        if not literals[0]:
            (name, kind), holes, literals = holes[0], holes[1:], literals[1:]
            run = _RUNS[kind].match(line[max(0, at - _LONGEST) : at][::-1])
            found[name] = run[0][::-1].strip() if run else ""
            begin = at - run.end() if run else at
            if not found[name] or (run and self._alone and line[at - run.end() - 1] != " "):
                return None
        end = at + len(literals[0])
        for (name, kind), literal in zip(holes, literals[1:], strict=True):
            run = _RUNS[kind].match(line, end, end + _LONGEST)
            if run is None:
                return None
            upto = run.end()
            if literal:
                # Only a run that may hold anything can hold the text behind it too. A blank alone is nothing held.
                upto = line.find(literal, end + 1 + line.startswith(" ", end), upto + len(literal))
                if upto < 0:
                    return None
            found[name] = line[end:upto].strip() if literal else run[0].strip().rstrip(".,:;")
            if not found[name]:
                return None
            end = upto + len(literal)
        found.pop("", None)
        return begin, found


def _rarity(word: bytes) -> tuple[float, bytes]:
    return len(word) / (4 if word in _COMMON else 1), word


def usual(text: str) -> str:
    """A text with the marks that tools print, where a web page, another locale or a log's own format spell them otherwise."""
    if not text.isascii() or "\\" in text or "&" in text:
        for mark, spellings in _SPELLINGS.items():
            for spelling in spellings:
                text = text.replace(spelling, mark)
    return text
