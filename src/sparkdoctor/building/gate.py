"""Who may run: new compilers are held back before they take memory, and only then running ones are paused.

A policy without a clock, a process or a file. At each look it is told the jobs and the memory that can still be had, and says
who is to stand still. Its rules:

1. *What a job will take* is what it took in an earlier build of the same; else the mean of what finished jobs of its kind took
   that got as far as it has; else a cautious guess by kind, which fades as it stops growing and is corrected by what others take.
   What outgrows all that is expected to go as far again beyond.
2. *A new job begins* when that fits: what all running ones may still take, a part that is kept for one which takes the most that
   any ever took, and its own share, out of what is free above the reserve. Until then it is held: it has next to nothing, so it
   costs nothing. While few have finished, few begin on their word, and none begins while one is paused, or where each processor
   has one, unless there is plenty. Beside a single one a second begins early: it may be paused, and processors would be idle.
3. *A running job is paused* before those that need less than it could no longer end one after the other (the banker's
   algorithm): what is paused keeps its memory, so somebody must always be able to finish and give back. Way is given for more
   the more the peaks differ, the fewer have finished and the fewer have begun. Who is to end first stays that as long as it can;
   those that need most stop first, none more than is needed, and they go on before anything new begins.
4. *Something always goes on.* Where nothing works, the one that needs least goes; where it takes the memory below the reserve,
   whoever can finish within most of the reserve goes instead.
5. *The build is ended* where that leaves none: one job has outgrown what can be had, or too many had begun.
6. *Looks* are as rare as what can be taken meanwhile allows. Where all fits, nobody is ever stopped.

Only what this gate has stopped is let go by it: a job that somebody else has stopped is left alone.
"""

import math
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from itertools import accumulate
from types import MappingProxyType
from typing import NamedTuple

from sparkdoctor.building.job import Job
from sparkdoctor.ear import Id
from sparkdoctor.facts.memory import gib

_GB = 10**9
_MB = 10**6

GUESS = {
    "cuda": (3.5 * _GB, 20.0),
    "c++": (1.0 * _GB, 3.0),
    "c": (0.2 * _GB, 1.0),
    "rust": (1.0 * _GB, 5.0),
    "link": (0.5 * _GB, 1.0),
}
"""Bytes that a job of a kind may take before one has finished: an attention kernel of DeepSpeed's takes 3.5 GB, a C++ file with
PyTorch's headers 1 GB. And the CPU seconds without growth after which more is doubted: nvcc's programs rest in between."""
OTHER = 0.1 * _GB, 1.0
"""The same for any other kind."""
TRUSTED = frozenset({"cuda"})
"""Kinds whose guess was measured: until one outgrows it, others run beside the first as if it were known."""
SAMPLES = 64
"""Finished jobs of a kind that are remembered: later parts of a build differ from its beginning."""
RAMP = 2
"""Jobs that begin for each that has finished, where it took less than the guess: the first to finish are the small ones."""
SAFE = 0.8
"""The part of those like it that take no more than a job is given way for."""
MARGIN = 1.1
"""What it is given beyond: no two are quite the same."""
ODD = 1.5
"""So many times the most that any took, and nobody knows what it will take."""
ALL = 0.9
"""The part of all that can be had that such a job is given way for; those beside it stop when they have taken the rest."""
UNLIKELY, BOLD = 2.0, 1.8
"""But no more than so many times what any has, or so many times the guess while there is nothing else to go by."""
STEEP = 5.0
"""Bytes that one which outgrows all is given way for, for each that it has beyond the most that any took."""
PRIOR, WIDE, RARE = 0.25, 4.0, 4.0
"""Peaks differ (their logarithms) by PRIOR where one has finished. Way is given for so many times that, shared by those that have
begun: one of many will stay below. And for no more than MARGIN times the most, and RARE times that in addition where one has
finished, a quarter of it where two have."""
PART = 0.15
"""The part of its need that is to be there for a second one to begin, or go on, beside a single one: it may be paused later."""
FLOOR, BRAKE = 0.25, 0.06
"""The part of the reserve that nobody touches, and the seconds that a stop takes to work."""
SOON = 1.0
"""Seconds after which one that holds nearly all is ended with the build, once the reserve is touched."""
OVERLAP = 0.75
"""What is counted, for a new job, of what running ones may still take: their peaks do not fall together."""
DOUBT = 0.4
"""The part of what is free that is kept at most for one that takes the most that any took: a fat one among thin ones."""
FAST = 1.0 * _GB
"""Bytes a second that a processor takes at most: it gets hardly more fresh pages from Linux. What waits for one takes none."""
SLOW = 1.0 * _MB
"""Bytes a second below which a job does not grow."""
LOOKS = 0.02, 0.5
"""The shortest and the longest time between two looks, in seconds."""
CALM = 0.5
"""Seconds that a job stands or runs at least, unless memory is short or nothing else runs; a stop has as long to work."""
IDLE = 3.0
"""Seconds without CPU time after which a running job counts as waiting, perhaps for one that stands still."""
BLIND = 5.0
"""Seconds for which the last figure serves where free memory cannot be read; without one memory holds nobody back."""
UNKNOWN = 1e18
"""What is reckoned with then, in bytes."""
LATE, LARGE = 2.0, 0.2 * _GB
"""Seconds of age, and bytes, with which a job has begun: it is too late to hold it."""


