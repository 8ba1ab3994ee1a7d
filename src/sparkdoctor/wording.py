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
    "number": r"[\d.]",
    "int": r"\d",
}
"""What may stand in a hole, by the word after its colon: one class of characters each, so that nothing is tried twice."""
_RUNS = {kind: re.compile(f"{one}+") for kind, one in KINDS.items()}
_LONGEST = 400
"""Characters that a hole holds at most."""
_TRIES = 8
"""How often a line is searched for the beginning of a wording."""


class Wording:
    """A text that a tool prints in one line.

    `Value '{gpu:name}' is not defined for option 'gpu-name'` is written as the tool prints it, with each run of blanks as one
    blank. Where something varies is a hole, with a name where it is of use; its kind (`KINDS`) says what may stand there: any
    text where there is none. A blank at either end stands for the edge of the line too. Braces are doubled.

    Raises:
        ValueError: the text holds no whole word (with blanks on both sides) to look for, or cannot be read.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._literals: list[str] = [""]
        self._holes: list[tuple[str, str]] = []
        for literal, name, kind, conversion in string.Formatter().parse(text):
            self._literals[-1] += literal
            if name is not None:
                if (kind or "") not in KINDS or conversion:
                    raise ValueError(
                        f"{text!r}: a hole is {{name}} or {{name:kind}} with one of {', '.join(filter(None, KINDS))}"
                    )
                if not self._literals[-1] and self._holes:
                    raise ValueError(f"{text!r}: two holes need a text between them")
                self._holes.append((name, kind or ""))
                self._literals.append("")
        if any("  " in literal or "\n" in literal for literal in self._literals):
            raise ValueError(f"{text!r}: one blank stands for any run of them, and a wording is of one line")
        if not self.words:
            raise ValueError(f"{text!r}: there is no whole word in it, with blanks on both sides, to look for")

    @cached_property
    def words(self) -> frozenset[bytes]:
        """The words, as they stand between blanks, that are in each line which it fits."""
        found = {word for literal in self._literals for word in re.findall(r"(?<=\s)\S+(?=\s)", literal)}
        return frozenset(word.encode() for word in found if not set(word) & set("'\"\\&"))  # these may be written otherwise

    @cached_property
    def key(self) -> bytes:
        """The longest piece of text that is in each line which it fits, just so."""
        pieces = (piece.strip() for literal in self._literals for piece in re.split(r"['\"\\&]", literal))
        return max(pieces, key=len).encode()

    def fit(self, line: str) -> dict[str, str] | None:
        """What the holes hold where the line holds this text, None where it does not.

        `line` begins and ends with a blank, and has no others that are not single.
        """
        first = self._literals[0] or self._literals[1]
        at = -1
        for _ in range(_TRIES):
            at = line.find(first, at + 1)
            if at < 0:
                return None
            found = self._from(line, at)
            if found is not None:
                return found
        return None

    def _from(self, line: str, at: int) -> dict[str, str] | None:
        found: dict[str, str] = {}
        literals, holes = self._literals[1:], self._holes
        end = at + len(self._literals[0])
        if not self._literals[0]:
            (name, kind), holes = holes[0], holes[1:]
            run = _RUNS[kind].match(line[max(0, at - _LONGEST) : at][::-1])
            if run is None or not run[0].strip():
                return None
            found[name] = run[0][::-1].strip()
            end, literals = at + len(literals[0]), literals[1:]
        for (name, kind), literal in zip(holes, literals, strict=True):
            run = _RUNS[kind].match(line, end, min(len(line), end + _LONGEST))
            if run is None:
                return None
            # Only a run that may hold anything can hold the text behind it too.
            upto = line.find(literal, end + 1, run.end() + len(literal)) if literal else run.end()
            held = line[end:upto].strip()
            if upto < 0 or not held:
                return None
            found[name] = held if literal else held.rstrip(".,:;")
            end = upto + len(literal)
        found.pop("", None)
        return found
