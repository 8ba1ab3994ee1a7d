"""What a build took: each job's peak and time, and how long it was made to wait."""

from collections.abc import Sequence
from typing import NamedTuple

from sparkdoctor.building.job import Job
from sparkdoctor.building.names import short, told_apart
from sparkdoctor.ear import Id

KEPT = 20_000
"""Jobs that are accounted for one by one; of more, those that took least are only counted."""
_BRIEF_CPU, _BRIEF_PEAK = 0.1, 64 << 20
"""CPU seconds and bytes below which a job is only counted: a compiler that is asked for its version, a test of configure."""


class Unit(NamedTuple):
    """A job in account.

    `name` tells it from all others; it was seen as `job`. `tool` is the program that had `biggest` resident bytes, the most that
    any single process of the job had; `peak` is the most that all of them had together. `began` counts from the first look;
    `seconds` go from its birth to its end and contain `held` (before it first ran) and `paused` (later), in which it had to
    stand still. Where it has not `ended` before the last look, all that may have been more.
    """

    name: str
    job: str
    kind: str
    tool: str
    peak: int
    biggest: int
    began: float
    seconds: float
    cpu: float
    held: float
    paused: float
    ended: bool = True


class Rest(NamedTuple):
    """The jobs that are counted only: how many, and the most bytes that one of them had."""

    number: int = 0
    peak: int = 0


class Waits(NamedTuple):
    """How many jobs stood still, and for how many seconds all together: held before they ran, or paused later."""

    held: int = 0
    held_seconds: float = 0.0
    paused: int = 0
    paused_seconds: float = 0.0


class Account(NamedTuple):
    """A build in account. Bytes are resident; `seconds` and `total_peak_at` count from the first look.

    `units` stand in the order in which they began. `most` jobs ran at one moment, `wanted` would have, had none been made to
    wait. `lowest_free` bytes could still be had at the worst moment, when all jobs had `total_then`; None where nobody knows.
    """

    units: tuple[Unit, ...] = ()
    rest: Rest = Rest()
    waits: Waits = Waits()
    most: int = 0
    wanted: int = 0
    total_peak: int = 0
    total_peak_at: float = 0.0
    lowest_free: int | None = None
    total_then: int = 0
    seconds: float = 0.0

    @property
    def jobs(self) -> int:
        """How many there were."""
        return len(self.units) + self.rest.number

    @property
    def peaks(self) -> dict[str, int]:
        """The most bytes that a job of each name had that has ended, the greatest first: what the next build should know."""
        found: dict[str, int] = {}
        for unit in sorted(self.units, key=lambda unit: -unit.peak):
            if unit.ended:
                found.setdefault(unit.job, unit.peak)
        return found


class Moment(NamedTuple):
    """The last look: seconds since the first one, how many jobs run, are held or paused, their bytes, and the largest."""

    seconds: float = 0.0
    running: int = 0
    held: int = 0
    paused: int = 0
    memory: int = 0
    biggest: Job | None = None


class _Record:
    """A job, as far as it was seen."""

    __slots__ = ("began", "biggest", "cpu", "ended", "held", "kind", "name", "paused", "peak", "ran", "tool")

    def __init__(self, began: float) -> None:
        self.name = self.kind = self.tool = ""
        self.peak = self.biggest = 0
        self.began = began
        self.cpu = self.held = self.paused = 0.0
        self.ran = False
        self.ended: float | None = None