class Decision(NamedTuple):
    """What is to be done now.

    `wait` are the jobs that are to stand still: all processes of each are to be stopped that are not. `go` are those that this
    gate has stopped and that are to be continued; in neither are those that run, or that somebody else has stopped. `look` is
    the time until the next look, in seconds. `end` says why the whole build is to be ended (None: it is not), `culprit` which
    job is at fault.
    """

    wait: frozenset[Id]
    go: frozenset[Id]
    look: float
    end: str | None = None
    culprit: Job | None = None


class _Seen:
    """What is known of one job."""

    def __init__(self, job: Job, now: float) -> None:
        self.job = job
        self.born = now - job.age
        self.begun = job.age > LATE
        self.peak = 0  # bytes
        self.mark = 0  # bytes that it had when it last grew
        self.growth = 0.0  # bytes a second, of late
        self.grown = 0.0  # CPU seconds that it had used when it last grew
        self.worked = now  # when it last used the CPU
        self.looks = 0
        self.likely = 0.0  # the peak that is expected, bytes
        self.safe = 0.0  # what most like it stay below
        self.worst = 0.0  # the highest that must be reckoned with
        self.rest = 1.0  # the part of what is expected that is still believed
        self.strange = False  # it is like none that has finished: nobody knows
        self.sure = False  # an earlier build has told
        self.told = False  # to stand still, by us
        self.owed = False  # to be continued, by us
        self.turn = now  # when that last changed

    @property
    def need(self) -> float:
        """Bytes that it is still expected to take."""
        return max(self.likely - (self.job.memory if self.begun else 0), 0.0)

    @property
    def quiet(self) -> float:
        return self.job.cpu - self.grown

    def fade(self, most: float) -> float:
        """What is still expected of it: the longer it has not grown the less, down to what it has."""
        return self.job.memory + (most - self.job.memory) * self.rest

    def update(self, job: Job, now: float, passed: float) -> None:
        if self.growth or job.memory != self.job.memory:
            rate = (job.memory - self.job.memory) / passed if passed > 0 else 0.0
            self.growth = max(rate, self.growth * 0.5 ** (passed / 0.2))
        if job.memory > self.mark * 1.05:
            self.mark, self.grown = job.memory, job.cpu
        elif job.memory < self.mark:
            self.mark = job.memory
        self.peak = max(self.peak, job.memory)
        if job.cpu > self.job.cpu:
            self.worked = now
        self.begun = self.begun or job.memory > LARGE
        self.owed = self.owed and job.stopped and not self.told
        self.looks += 1
        self.job = job

    def tell(self, now: float, *, wait: bool) -> None:
        """Stand still, or go on."""
        if self.told != wait:
            self.told, self.owed, self.turn = wait, not wait, now
            self.worked = now
        self.begun = self.begun or not wait

    def stands(self, now: float) -> bool:
        """Whether it takes no more memory. What cannot be stopped is told by time."""
        return self.told and (self.job.stopped or now - self.turn < CALM)


