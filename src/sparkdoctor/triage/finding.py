"""What was found in a log."""

from collections.abc import Mapping
from typing import NamedTuple

from sparkdoctor.model import Status, Verdict
from sparkdoctor.signature import Signature

LINES = 5
"""Lines of a finding that are named, the first ones."""


class Quote(NamedTuple):
    """A line of the log, as it was printed but for colours. `number` counts from 1."""

    number: int
    text: str


class Finding(NamedTuple):
    """One meaning of one or more lines of a log.

    `held` is what was captured, each from the first of them that has it. `quotes` are the first `LINES`; `total` is the number of
    all, with `more` at least that. `cause` is the id of the signature that it is a consequence of, None for a root.
    """

    signature: Signature
    verdict: Verdict
    held: Mapping[str, str]
    quotes: tuple[Quote, ...]
    total: int
    more: bool = False
    cause: str | None = None

    @property
    def id(self) -> str:
        """The signature's id."""
        return self.signature.id

    @property
    def status(self) -> Status:
        """The verdict's status: `failed`, `warning`, or `ok` for what is harmless."""
        return self.verdict.status

    @property
    def number(self) -> int:
        """Its first line."""
        return self.quotes[0].number


class Log(NamedTuple):
    """A log, read.

    `findings` have the root cause first. `last` are the last lines that look like errors, `lines` and `size` (bytes) those of all
    of it. `problems` are what plugins did wrong.
    """

    findings: tuple[Finding, ...]
    last: tuple[Quote, ...]
    lines: int
    size: int
    problems: tuple[str, ...] = ()

    @property
    def ills(self) -> tuple[Finding, ...]:
        """The findings that are not harmless."""
        return tuple(finding for finding in self.findings if finding.status is not Status.OK)

    @property
    def verdict(self) -> str:
        """`failed` or `warning` by the worst finding, `ok` where all that is known is harmless, `unknown` where nothing is."""
        seen = {finding.status for finding in self.findings}
        return next((str(status) for status in (Status.FAILED, Status.WARNING, Status.OK) if status in seen), "unknown")
