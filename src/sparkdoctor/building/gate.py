"""Who may run: new compilers are held back before they take memory, and only then running ones are paused."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from sparkdoctor.building.job import Id, Job


class Decision(NamedTuple):
    """What is to be done now.

    `wait` are the jobs that are to stand still, held or paused, `go` those that are to go on. `end` says why the whole build is
    to be ended (None: it is not), `culprit` which job is at fault. `look` is the time until the next look, in seconds.
    """

    wait: frozenset[Id]
    go: frozenset[Id]
    look: float
    end: str | None = None
    culprit: Job | None = None


class Gate:
    """Decides at each look, from what it has seen so far. Pure: no clock, no process."""

    def __init__(self, reserve: int, jobs: int | None = None, known: Mapping[str, int] = MappingProxyType({})) -> None:
        """`reserve` bytes are to stay free; at most `jobs` compilers at once; `known` are peaks in bytes by a job's name, of an
        earlier build of the same.
        """  # noqa: D205

    def decide(self, now: float, jobs: Sequence[Job], free: int) -> Decision:
        """What is to be done at `now` (seconds of a clock that is not set back), with `free` bytes that can still be had."""
        raise NotImplementedError
