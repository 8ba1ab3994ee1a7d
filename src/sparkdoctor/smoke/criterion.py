"""One line of a judgement."""

from collections.abc import Iterable
from typing import NamedTuple

from sparkdoctor.model import Status


class Criterion(NamedTuple):
    """What must hold of a prediction, and whether it does.

    `status` is ok, warning, failed, or skipped where it could not be judged. `expected` and `observed` are short texts with
    units; `evidence` quotes what was seen. `cause` is the likely reason of a failure: who observes leaves it to who knows the
    whole run.
    """

    id: str
    title: str
    status: Status
    expected: str = ""
    observed: str = ""
    evidence: tuple[str, ...] = ()
    cause: str | None = None


def verdict(criteria: Iterable[Criterion]) -> str:
    """`refused` where one failed, `unknown` where none could be judged, else `believed`."""
    seen = {criterion.status for criterion in criteria}
    if Status.FAILED in seen:
        return "refused"
    return "believed" if seen & {Status.OK, Status.WARNING} else "unknown"