class _Kind:
    """What jobs of one kind take."""

    def __init__(self, guess: float, patience: float, *, trusted: bool) -> None:
        self.guess, self.patience, self.trusted = guess, patience, trusted
        self.took: deque[float] = deque(maxlen=SAMPLES)
        self.logs: deque[float] = deque(maxlen=SAMPLES)
        self.ranked = [guess]
        self.above = [guess]
        self.next = guess
        self.outgrown = False
        self.spread = 0.0  # of the logarithms
        self.running: list[_Seen] = []

    def rank(self, running: Sequence[_Seen]) -> None:
        """Reckon with what finished ones took; `running` serve where none has finished, and where they have outgrown these."""
        self.most = max(self.took, default=self.guess)
        beyond = [one.peak for one in running if one.peak > self.most]
        self.top = max(beyond, default=self.most)
        self.ranked = sorted(self.took) or [self.guess]
        logs = [*self.logs, *map(math.log, beyond)]
        mean = sum(logs) / max(len(logs), 1)
        differ = sum((one - mean) ** 2 for one in logs) / max(len(logs), 1)
        self.spread = math.sqrt(differ + (PRIOR / max(len(self.took), 1)) ** 2)
        self.above = list(accumulate(reversed(self.ranked)))[::-1]
        self.outgrown = bool(beyond)
        like = [one.likely for one in running if not self.took or one.peak > self.ranked[-1]]
        like += self.took or [self.guess]
        self.next = sum(like) / len(like)

    def reckon(self, one: _Seen) -> None:
        """Set what a job that has begun is expected to take: what those took that got as far as it has."""
        most = self.ranked[-1]
        place = bisect_left(self.ranked, one.peak)
        if place < len(self.ranked):
            one.strange = not self.took and (self.outgrown or not self.trusted)
            one.likely = self.above[place] / (len(self.ranked) - place)
            one.safe = MARGIN * self.ranked[place + int(SAFE * (len(self.ranked) - place))]
            one.worst = most
        else:
            one.strange = one.peak > ODD * most or not self.took
            one.likely = one.safe = one.worst = max(2 * one.peak - most, MARGIN * one.peak)
        one.rest = min(max(2 - one.quiet / self.patience, 0.0), 1.0)
        one.likely, one.safe, one.worst = map(one.fade, (one.likely, one.safe, one.worst))


