"""JSON as OpenFold3's parser reads it, with the place of each value."""

import json
import re
from bisect import bisect_left
from json.decoder import scanstring  # type: ignore[attr-defined] # (C, and in every version)
from typing import Any, NamedTuple

from sparkdoctor.query.nouns import Problem

LIMIT = 16 << 20
"""Bytes of a query file that are read."""
_WORD = re.compile(r"[A-Za-z_][\w-]*")


class Node(NamedTuple):
    """A value and where it begins; objects hold nodes by key, lists hold nodes."""

    value: Any
    at: int


class Malformed(ValueError):  # noqa: N818 (it carries a problem of the file, it is none of ours)
    """A text that is no JSON."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text)
        self.problem = problem


_NUMBER = re.compile(r"(-?(?:0|[1-9][0-9]*))(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_BLANK = re.compile(r"[ \t\n\r]*")
_CONSTANTS = {
    "null": None,
    "true": True,
    "false": False,
    "NaN": float("nan"),
    "Infinity": float("inf"),
    "-Infinity": float("-inf"),
}
_DEPTH = 201
"""Levels that the parser of OpenFold3's pydantic descends."""
_NAME = re.compile(r"\w+")


def decoded(given: str | bytes) -> str:
    """The text of a file.

    Raises:
        Malformed: it is too large, or not UTF-8.
    """
    if len(given) > LIMIT:
        raise Malformed(Problem("", None, f"larger than {LIMIT >> 20} MiB: it was not read", rejected=True))
    if isinstance(given, str):
        return given
    try:
        return given.decode()
    except UnicodeDecodeError as error:
        line, column = given.count(b"\n", 0, error.start) + 1, error.start - given.rfind(b"\n", 0, error.start)
        text = f"column {column}: byte 0x{given[error.start]:02x} is not UTF-8"
        raise Malformed(Problem("", line, text, rejected=True)) from None