class Ledger:
    """Keeps what each look has shown."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._records: dict[Id, _Record] = {}
        self._here: set[Id] = set()
        self._waiting: frozenset[Id] = frozenset()
        self._first: float | None = None
        self._now = 0.0
        self._rest, self._waits = Rest(), Waits()
        self._most = self._wanted = self._total_peak = self._total_then = 0
        self._total_peak_at = 0.0
        self._lowest: int | None = None
        self._moment = Moment()

    def see(self, now: float, jobs: Sequence[Job], free: int | None, waiting: frozenset[Id] = frozenset()) -> None:
        """Note a look at `now` (seconds of a clock that is not set back), with `free` bytes that could still be had.

        The jobs in `waiting` are to stand still from now until the next look. `free` is None where nobody knows.
        """
        if self._first is None:
            self._first = self._now = now
        now = max(now, self._now)
        self._wait(now - self._now)
        at = now - self._first
        records, here = self._records, set()
        total = most = 0
        biggest: Job | None = None
        for job in jobs:
            number, memory = job.id, job.memory
            here.add(number)
            record = records.get(number)
            if record is None:
                record = records[number] = _Record(at - job.age)
            if job.kind != "other" or record.kind in ("", "other"):  # a compiler that ends has no arguments any more
                record.name, record.kind = job.name, job.kind
            if job.cpu > record.cpu:  # noqa: PLR1730 (max() takes five times as long); it falls where one of its processes leaves it
                record.cpu = job.cpu
            if number not in waiting:
                record.ran = True
            if memory > record.peak:  # noqa: PLR1730
                record.peak = memory
            if job.biggest >= record.biggest:
                record.biggest, record.tool = job.biggest, job.tool
            total += memory
            if memory > most:
                most, biggest = memory, job
        self._turn(here, at)
        idle = here & waiting
        held = sum(not records[number].ran for number in idle)
        self._moment = Moment(at, len(here) - len(idle), held, len(idle) - held, total, biggest)
        self._waiting, self._now = frozenset(idle), now
        self._sum(free)

    def _turn(self, here: set[Id], at: float) -> None:
        """Note who has gone since the last look, and who is back: a job that could not be read for a moment."""
        for number in self._here - here:
            if (gone := self._records.get(number)) is not None:
                gone.ended = at
        for number in here - self._here:
            self._records[number].ended = None
        self._here = here

    def _wait(self, passed: float) -> None:
        """Those that were to stand still since the last look did so for `passed` seconds."""
        for number in self._waiting:
            if (record := self._records.get(number)) is not None:
                if record.ran:
                    record.paused += passed
                else:
                    record.held += passed

    def _sum(self, free: int | None) -> None:
        """Note what all jobs have together, and give up the least of too many."""
        moment = self._moment
        self._most = max(self._most, moment.running)
        self._wanted = max(self._wanted, len(self._here))
        if moment.memory > self._total_peak:
            self._total_peak, self._total_peak_at = moment.memory, moment.seconds
        if free is not None and (self._lowest is None or free < self._lowest):
            self._lowest, self._total_then = free, moment.memory
        if len(self._records) > KEPT + len(self._here):
            over = sorted(
                (number for number in self._records if number not in self._here),
                key=lambda number: (self._records[number].peak, self._records[number].cpu),
            )
            for number in over[: len(over) // 2]:
                self._count(self._records.pop(number))

    def _count(self, record: _Record) -> None:
        self._rest = Rest(self._rest.number + 1, max(self._rest.peak, record.peak))
        self._waits = _more(self._waits, record)

    @property
    def moment(self) -> Moment:
        """What the last look has shown."""
        return self._moment

    def account(self) -> Account:
        """What all looks have shown. Jobs that are still there end now."""
        end = 0.0 if self._first is None else self._now - self._first
        rest, waits, listed = self._rest, self._waits, []
        for record in self._records.values():
            waits = _more(waits, record)
            if record.cpu < _BRIEF_CPU and record.peak < _BRIEF_PEAK:
                rest = Rest(rest.number + 1, max(rest.peak, record.peak))
            else:
                listed.append(record)
        listed.sort(key=lambda record: record.began)
        names = told_apart([short(record.name) for record in listed])
        units = tuple(
            Unit(
                name=name,
                job=short(record.name),
                kind=record.kind,
                tool=short(record.tool),
                peak=record.peak,
                biggest=record.biggest,
                began=max(0.0, record.began),
                seconds=max(0.0, (end if record.ended is None else record.ended) - record.began),
                cpu=record.cpu,
                held=record.held,
                paused=record.paused,
                ended=record.ended is not None,
            )
            for name, record in zip(names, listed, strict=True)
        )
        return Account(
            units,
            rest,
            waits,
            self._most,
            self._wanted,
            self._total_peak,
            self._total_peak_at,
            self._lowest,
            self._total_then,
            end,
        )


def _more(waits: Waits, record: _Record) -> Waits:
    if not record.held and not record.paused:
        return waits
    return Waits(
        waits.held + (record.held > 0),
        waits.held_seconds + record.held,
        waits.paused + (record.paused > 0),
        waits.paused_seconds + record.paused,
    )
