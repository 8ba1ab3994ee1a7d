"""How many jobs at once would have been best: the build once more, on paper."""

from collections.abc import Sequence
from heapq import heapify, heapreplace
from typing import NamedTuple

Task = tuple[float, int]
"""A job: its CPU seconds, and its peak in bytes."""
SLACK = 1.02
"""Builds that take no longer than this factor take equally long."""
_STEPS = 1_000_000
"""Jobs times counts that are gone through one by one: half a second. Of more, not every count is tried."""


class Plan(NamedTuple):
    """A build with `number` jobs at once: how long it takes at best, in seconds, and the most bytes that run together.

    That is the sum of the peaks of those that run at one moment, as if each had its peak just then.
    """

    number: int
    makespan: float
    memory: int


class Best(NamedTuple):
    """The least number of jobs that is as fast as any that fits into `room` bytes.

    `each` is the peak of the largest job, `over` the next count that would have been faster and does not fit, None where more
    jobs make nothing faster. `already` tells that the build has had a number that is as good.
    """

    plan: Plan
    room: int
    each: int
    over: Plan | None
    already: bool

    @property
    def number(self) -> int:
        """How many jobs at once."""
        return self.plan.number


def schedule(tasks: Sequence[Task], count: int) -> Plan:
    """List scheduling: each of `count` places takes the next job in the list as soon as it is free.

    No longer than twice the shortest possible (Graham, "Bounds for Certain Multiprocessing Anomalies", 1966).
    """
    running = list(tasks[:count])
    memory = most = sum(peak for _, peak in running)
    end = max((seconds for seconds, _ in running), default=0.0)
    heapify(running)
    for seconds, peak in tasks[count:]:
        free = running[0]
        done = free[0] + seconds
        heapreplace(running, (done, peak))
        memory += peak - free[1]
        most = max(most, memory)
        end = max(end, done)
    return Plan(count, end, most)


def best(tasks: Sequence[Task], processors: int, room: int, *, had: int = 0, proven: bool = False) -> Best | None:
    """The best number of jobs for `tasks` in the order in which they began; None where not even one at a time fits.

    More jobs than processors make nothing faster. The build has had `had` jobs at once; with `proven` memory was never short
    then, so that fewer fit too, whatever the sum of their peaks.
    """
    if not tasks:
        return None
    plans = [schedule(tasks, count) for count in _counts(len(tasks), max(1, min(processors, len(tasks))))]
    fitting = [plan for plan in plans if plan.memory <= room or (proven and plan.number <= had)]
    if not fitting:
        return None
    least = min(plan.makespan for plan in fitting) * SLACK
    chosen = next(plan for plan in fitting if plan.makespan <= least)
    faster = (plan for plan in plans if plan not in fitting and plan.makespan * SLACK < chosen.makespan)
    # A number that was not tried lies between two that were, and so does its time.
    same = next((plan for plan in reversed(fitting) if plan.number <= had), None)
    already = same is not None and (proven or had <= fitting[-1].number) and same.makespan <= least
    return Best(chosen, room, max(peak for _, peak in tasks), next(faster, None), already)


def _counts(tasks: int, most: int) -> list[int]:
    """The numbers of jobs to try, the least first."""
    apart = 1.0 if tasks * most <= _STEPS else 1.1
    counts = [1]
    while counts[-1] < most:
        counts.append(min(most, max(counts[-1] + 1, int(counts[-1] * apart))))
    return counts
