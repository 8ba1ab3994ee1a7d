"""Signatures and readings for the tests of the reader."""

from collections.abc import Callable, Iterable

from sparkdoctor.model import Verdict, fail
from sparkdoctor.signature import Found, Signature
from sparkdoctor.triage.finding import Log
from sparkdoctor.triage.reader import Reader


def made(
    name: str,
    *texts: str,
    says: Callable[[Found], Verdict | None] = lambda _: fail("it broke", remedy="mend it"),
    because: tuple[str, ...] = (),
    at_end: bool = False,
) -> Signature:
    return Signature(says, name, texts, because=because, at_end=at_end)


def read(signatures: Iterable[Signature], *pieces: bytes) -> Log:
    reader = Reader(signatures)
    for piece in pieces:
        reader.feed(piece)
    return reader.close()


def places(log: Log) -> dict[str, list[int]]:
    """The lines of each signature."""
    found: dict[str, list[int]] = {}
    for finding in log.findings:
        found.setdefault(finding.id, []).extend(quote.number for quote in finding.quotes)
    return found
