"""Which finding is the cause of which, and the order to tell them in."""

from collections.abc import Sequence

from sparkdoctor.model import Status
from sparkdoctor.signature import ANYTHING
from sparkdoctor.triage.finding import Finding

_RANK = {Status.FAILED: 0, Status.WARNING: 1, Status.OK: 2}


def ordered(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings with their causes, the root cause first, each followed by its consequences.

    A finding is a consequence of another where its signature names that one, wherever it stands: a traceback may come before
    what the compiler said. Of several, the nearest above it counts, then the nearest below. What is a consequence of anything
    (`ANYTHING`) is one of what is ill for itself, first of all of what stands above it.
    """
    with_causes = [finding._replace(cause=_cause(finding, findings)) for finding in findings]
    causes = {finding.cause for finding in with_causes}
    roots = sorted(
        (finding for finding in with_causes if finding.cause is None),
        key=lambda one: (
            # A warning that something else failed for weighs as that.
            0 if one.id in causes and one.status is not Status.OK else _RANK[one.status],
            ANYTHING in one.signature.because,
            one.number,
        ),
    )
    told: list[Finding] = []
    for root in roots:
        _tell(root, with_causes, told)
    told += [finding for finding in with_causes if finding not in told]
    return tuple(told)


def _tell(finding: Finding, findings: Sequence[Finding], told: list[Finding]) -> None:
    if finding in told:
        return
    told.append(finding)
    for consequence in sorted((one for one in findings if one.cause == finding.id), key=lambda one: one.number):
        _tell(consequence, findings, told)


def _cause(finding: Finding, findings: Sequence[Finding]) -> str | None:
    because = finding.signature.because
    if not because or finding.status is Status.OK:
        return None
    named = [
        one for one in findings if one.id in because and one.status is not Status.OK and not _follows(one, finding, findings)
    ]
    if not named and ANYTHING in because:
        named = [one for one in findings if one.status is Status.FAILED and ANYTHING not in one.signature.because]
        named = [one for one in named if not _follows(one, finding, findings)]
    others = [one for one in named if one.id != finding.id]
    if not others:
        return None
    return min(others, key=lambda one: (one.number > finding.number, abs(one.number - finding.number))).id


def _follows(one: Finding, other: Finding, findings: Sequence[Finding]) -> bool:
    """Whether `one` is, by what the signatures say, a consequence of `other`: then it is not its cause."""
    there = {finding.id: finding.signature for finding in findings}
    waiting, seen = list(one.signature.because), set[str]()
    while waiting:
        name = waiting.pop()
        if name == other.id:
            return True
        if name in there and name not in seen:
            seen.add(name)
            waiting += there[name].because
    return False
