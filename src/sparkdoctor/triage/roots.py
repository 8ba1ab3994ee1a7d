"""Which finding is the cause of which, and the order to tell them in."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sparkdoctor.model import Status
from sparkdoctor.signature import ANYTHING
from sparkdoctor.triage.finding import Finding

_RANK = {Status.FAILED: 0, Status.WARNING: 1, Status.OK: 2}
_WARNINGS = (" WARNING ", "WARNING:", "[WARNING]", "Warning:", " WARN ", "[WARN]", "level=warn")
"""What programs mark a line with that does not stop them."""


def ordered(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings with their causes, the root cause first, each followed by its consequences.

    A finding is a consequence of another where its signature names that one, wherever it stands: a traceback may come before
    what the compiler said. Of several, the nearest above it counts, then the nearest below. What is a consequence of anything
    (`ANYTHING`) is one of what is ill for itself, first of all of what stands above it.
    """
    with_causes = _with_causes(findings)
    causes = {finding.cause for finding in with_causes}
    roots = sorted(
        (finding for finding in with_causes if finding.cause is None),
        key=lambda one: (
            # A warning that something else failed for weighs as that.
            0 if one.id in causes and one.status is not Status.OK else _RANK[one.status],
            ANYTHING in one.signature.because,
            # What a program only warned of, and went on, is less likely to have ended it than what it says elsewhere.
            one.id not in causes and all(any(mark in f" {quote.text} " for mark in _WARNINGS) for quote in one.quotes),
            one.number,
        ),
    )
    consequences: dict[str, list[Finding]] = defaultdict(list)
    for one in sorted(with_causes, key=lambda one: one.number):
        consequences[one.cause or ""].append(one)
    told: list[Finding] = []
    for root in roots:
        _tell(root, consequences, told)
    return tuple(told)


def _tell(finding: Finding, consequences: dict[str, list[Finding]], told: list[Finding]) -> None:
    told.append(finding)
    for one in consequences.pop(finding.id, ()):  # a signature's first finding has the consequences of all
        _tell(one, consequences, told)


def _with_causes(findings: Sequence[Finding]) -> list[Finding]:
    ills: dict[str, list[Finding]] = defaultdict(list)
    because: dict[str, set[str]] = {}
    for one in findings:
        because[one.id] = set(one.signature.because) - {ANYTHING}
        if one.status is not Status.OK:
            ills[one.id].append(one)
    followed = {name: _reached(because[name], because) for name in because}
    causes: dict[str, set[str]] = defaultdict(set)
    found = list(findings)

    def blame(place: int, others: Iterable[Finding]) -> None:
        one = found[place]
        for other in sorted(others, key=lambda other: (other.number > one.number, abs(other.number - one.number))):
            if one.id not in followed[other.id] and one.id not in _reached({other.id}, causes):
                found[place] = one._replace(cause=other.id)
                causes[one.id].add(other.id)
                return

    for place, one in enumerate(findings):
        if one.status is not Status.OK:
            blame(place, (other for name in because[one.id] for other in ills.get(name, ())))
    failed = [
        one for some in ills.values() for one in some if one.status is Status.FAILED and ANYTHING not in one.signature.because
    ]
    for place, one in enumerate(found):
        if one.status is not Status.OK and not one.cause and ANYTHING in one.signature.because:
            blame(place, failed)
    return found


def _reached(names: set[str], ways: Mapping[str, set[str]]) -> set[str]:
    """These, and all that is reached from them."""
    reached, waiting = set[str](), list(names)
    while waiting:
        if (name := waiting.pop()) not in reached:
            reached.add(name)
            waiting += ways.get(name, ())
    return reached
