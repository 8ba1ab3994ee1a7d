"""The query file that the user named, as OpenFold3 reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from sparkdoctor.facts.course import Course, follow
from sparkdoctor.facts.python import Python
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Broken, Missing
from sparkdoctor.record import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sparkdoctor.query import Query, QuerySet, Suggestion

IMPORT, PARSE = "import OpenFold3's query schema", "InferenceQuerySet.from_json"
_SECONDS = 90.0
"""For a parser that can only be imported with all of OpenFold3; by itself it takes a fraction of a second."""
_FILES = 200
"""Files named in a query that are looked for."""
_ERRORS = 20
_UNKNOWN = {
    "biotite's components": "is not in the chemical component dictionary that OpenFold3 reads (biotite's)",
    "RDKit's SMILES": "is no SMILES that RDKit can read",
}
"""Steps of the worker, and what it means that something is unknown there."""


class Refusal(NamedTuple):
    """One error of OpenFold3's parser: the path of what it is about, its words, and pydantic's type of error."""

    where: str
    text: str
    kind: str


class Answer(NamedTuple):
    """What OpenFold3's own parser said: nothing refused is accepted. `number` counts what is wrong; the first are there.

    `unknown` is what a prediction would fail on: components that biotite does not know and SMILES that RDKit cannot read.
    """

    refusals: tuple[Refusal, ...] = ()
    number: int = 0
    unknown: tuple[Refusal, ...] = ()


class QueryFile(Fact):
    """A query file, read by our own reading of the schema and by the installed parser.

    `version` is that of the installed OpenFold3, by which both go, None where there is none; `answer` what its parser said,
    or why it did not. `suggestion` is there where the file is in another program's format.
    """

    path: str
    version: str | None
    reading: QuerySet
    answer: Answer | Missing
    suggestion: Suggestion | None = None

    @property
    def queries(self) -> tuple[Query, ...]:
        """What would be predicted, as far as it could be read."""
        return self.reading.queries

    @property
    def rewritten(self) -> str | None:
        """The suggestion as a query file, in one line."""
        from sparkdoctor.query import document  # noqa: PLC0415 (only where a query was given)

        return document(self.suggestion.queries, indent=None) if self.suggestion else None

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Read the file, and ask the parser."""
        path = machine.itself().get("query")
        if path is None:
            return Missing("no query was given: sparkdoctor check --query FILE")
        from sparkdoctor import query  # noqa: PLC0415 (only where a query was given)

        raw = machine.head(path, query.LIMIT + 1)
        if isinstance(raw, Missing):
            return Broken(f"{path} cannot be read: {raw.reason}")
        python = machine.get(Python)
        found = None
        if isinstance(python, Missing):
            answer: Answer | Missing = python
        elif isinstance(place := python.modules["openfold3"], Missing):
            answer = place
        else:
            found = python.distributions.get("openfold3")
            answer = parse(machine, python.path, path)
        reading = query.read(raw, found.release if found else (), _Files(machine).kind)
        return cls(path, found.version if found else None, reading, answer, query.suggestion(raw))


class _Files:
    """What stands at the paths that a query names, seen from where the user is."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._seen: dict[str, str | None] = {}
        self._cwd = machine.itself()["cwd"]

    def kind(self, path: str) -> str | None:
        """`file`, `directory`, another word; None where there is nothing. Beyond some hundreds all are taken to be files."""
        if path not in self._seen:
            if len(self._seen) >= _FILES:
                return "file"
            status = self._machine.stat(path if path.startswith("/") else f"{self._cwd}/{path}")
            self._seen[path] = None if isinstance(status, Missing) else status.kind
        return self._seen[path]


def parse(machine: Machine, python: str, path: str) -> Answer | Missing:
    """What the parser of the OpenFold3 in `python` says of a file."""
    worked = machine.work(python, "query", path, timeout=_SECONDS)
    return worked if isinstance(worked, Missing) else understand(follow(worked))


def understand(course: Course) -> Answer | Missing:
    """The parser's answer; `Broken` where it came to none."""
    learnt = course.learnt(PARSE)
    accepted, number = learnt.get("accepted"), course.number(PARSE, "number")
    if not isinstance(accepted, bool) or number is None:
        return Broken(f"OpenFold3's own parser did not answer: {course.trouble.words if course.trouble else 'it said nothing'}")
    if accepted:
        return Answer(unknown=tuple(refusal for step, words in _UNKNOWN.items() for refusal in _unknown(course, step, words)))
    refusals: dict[Refusal, None] = {}
    for index in range(_ERRORS):
        match learnt.get(f"error{index}"):
            case [list(place), str(text), str(kind)]:
                refusals.setdefault(Refusal(_where(place), text, kind))
    return Answer(tuple(refusals), max(1, int(number)))


def _unknown(course: Course, step: str, words: str) -> Iterator[Refusal]:
    learnt = course.learnt(step)
    for index in range(_ERRORS):
        match learnt.get(f"unknown{index}"):
            case [list(place), str(text)]:
                yield Refusal(_where(place), f"{text!r} {words}", step)


def _where(place: list[object]) -> str:
    """A path like ours of pydantic's: without the names of its own validators."""
    from sparkdoctor.query import under  # noqa: PLC0415 (only where a query was given)

    where = ""
    for part in place:
        if isinstance(part, str) and not part.startswith("function-"):
            where = under(where, part)
    return where