class Gate:
    """Decides at each look, from what it has seen so far. Pure: no clock, no process."""

    def __init__(
        self,
        reserve: int,
        jobs: int | None = None,
        known: Mapping[str, int] = MappingProxyType({}),
        *,
        processors: int = 20,
    ) -> None:
        """Of a machine with so many processors, `reserve` bytes are to stay free, and at most `jobs` compilers run at once.

        `known` are peaks in bytes by a job's name, of an earlier build of the same.
        """
        self._reserve, self._jobs, self._known, self._processors = reserve, jobs, known, processors
        self._seen: dict[Id, _Seen] = {}
        self._kinds: dict[str, _Kind] = {}
        self._spent: set[Id] = set()  # whom the reserve has stopped
        self._deep: set[Id] = set()  # who may take of the reserve
        self._first: Id | None = None  # who is to end first
        self._crossed = math.inf  # when the reserve was touched
        self._free: tuple[float, float] = -math.inf, math.inf  # when, and how much
        self._now: float | None = None
        self._look = LOOKS[0]

    def decide(self, now: float, jobs: Sequence[Job], free: int | None) -> Decision:
        """What is to be done at `now` (seconds of a clock that is not set back), with `free` bytes that can still be had.

        `free` is None where that is not known.
        """
        self._note(now, jobs)
        if free is not None:
            self._free = now, free
        room = (self._free[1] if now - self._free[0] <= BLIND else UNKNOWN) - self._reserve
        self._expect()
        mine = [one for one in self._seen.values() if one.told or one.owed or not one.job.stopped]
        begun, new = [one for one in mine if one.begun], [one for one in mine if not one.begun]
        end: tuple[str, Job] | tuple[None, None] = None, None
        self._crossed = min(self._crossed, now) if room < 0 else math.inf
        if room < 0 and any(one.growth > SLOW for one in begun if not one.stands(now)):
            end = self._drain(now, room, begun, new)
        else:
            slack, least = self._pause(now, room, begun)
            self._start(now, room, slack, least, begun, new)
        self._look = min(max((room + self._reserve / 2) / 4 / (FAST * self._processors), LOOKS[0]), LOOKS[1])
        wait = frozenset(one.job.id for one in mine if one.told)
        go = frozenset(one.job.id for one in mine if one.owed)
        return Decision(wait, go, self._look, *end)

    def _note(self, now: float, jobs: Sequence[Job]) -> None:
        """Take in what is seen."""
        passed = max(now - self._now, 0.0) if self._now is not None else 0.0
        self._now = now
        before, self._seen = self._seen, {}
        for job in jobs:
            one = before.pop(job.id, None) or _Seen(job, now)
            one.update(job, now, passed)
            self._seen[job.id] = one
            if job.kind not in self._kinds:
                self._kinds[job.kind] = _Kind(*GUESS.get(job.kind, OTHER), trusted=job.kind in TRUSTED)
        for one in before.values():
            if one.begun and one.looks > 1:
                self._kinds[one.job.kind].took.append(one.peak)
                self._kinds[one.job.kind].logs.append(math.log(max(one.peak, _MB)))
        if before:
            self._spent.clear()
            self._deep.clear()

    def _expect(self) -> None:
        """What each job will take."""
        for kind in self._kinds.values():
            kind.rank(kind.running)
            kind.running = []
        new = []
        for one in self._seen.values():
            if not one.begun:
                new.append(one)
                continue
            kind = self._kinds[one.job.kind]
            kind.reckon(one)
            kind.running.append(one)
            one.sure = one.peak <= (known := self._known.get(one.job.name, 0))
            if one.sure:
                one.likely, one.safe, one.worst, one.strange = known, known, known, False
        for kind in self._kinds.values():
            kind.rank(kind.running)
        for one in new:
            kind = self._kinds[one.job.kind]
            known = self._known.get(one.job.name, 0)
            one.sure = known > 0
            one.likely, one.worst = (known, known) if known else (kind.next, max(kind.next, kind.ranked[-1]))

    def _pause(self, now: float, room: float, begun: Sequence[_Seen]) -> tuple[dict[Id, float], float]:
        """Stop those, of most need first, that would take what the ones before them need to end one after the other.

        What each may take of that is returned, and what one that begins now.
        """
        whole = room + sum(one.job.memory for one in begun)
        first = self._seen.get(self._first) if self._first else None
        needs = {one.job.id: self._bound(one, whole, len(begun)) - one.job.memory for one in begun}
        left = room + (1 - FLOOR) * self._reserve
        dim = first is not None and first.need > left and any(one.need <= left for one in begun)
        order = sorted(begun, key=lambda one: (one is not first or dim, needs[one.job.id], *_age(one)))
        self._first = order[0].job.id if order else None
        growth = sum(one.growth for one in begun if not one.stands(now))
        slack: dict[Id, float] = {}
        least, left = math.inf, room
        for one in order:
            slack[one.job.id] = least
            least = min(least, left - needs[one.job.id])
            left += one.job.memory
        for one in reversed(order):
            guard = growth * 2 * (self._look + LOOKS[0])
            if not one.told and one.growth > SLOW and slack[one.job.id] < guard:
                one.tell(now, wait=True)
                growth -= one.growth
        return slack, min(least, room)

    def _bound(self, one: _Seen, whole: float, count: int) -> float:
        """Bytes that it is given way for, where `count` have begun and have, with what is free, the `whole`."""
        kind = self._kinds[one.job.kind]
        if not one.strange and (one.sure or not kind.took):
            return one.safe
        if one.strange:
            most = max(UNLIKELY * kind.top if kind.took or kind.outgrown else 0.0, BOLD * kind.guess)
        elif one.peak > kind.most:
            most = MARGIN * kind.top + STEEP * (kind.top - kind.most)
        else:
            like = max(one.safe, MARGIN * kind.top if kind.outgrown else 0)
            most = min(like * math.exp(kind.spread * WIDE / max(count, 2)), (MARGIN + RARE / len(kind.took) ** 2) * kind.top)
        return max(one.safe, one.fade(min(ALL * whole, most)))

    def _start(
        self, now: float, room: float, slack: Mapping[Id, float], least: float, begun: Sequence[_Seen], new: Sequence[_Seen]
    ) -> None:
        """Let go whose share is there: first those that were paused, the oldest first, then new ones."""
        running = [one for one in begun if not one.stands(now)]
        paused = sorted((one for one in begun if one.stands(now)), key=_age)
        working = any(now - one.worked < IDLE for one in running)
        if paused and not working:
            running.append(min(paused, key=lambda one: (one.job.id in self._spent, slack[one.job.id] < math.inf, _age(one))))
            running[-1].tell(now, wait=False)
            working = True
        taken = sum(map(_counted, running))
        for one in paused:
            left = slack[one.job.id]
            fits = taken + one.need <= min(room, left)
            fits = fits or (len(running) == 1 < self._processors and PART * one.need <= min(room, left))
            if one.told and now - one.turn >= CALM and fits:
                one.tell(now, wait=False)
                taken += _counted(one)
                running.append(one)
        blocked = any(one.told for one in paused)
        doubt = max((one.worst - one.likely for one in running), default=0.0)
        count = Counter(one.job.kind for one in running)
        for one in sorted(new, key=_age):
            name, kind = one.job.kind, self._kinds[one.job.kind]
            capped = self._jobs is not None and name != "other" and count.total() - count["other"] >= self._jobs
            steep = kind.took and one.job.name not in self._known and count[name] >= RAMP * len(kind.took)
            need = max(one.need, kind.guess) if steep else one.need
            spare = min(max(doubt, one.worst - one.likely), DOUBT * room)
            crowded = len(running) >= self._processors
            fits = taken + need + spare <= (room / 2 if crowded else room)
            fits = fits or (len(running) == 1 < self._processors and PART * need < least)
            goes = not working or (fits and not blocked and not capped)
            if goes or not one.told:
                one.tell(now, wait=not goes)
            if goes:
                working = True
                running.append(one)
                taken += _counted(one)
                least -= one.need
                doubt = max(doubt, one.worst - one.likely)
                count[name] += 1

    def _drain(
        self, now: float, room: float, begun: Sequence[_Seen], new: Sequence[_Seen]
    ) -> tuple[str, Job] | tuple[None, None]:
        """The reserve is touched: one at a time may take of it, to finish and give back. Else: why the build is to end."""
        last = room + self._reserve - max(FLOOR * self._reserve, BRAKE * max(one.growth for one in begun))
        for one in new:
            one.tell(now, wait=True)
        for one in begun:
            if one.growth > SLOW and not one.stands(now):
                one.tell(now, wait=True)
                if one.job.id in self._deep and last < 0:
                    self._spent.add(one.job.id)
        had = sum(one.job.memory for one in begun) + room
        tries = [one for one in begun if one.told and one.job.id not in self._spent]
        if now - self._crossed > SOON and any(one.job.memory > max(0.9 * had, self._reserve / 4) for one in begun):
            return self._reason(room, begun)
        if tries and last >= 0:
            one = min(
                tries,
                key=lambda one: (one.job.id not in self._deep, max(one.need - last, 0.0), -one.job.memory, _age(one)),
            )
            one.tell(now, wait=False)
            self._deep = {one.job.id}
            return None, None
        if any(not one.told and now - one.worked < IDLE for one in begun):
            return None, None
        return self._reason(room, begun)

    def _reason(self, room: float, begun: Sequence[_Seen]) -> tuple[str, Job]:
        """Why the build is to end, and because of whom."""
        worst = max(begun, key=lambda one: one.job.memory)
        job, held = worst.job, sum(one.job.memory for one in begun)
        left = f"{gib(max(room + self._reserve, 0))} are left, of which {gib(self._reserve)} are to stay free"
        many = sum(one.job.memory >= job.memory / 4 for one in begun)
        if many == 1 or job.memory >= 0.9 * (held + room):
            return f"{job.name}: {job.tool} has taken {gib(job.memory)}; {left}", job
        fit = max(1, min(many - 1, int((held + room) / (MARGIN * job.memory))))
        return f"{many} jobs have begun and none can finish: they hold {gib(held)}; {left}; take --jobs {fit}", job


def _counted(one: _Seen) -> float:
    """What is reckoned with, for others, of what a running job may still take."""
    return one.need * (1.0 if one.sure else OVERLAP)


def _age(one: _Seen) -> tuple[float, Id]:
    return one.born, one.job.id