class Json:
    """JSON as OpenFold3's parser reads it: NaN is a number, and of a key that stands twice the last one counts."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends: list[int] = []
        self.notes: list[Problem] = []

    def read(self) -> Node:
        """The document.

        Raises:
            Malformed: it is no JSON.
        """
        if self._text.startswith("\ufeff"):
            raise self._wrong(0, "the file begins with a byte order mark (BOM): save it as UTF-8 without")
        root, at = self._value(0, "", 0)
        if (at := self._skip(at)) < len(self._text):
            raise self._wrong(at, "nothing more is due after the end of the document")
        return root

    def line(self, at: int) -> int:
        """The line of a place, counted from 1."""
        if not self._ends:
            self._ends = [found.start() for found in re.finditer("\n", self._text)] + [len(self._text) + 1]
        return bisect_left(self._ends, at) + 1

    def _skip(self, at: int) -> int:
        found = _BLANK.match(self._text, at)
        return found.end() if found else at

    def _wrong(self, at: int, due: str) -> Malformed:
        """What is wrong at a place where something else is due."""
        text = self._text
        rest = text[at : at + 40].split("\n")[0]
        column = at - text.rfind("\n", 0, at)
        wrong = due
        if at >= len(text):
            wrong = "the file is empty" if not text.strip() else f"the text ends where {due}"
        elif rest.startswith(("//", "/*", "#")):
            wrong = "JSON has no comments"
        elif rest.startswith("'"):
            wrong = "JSON has double quotes only"
        elif rest.startswith((",", "]", "}")) and text[:at].rstrip().endswith(","):
            wrong = "a comma too many"
        elif (word := _NAME.match(rest)) and word[0] in ("True", "False", "None"):
            wrong = f"{word[0]} is Python's; JSON has true, false and null"
        elif due.endswith("is due"):
            wrong = f"{due}, not {clipped(''.join(one if one.isprintable() else '�' for one in rest))}"
        return Malformed(Problem("", self.line(at), f"column {column}: {wrong}", rejected=True))

    def _string(self, at: int) -> tuple[str, int]:
        try:
            string, end = scanstring(self._text, at + 1)
        except json.JSONDecodeError as error:
            what = {"Unterminated": "this text does not end", "Invalid control": "a text has a line break or a control character"}
            said = next((words for begin, words in what.items() if error.msg.startswith(begin)), "no such escape")
            raise self._wrong(min(error.pos, len(self._text) - 1), said) from None
        if not string.isascii():
            try:
                string.encode()
            except UnicodeEncodeError:
                raise self._wrong(at, "a text has half of a surrogate pair") from None
        return string, end

    def _value(self, at: int, where: str, depth: int) -> tuple[Node, int]:
        text = self._text
        at = self._skip(at)
        match text[at : at + 1]:
            case '"':
                string, end = self._string(at)
                return Node(string, at), end
            case "{" | "[" as opening:
                if depth >= _DEPTH:
                    raise self._wrong(at, "nested too deeply")
                return self._object(at, where, depth + 1) if opening == "{" else self._list(at, where, depth + 1)
        if number := _NUMBER.match(text, at):
            return Node(self._number(number), at), number.end()
        for word, constant in _CONSTANTS.items():
            if text.startswith(word, at):
                if not word.islower():
                    note = f"{word} is no JSON: other programs refuse this file"
                    self.notes.append(Problem(where, self.line(at), note, fatal=False))
                return Node(constant, at), at + len(word)
        raise self._wrong(at, "a value is due")

    def _number(self, found: re.Match[str]) -> int | float:
        try:
            return float(found[0]) if found[2] or found[3] else int(found[0])
        except ValueError:  # thousands of digits
            raise self._wrong(found.start(), "a number too long to be read") from None

    def _object(self, at: int, where: str, depth: int) -> tuple[Node, int]:
        start, members = at, dict[str, Node]()
        at = self._skip(at + 1)
        if self._text.startswith("}", at):
            return Node(members, start), at + 1
        while True:
            if not self._text.startswith('"', at := self._skip(at)):
                raise self._wrong(at, "a key in double quotes is due")
            begin, (key, at) = at, self._string(at)
            if not self._text.startswith(":", at := self._skip(at)):
                raise self._wrong(at, "a colon is due")
            inner = under(where, key)
            if key in members:
                note = f"stands here again: what line {self.line(members[key].at)} says is lost"
                self.notes.append(Problem(inner, self.line(begin), note))
            members[key], at = self._value(at + 1, inner, depth)
            at = self._skip(at)
            if self._text.startswith("}", at):
                return Node(members, start), at + 1
            if not self._text.startswith(",", at):
                raise self._wrong(at, "a comma or } is due")
            at += 1

    def _list(self, at: int, where: str, depth: int) -> tuple[Node, int]:
        start, items = at, list[Node]()
        at = self._skip(at + 1)
        if self._text.startswith("]", at):
            return Node(items, start), at + 1
        while True:
            item, at = self._value(at, f"{where}[{len(items)}]", depth)
            items.append(item)
            at = self._skip(at)
            if self._text.startswith("]", at):
                return Node(items, start), at + 1
            if not self._text.startswith(",", at):
                raise self._wrong(at, "a comma or ] is due")
            at += 1


def under(where: str, key: str) -> str:
    """The path of a key in the object at `where`."""
    if key.isdecimal() and where:
        return f"{where}[{clipped(key)}]"
    word = clipped(key) if _WORD.fullmatch(key) else f"[{clipped(json.dumps(key, ensure_ascii=False))}]"
    return word if not where else f"{where}.{word}" if not word.startswith("[") else where + word


def clipped(text: str, length: int = 60) -> str:
    """A text's beginning and end."""
    return text if len(text) <= length else f"{text[: length - 12]}…{text[-11:]}"


def shown(value: Any) -> str:
    """A value as it stands in a file, in few characters."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return clipped(json.dumps(value, ensure_ascii=False))


def plain(node: Node) -> Any:
    """The value without the places."""
    if isinstance(node.value, dict):
        return {key: plain(value) for key, value in node.value.items()}
    return [plain(item) for item in node.value] if isinstance(node.value, list) else node.value
