"""The nouns of an examination: what a check says and what a report holds.

Plain data. Nothing here asks the outside world anything.
"""

from enum import StrEnum
from typing import NamedTuple


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"
    CRASHED = "crashed"


def words(error: BaseException) -> str:
    """A stranger's exception as a line: its type and what it says, where it can say it."""
    try:
        return f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001 (a __str__ may raise anything)
        return type(error).__name__


class Missing:
    """An answer or a fact that is not there, with the reason in the user's words."""

    __match_args__ = ("reason",)

    def __init__(self, reason: str) -> None:
        """`reason` is what a user reads."""
        self.reason = reason

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Missing) and type(other) is type(self) and other.reason == self.reason

    def __hash__(self) -> int:
        return hash((type(self), self.reason))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.reason!r})"


class Broken(Missing):
    """There, but it crashed, hung, was refused or made no sense."""


class Remedy(NamedTuple):
    """One thing to do. `command` can be pasted into a shell as it stands."""

    text: str
    command: str | None = None
    needs_root: bool = False
    needs_reboot: bool = False


class Verdict(NamedTuple):
    """What a check concluded. Made by `ok`, `warn`, `fail` and `skip`.

    `expected` and `observed` are short values to compare at a glance; `evidence` quotes what was really seen.
    """

    status: Status
    summary: str
    expected: str | None = None
    observed: str | None = None
    evidence: tuple[str, ...] = ()
    remedy: Remedy | None = None


def sound(verdict: Verdict) -> bool:
    """Whether a stranger's verdict can be rendered."""
    status, summary, expected, observed, evidence, remedy = verdict
    texts = [summary, expected or "", observed or ""]
    if remedy is not None:
        if not isinstance(remedy, Remedy):
            return False
        texts += [remedy.text, remedy.command or ""]
    lists = isinstance(evidence, tuple | list)
    return isinstance(status, Status) and lists and all(isinstance(text, str) for text in (*texts, *evidence))


def ok(summary: str, *, expected: str | None = None, observed: str | None = None, evidence: tuple[str, ...] = ()) -> Verdict:
    """The norm holds."""
    return Verdict(Status.OK, summary, expected, observed, evidence)


def skip(reason: str) -> Verdict:
    """The norm does not apply here, for this reason."""
    return Verdict(Status.SKIPPED, reason)


def fail(  # noqa: PLR0913 (one keyword for each thing that a reader is shown)
    summary: str,
    *,
    remedy: str,
    command: str | None = None,
    needs_root: bool = False,
    needs_reboot: bool = False,
    expected: str | None = None,
    observed: str | None = None,
    evidence: tuple[str, ...] = (),
) -> Verdict:
    """The norm is broken. `remedy` is the one thing to do about it."""
    cure = Remedy(remedy, command, needs_root, needs_reboot)
    return Verdict(Status.FAILED, summary, expected, observed, evidence, cure)


def warn(  # noqa: PLR0913
    summary: str,
    *,
    remedy: str,
    command: str | None = None,
    needs_root: bool = False,
    needs_reboot: bool = False,
    expected: str | None = None,
    observed: str | None = None,
    evidence: tuple[str, ...] = (),
) -> Verdict:
    """The norm is bent: work goes on, but a user should know. Takes what `fail` takes."""
    cure = Remedy(remedy, command, needs_root, needs_reboot)
    return Verdict(Status.WARNING, summary, expected, observed, evidence, cure)


class Result(NamedTuple):
    """One check's verdict with what the report needs to show it. `seconds` is the time the check itself took."""

    id: str
    layer: str
    title: str
    verdict: Verdict
    fixes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def status(self) -> Status:
        """The verdict's status."""
        return self.verdict.status


class Report(NamedTuple):
    """An examination, finished.

    `python` is the interpreter whose packages were examined (path, why it was chosen), `machine` the header of what
    was seen, in the units its keys name; `seconds` the wall time of the whole.
    """

    version: str
    profile: str
    deep: bool
    python: dict[str, str | None]
    machine: dict[str, str | int | float | None]
    results: tuple[Result, ...]
    seconds: float

    def number(self, status: Status) -> int:
        """How many results ended like this."""
        return sum(result.status is status for result in self.results)

    @property
    def verdict(self) -> str:
        """`failed`, `warning`, `ok`, or `unknown` where nothing could be examined.

        A check that crashed was not examined: that is worth a look, so it weighs as a warning beside others that were.
        """
        seen = {result.status for result in self.results}
        if Status.FAILED in seen:
            return "failed"
        if Status.WARNING in seen:
            return "warning"
        if Status.OK in seen:
            return "warning" if Status.CRASHED in seen else "ok"
        return "unknown"
