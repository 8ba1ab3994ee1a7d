"""The file of `export` lines that a user's shells read: what it sets, and how lines are merged into it."""

import re
from collections.abc import Iterator, Mapping
from posixpath import dirname
from shlex import quote
from typing import Self

from sparkdoctor.facts.places import home, locate
from sparkdoctor.machine import Fact, FileStatus, Machine
from sparkdoctor.model import Missing
from sparkdoctor.plan import MakeDirectory, Step, WriteFile
from sparkdoctor.record import NamedTuple

MARK = "sparkdoctor: "
"""What begins the comment of a line that is ours."""
HEADER = f"""\
# Variables for this machine. Lines marked `{MARK.strip()}` are written by `sparkdoctor fix`; any other line is yours, and wins.
# A shell reads this file with:  . ~/.config/sparkdoctor/environment.sh
"""


class Export(NamedTuple):
    """What a file sets a variable to.

    `value` is None where it is unset, or, unless `known`, where only a shell could tell. `ours` is a marked line, whose
    reason is `reason`.
    """

    value: str | None
    known: bool = True
    ours: bool = False
    reason: str = ""


class EnvironmentFile(Fact):
    """$XDG_CONFIG_HOME/sparkdoctor/environment.sh, else ~/.config/sparkdoctor/environment.sh; there or not.

    `path` is without links, `text` None where there is no file, `new` the directories that would have to be made for it.
    `obstacle` says why it must not be written, and is empty where it may; `exports` is what it sets.
    """

    path: str
    text: str | None
    new: tuple[str, ...]
    obstacle: str
    exports: Mapping[str, Export]

    def steps(self, text: str) -> tuple[Step, ...]:
        """What writes it."""
        return (*(MakeDirectory(path, 0o700) for path in self.new), WriteFile(self.path, text, self.text))

    @property
    def read(self) -> str:
        """The command with which a shell reads it."""
        return f". {quote(self.path)}"

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Look at the file and at the directories over it."""
        config = machine.env("XDG_CONFIG_HOME") or ""
        if not config.startswith("/"):  # the XDG specification has a relative one ignored
            base = home(machine)
            if not base.startswith("/") and machine.env("HOME") != "/":
                return Missing("there is no home directory to keep a file in: HOME is not set")
            config = f"{base}/.config"
        place = locate(machine, f"{config}/sparkdoctor/environment.sh")
        over = locate(machine, f"{config}/sparkdoctor")
        path = f"{over.path}/environment.sh"
        uid = machine.itself()["uid"]
        nearest = next(iter(over.above), None) if over.status is None else (over.path, over.status)
        new = [] if over.status or nearest is None else _between(nearest[0], over.path)
        names = () if over.status is None else machine.entries(over.path)
        there = not isinstance(names, Missing) and "environment.sh" in names
        if place.path != path or (there and place.status is None):
            return cls(path, None, (), f"{path} is a symbolic link", {})
        if obstacle := over.obstacle:
            return cls(path, None, (), obstacle, {})
        if nearest and nearest[1].uid not in (uid, None):
            return cls(path, None, (), f"{nearest[0]} belongs to somebody else (uid {nearest[1].uid})", {})
        if place.status is None:
            return cls(path, None, tuple(new), "", {})
        text = machine.read(path)
        obstacle = _unusable(path, place.status, uid) or (text.reason if isinstance(text, Missing) else "")
        if obstacle or isinstance(text, Missing):
            return cls(path, None, (), obstacle, {})
        if "\0" in text or len(text.encode()) != place.status.size:  # what is not UTF-8 is read as escapes, which are longer
            return cls(path, None, (), f"{path} is not a text in UTF-8", {})
        try:
            return cls(path, text, (), "", parse(text))
        except ValueError as error:
            return cls(path, text, (), f"{path} cannot be understood: {error}", {})


def _between(there: str, path: str) -> list[str]:
    """The directories from one that is there down to a path."""
    found: list[str] = []
    while path not in (there, "/"):
        found.append(path)
        path = dirname(path)
    return found[::-1]


def _unusable(path: str, status: FileStatus, uid: int) -> str:
    if status.kind != "file":
        return f"{path} is no file"
    if status.uid not in (uid, None):
        return f"{path} belongs to somebody else (uid {status.uid})"
    return "" if status.writable else f"{path} cannot be written by this user"


def merged(existing: str | None, wanted: Mapping[str, tuple[str, str]]) -> str:
    """The text of the file with a marked line `export NAME=value  # sparkdoctor: reason` for each of `wanted` (value, reason).

    Marked lines of these names are updated in place, new ones follow at the end. Whatever is not marked stays as it is, byte
    for byte; a name that it deals with is the user's, and no marked line of that name remains.

    Raises:
        ValueError: the existing text is not understood, or a name is none that a shell could set; the message says why.
    """
    for name, (value, _) in wanted.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or "\0" in value:
            raise ValueError(f"a shell cannot set {name!r} to {value!r}")
    lines = list(_lines(existing or ""))
    users = {name for line in lines if line.ours is None for name in line.names}
    pending = {name: _line(name, *wanted[name]) for name in wanted if name not in users}
    parts: list[str] = []
    for line in lines:
        if line.ours is None or (line.ours not in wanted and line.ours not in users):
            parts.append(line.text)
        elif new := pending.pop(line.ours, None):
            parts.append(new + "\n" * line.text.endswith("\n"))
    text = "".join(parts) if existing else HEADER
    if pending and not text.endswith("\n") and text:
        text += "\n"
    return text + "".join(f"{line}\n" for line in pending.values())


def without(existing: str, names: frozenset[str]) -> str:
    """The text of the file without our marked lines of these names.

    Raises:
        ValueError: the existing text is not understood.
    """
    return "".join(line.text for line in _lines(existing) if line.ours not in names)


def parse(text: str) -> dict[str, Export]:
    """What a shell that reads the file sets and exports, as far as that can be told without running it.

    Raises:
        ValueError: the text is not understood: quotes or a compound command that do not end, a here-document, a `return`.
    """
    exports: dict[str, Export] = {}
    shell: dict[str, Export] = {}
    for line in _lines(text):
        for name in line.names:
            value = line.values.get(name) or Export(None, known=False)
            if value.value is None and name in line.exported and name not in line.values:
                value = shell.get(name, Export(None, known=False))
            shell[name] = value
            if name in line.exported or name in exports:
                exports[name] = value
            else:
                exports[name] = Export(None, known=False)  # set, and exported only where it was before
    return exports


def _line(name: str, value: str, reason: str) -> str:
    words = " ".join("".join(letter if letter.isprintable() else " " for letter in reason).split())
    return f"export {name}={quote(value)}  # {MARK}{words}"


# --- reading shell


class _Line(NamedTuple):
    """A logical line: its text with its newline; the names that it deals with, those it exports, the values that are plain."""

    text: str
    names: tuple[str, ...]
    values: Mapping[str, Export]
    exported: frozenset[str]
    ours: str | None


class _Word(NamedTuple):
    """A word as it stands, what a shell makes of it (None where only a shell can tell), or an operator."""

    raw: str
    value: str | None
    operator: bool = False


_OPENING = {"if": "fi", "for": "done", "while": "done", "until": "done", "select": "done", "case": "esac", "{": "}", "(": ")"}
_CLOSING = frozenset(_OPENING.values())
_BETWEEN = frozenset(("then", "else", "elif", "do", "!", "time"))
_NAMING = frozenset(("export", "readonly", "unset", "read", "declare", "typeset", "for", "select"))
"""What is followed by names that it sets."""
_ASSIGNMENT = r"(?a)([A-Za-z_]\w*)(\+?)="
_NAME = r"(?a)[A-Za-z_]\w*"
_EXPANDED = r"(?a)\$\{([A-Za-z_]\w*):?="


def _lines(text: str) -> Iterator[_Line]:
    """The logical lines of a shell file."""
    if "\0" in text:
        raise ValueError("it is not text")
    at = 0
    open_: list[str] = []
    while at < len(text):
        start = at
        try:
            words, comment, at = _scan(text, at)
        except RecursionError:
            raise ValueError("its expansions are nested too deeply") from None
        inside = bool(open_)
        yield _judged(text[start:at], words, comment, open_, inside=inside)
    if open_:
        raise ValueError(f"it ends before {open_[-1]!r}")


def _judged(text: str, words: list[_Word], comment: str, open_: list[str], *, inside: bool) -> _Line:
    values: dict[str, Export] = {}
    exported: set[str] = set()
    names: dict[str, None] = {}
    sure = not inside and all(not word.operator or word.raw == ";" for word in words)
    for command in _commands(words):
        command = _follow(command, open_)  # noqa: PLW2901
        certain = sure and not open_
        first = command[0].raw if command else ""
        mentioned = [name for word in command for name in _mentioned(word.raw, plain=first in _NAMING)]
        names.update(dict.fromkeys(mentioned))
        if first in ("return", "exit", "exec") and certain:
            raise ValueError(f"it ends with {first!r} before its end")
        if first in ("export", "unset"):
            exported.update(mentioned)
        if any(word.raw.startswith("-") for word in command[1:]):
            values |= dict.fromkeys(mentioned, Export(None, known=False))
        elif first == "unset":
            values |= dict.fromkeys(mentioned, Export(None, known=certain))
        elif first in ("export", "readonly") or all(re.match(_ASSIGNMENT, word.raw) for word in command):
            values |= {name: value for word in command for name, value in _assigned(word, certain=certain)}
    ours = None
    match words:
        case [_Word(raw="export"), _Word(raw=raw, value=str())] if not inside and comment.startswith(f"# {MARK}"):
            if assigned := re.match(_ASSIGNMENT, raw):
                ours = assigned[1]
                reason = comment.removeprefix(f"# {MARK}")
                values[ours] = values[ours]._replace(ours=True, reason=reason)
    return _Line(text, tuple(names), values, frozenset(exported), ours)


def _commands(words: list[_Word]) -> Iterator[list[_Word]]:
    """The simple commands of a line; what opens or closes a compound one stands at the beginning of one."""
    command: list[_Word] = []
    for word in words:
        if word.operator:
            yield command
            command = []
            if word.raw in "()":
                yield [word]
        else:
            command.append(word)
    yield command


def _follow(command: list[_Word], open_: list[str]) -> list[_Word]:
    """Go into and out of compound commands; what is left of the command after the words that do that."""
    while command:
        word = command[0].raw
        if word in _OPENING:
            open_.append(_OPENING[word])
            if word in ("for", "case", "select"):
                return command
        elif word in _CLOSING:
            if open_ and open_[-1] == word:
                open_.pop()
            elif word != ")" or "esac" not in open_:  # a pattern of `case` ends with one
                raise ValueError(f"{word!r} ends nothing")
        elif word not in _BETWEEN:
            return command
        command = command[1:]
    return command


def _mentioned(raw: str, *, plain: bool) -> Iterator[str]:
    """The names that a word may set: `NAME=value`, `${NAME:=value}`, and a plain `NAME` beside export and its like."""
    if assigned := re.match(_ASSIGNMENT, raw):
        yield assigned[1]
    elif plain and re.fullmatch(_NAME, raw) and raw not in _NAMING:
        yield raw
    yield from re.findall(_EXPANDED, raw)


def _assigned(word: _Word, *, certain: bool) -> Iterator[tuple[str, Export]]:
    if assigned := re.match(_ASSIGNMENT, word.raw):
        plain = certain and not assigned[2] and word.value is not None
        yield assigned[1], Export((word.value or "")[len(assigned[0]) :]) if plain else Export(None, known=False)


def _scan(text: str, at: int) -> tuple[list[_Word], str, int]:
    """The words of the logical line at `at`, its comment, and where the next one begins."""
    words: list[_Word] = []
    while at < len(text):
        letter = text[at]
        if letter == "\n":
            return words, "", at + 1
        if letter in " \t":
            at += 1
        elif letter == "#":
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
            return words, text[at:end], min(len(text), end + 1)
        elif letter in ";&|()<>":
            if text.startswith("<<", at):
                raise ValueError("it has a here-document")
            words.append(_Word(letter, None, operator=True))
            at += 1
        elif text.startswith("\\\n", at):
            at += 2
            if at >= len(text):
                raise ValueError("it ends within a line")
        else:
            word, at = _word(text, at)
            words.append(word)
    return words, "", at


def _word(text: str, at: int) -> tuple[_Word, int]:
    start, value, known = at, "", True
    while at < len(text) and text[at] not in " \t\n;&|()<>":
        letter = text[at]
        if letter == "'":
            end = _end(text, at)
            value += text[at + 1 : end - 1]
        elif letter == '"':
            end = _end(text, at)
            inner = text[at + 1 : end - 1]
            known = known and not re.search(r"(?<!\\)(?:\\\\)*[$`]", inner)
            value += re.sub(r"\\([$`\"\\]|\n)", lambda match: match[1].strip("\n"), inner)
        elif letter == "\\":
            if at + 1 >= len(text):
                raise ValueError("it ends within a line")
            if text.startswith("\\\n", at) and at + 2 >= len(text):
                raise ValueError("it ends within a line")
            end = at + 2
            value += text[at + 1].strip("\n")
        elif letter in "$`":
            end, known = _end(text, at), False
        else:
            end = at + 1
            known = known and letter not in "*?[]{}~!^"  # what a shell may expand
            value += letter
        at = end
    return _Word(text[start:at], value if known else None), at


def _end(text: str, at: int, *, quoted: bool = False) -> int:
    """Where a quotation or an expansion that begins at `at`, maybe within double quotes, has ended."""
    letter, rest = text[at], text[at + 1 : at + 2]
    if letter == "'":
        end = text.find("'", at + 1)
        if end < 0:
            raise ValueError("a quotation does not end")
        return end + 1
    if letter == "\\":
        return at + 2
    if letter == "$" and rest in ("'", '"'):
        raise ValueError(f"it has ${rest}, which shells read differently")
    if letter == "$" and rest not in ("(", "{"):
        return at + 1
    closing = letter if letter != "$" else ")" if rest == "(" else "}"
    end = _closed(text, at + (2 if letter == "$" else 1), closing)
    if quoted and rest == "{" and "'" in text[at:end]:
        raise ValueError("it has an apostrophe in a quoted ${…}, which shells read differently")
    return end


def _closed(text: str, at: int, closing: str) -> int:
    """Where what is open at `at` has been closed, with all that is quoted or expanded within."""
    while at < len(text):
        letter = text[at]
        if letter == closing:
            return at + 1
        if letter == "'" and closing in '"`':
            at += 1
        elif letter == "(" and closing == ")":
            at = _closed(text, at + 1, ")")
        elif letter in "\\\"'`" or text.startswith(("$(", "${"), at):
            at = _end(text, at, quoted=closing == '"')
        else:
            at += 1
    raise ValueError("a quotation does not end")
