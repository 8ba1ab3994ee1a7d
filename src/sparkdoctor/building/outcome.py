"""A build that is over: all that is known of it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from sparkdoctor.building.job import Job
from sparkdoctor.building.ledger import Account


class Bounds(NamedTuple):
    """What a build had to live within.

    `budget` bytes could be had when it began, `reserve` of them were to stay free; `limit` says whose memory it is, `machine` or
    `container`. `asked` is the number of jobs that the user has set.
    """

    budget: int
    reserve: int
    limit: str
    processors: int
    asked: int | None = None

    @property
    def room(self) -> int:
        """Bytes that the build was to take at most."""
        return max(0, self.budget - self.reserve)


class Ending(NamedTuple):
    """How a build ended.

    Its command's `status`, or the name of the `signal` that ended it. `reason` says why we ended it (None: we did not), `culprit`
    because of which job. `oom_kills` are the processes that the kernel has killed for memory meanwhile, `others` tells who else
    has much memory, a line each.
    """

    status: int | None = None
    signal: str | None = None
    reason: str | None = None
    culprit: Job | None = None
    oom_kills: int = 0
    others: tuple[str, ...] = ()


class Build(NamedTuple):
    """A build: what was called at `started` (seconds since 1970), for how many seconds it ran, and what came of it.

    `environment` are the variables that we have set, `left` the names of processes that have outlived the command, `toolkit` is
    the CUDA version that has compiled, None where that is not known.
    """

    command: tuple[str, ...]
    started: float
    seconds: float
    account: Account
    bounds: Bounds
    ending: Ending
    environment: Mapping[str, str] = MappingProxyType({})
    left: tuple[str, ...] = ()
    toolkit: str | None = None
