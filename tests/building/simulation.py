"""A machine with cores and memory, builds that run on it, and what becomes of them with a gate and without.

Time goes from event to event: a unit reaches a corner of its profile or ends, or the gate looks. Between these memory changes
linearly, so that nothing is missed. Cores are shared fairly by those that run.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any, NamedTuple

from sparkdoctor.building.gate import Decision, Gate
from sparkdoctor.building.job import Job
from sparkdoctor.ear import Id

GB = 10**9
MB = 10**6
FASTEST = 0.8 * GB
"""Bytes a second that a unit takes at most."""


class Unit(NamedTuple):
    """A translation unit: its memory in bytes at its CPU time in seconds, from (0, …) to its end; straight between."""

    name: str
    kind: str
    profile: tuple[tuple[float, float], ...]

    @property
    def peak(self) -> float:
        return max(memory for _, memory in self.profile)

    @property
    def seconds(self) -> float:
        return self.profile[-1][0]

    def memory(self, cpu: float) -> float:
        for (begin, low), (end, high) in itertools.pairwise(self.profile):
            if cpu <= end:
                return low + (high - low) * (cpu - begin) / (end - begin) if end > begin else high
        return self.profile[-1][1]


class Outcome(NamedTuple):
    """What became of a build: `seconds` it took (infinite where it did not finish), the least free memory, why it ended."""

    seconds: float
    free: float
    end: str
    stops: int
    most_stops: int
    looks: int


class Running:
    def __init__(self, unit: Unit, number: int, born: float) -> None:
        self.unit, self.number, self.born = unit, number, born
        self.cpu = 0.0
        self.stopped = False
        self.stops = 0

    @property
    def memory(self) -> float:
        return self.unit.memory(self.cpu)

    @property
    def identity(self) -> Id:
        return self.number, int(self.born * 100)

    @property
    def to_corner(self) -> float:
        """CPU seconds to the next corner of its profile."""
        return next((end - self.cpu for end, _ in self.unit.profile if end > self.cpu + 1e-9), 0.0)

    def job(self, now: float) -> Job:
        memory = int(self.memory)
        tool = {"cuda": "cicc", "c++": "cc1plus", "c": "cc1", "link": "ld"}.get(self.unit.kind, "tool")
        identity = self.identity
        return Job(
            identity, self.unit.name, self.unit.kind, tool, now - self.born, memory, memory, self.cpu, self.stopped, (identity,)
        )


def simulate(  # noqa: C901 (one loop over time)
    waves: Sequence[Sequence[Unit]],
    *,
    cores: int,
    memory: float,
    at_once: int,
    gate: Gate | None = None,
    delay: float = 0.0,
    see: Callable[[float, list[Running], float, Decision], None] = lambda *_: None,
) -> Outcome:
    """Run a build whose tool starts `at_once` units at a time, the next where one ends, and a wave when the last is over.

    What the gate decides is done `delay` seconds after it has looked.
    """
    now, least, looks, number = 0.0, memory, 0, 0
    next_look = 0.0 if gate else float("inf")
    due: tuple[float, Decision] | None = None
    running: list[Running] = []
    over: list[Running] = []
    for wave in waves:
        pending = list(reversed(wave))
        while pending or running:
            while pending and len(running) < at_once:
                number += 1
                running.append(Running(pending.pop(), number, now))
            free = memory - sum(one.memory for one in running)
            if due and now >= due[0] - 1e-9:
                _obey(due[1], running)
                next_look, due = max(next_look, now + due[1].look), None
            if gate and not due and now >= next_look - 1e-9:
                looks += 1
                decision = gate.decide(now, [one.job(now) for one in running], int(free))
                see(now, running, free, decision)
                if decision.end:
                    return Outcome(float("inf"), least, decision.end, *_stops(running + over), looks)
                due = now + delay, decision
                if not delay:
                    continue
            working = [one for one in running if not one.stopped]
            if not working and (gate is None or looks > 10**6):
                return Outcome(float("inf"), least, "stuck", *_stops(running + over), looks)
            speed = min(1.0, cores / len(working)) if working else 1.0
            step = min([one.to_corner / speed for one in working] + [(due[0] if due else next_look) - now])
            step = max(step, 1e-6)
            now += step
            for one in working:
                one.cpu += step * speed
            free = memory - sum(one.memory for one in running)
            least = min(least, free)
            ended = [one for one in working if one.cpu >= one.unit.seconds - 1e-9]
            if free < 0:
                return Outcome(float("inf"), least, "killed", *_stops(running + over), looks)
            running = [one for one in running if one not in ended]
            over += ended
            if ended and any(one.stopped for one in running):
                next_look = now  # who looks is woken by the end of a job that others may wait for
            if now > 10**6:
                return Outcome(float("inf"), least, "endless", *_stops(running + over), looks)
    return Outcome(now, least, "", *_stops(over), looks)


def _obey(decision: Decision, running: Iterable[Running]) -> None:
    for one in running:
        identity = one.identity
        if identity in decision.wait and not one.stopped:
            one.stopped = True
            one.stops += 1
        elif identity in decision.go:
            one.stopped = False


def _stops(units: Sequence[Running]) -> tuple[int, int]:
    return sum(one.stops for one in units), max((one.stops for one in units), default=0)


class Build(NamedTuple):
    """A build and the machine that it runs on: `room` bytes above the reserve."""

    waves: tuple[tuple[Unit, ...], ...]
    cores: int
    room: float
    reserve: float = 1 * GB
    at_once: int = 0
    delay: float = 0.0

    def run(self, gate: Gate | None, at_once: int | None = None, **more: Any) -> Outcome:
        """What becomes of it; by itself its tool starts one unit for each core and two more, as ninja does."""
        count = at_once or self.at_once or self.cores + 2
        memory = self.room + self.reserve
        return simulate(self.waves, cores=self.cores, memory=memory, at_once=count, gate=gate, delay=self.delay, **more)

    def gated(self, **more: Any) -> Outcome:
        return self.run(Gate(int(self.reserve), processors=self.cores), **more)

    def best(self) -> tuple[float, float]:
        """Seconds of the best fixed job count: of those that survive at all, and of those that leave the reserve alone."""
        tried = [self.run(None, count) for count in range(1, max(self.cores, 8) + 1)]
        kept = [one.seconds for one in tried if one.free >= self.reserve]
        return min(one.seconds for one in tried), min(kept, default=math.inf)


def shaped(kind: str, peak: float, seconds: float, name: str = "") -> Unit:
    """A unit as compilers are: what they take over their time."""
    shapes = {
        "cuda": ((0.0, 0.01), (0.12, 0.2), (0.14, 0.05), (0.2, 0.1), (0.6, 1.0), (0.75, 1.0), (0.77, 0.25), (1.0, 0.15)),
        "c++": ((0.0, 0.02), (0.35, 0.7), (0.45, 0.7), (0.7, 1.0), (0.95, 1.0), (1.0, 0.9)),
        "c": ((0.0, 0.01), (0.3, 0.8), (1.0, 1.0)),
        "link": ((0.0, 0.05), (0.9, 1.0), (1.0, 1.0)),
        "late": ((0.0, 0.02), (0.2, 0.15), (0.8, 0.2), (0.9, 1.0), (1.0, 1.0)),
        "flat": ((0.0, 0.01), (0.05, 1.0), (1.0, 1.0)),
    }
    fraction = shapes[kind]
    steepest = max((after[1] - before[1]) / (after[0] - before[0]) for before, after in itertools.pairwise(fraction))
    seconds = max(seconds, steepest * peak / FASTEST)
    kind = {"late": "cuda", "flat": "c++"}.get(kind, kind)
    return Unit(
        name or f"{kind}-{peak / MB:.0f}",
        kind,
        ((0.0, 5.0 * MB), *((part * seconds, share * peak) for part, share in fraction[1:])),
    )


def _same(random: Random) -> Build:
    shape = random.choice(["cuda", "c++", "late", "flat", "c"])
    room = random.choice([1.5, 3, 7, 15]) * GB
    peak = room * random.uniform(0.03, 0.9)
    count = random.randint(3, 60)
    base = random.uniform(5, 60)
    units = tuple(shaped(shape, peak * random.uniform(0.95, 1.05), base * random.uniform(0.7, 1.3)) for _ in range(count))
    return Build((units,), random.choice([2, 4, 8, 20]), room, random.choice([0.5, 1]) * GB)


def _bounds(random: Random) -> Build:
    shape = random.choice(["cuda", "c++", "flat"])
    room = random.choice([1.5, 3, 7, 15]) * GB
    peak = room / random.choice([2, 3, 4]) * random.choice([0.97, 1.03])
    base = random.uniform(5, 60)
    units = tuple(shaped(shape, peak, base * random.uniform(0.9, 1.1)) for _ in range(random.randint(4, 24)))
    return Build((units,), random.choice([2, 4, 8]), room, 0.5 * GB)


def _mixed(random: Random) -> Build:
    shape = random.choice(["cuda", "c++"])
    room = random.choice([3, 7, 15]) * GB
    fat = room * random.uniform(0.25, 0.9)
    units = []
    for _ in range(random.randint(30, 120)):
        if random.random() < 0.1:
            units.append(shaped(shape, fat * random.uniform(0.8, 1.1), random.uniform(20, 60)))
        else:
            units.append(shaped(shape, random.uniform(0.05, 0.2) * GB, random.uniform(2, 8)))
    return Build((tuple(units),), random.choice([4, 8, 20]), room, random.choice([0.5, 1]) * GB)


def _growing(random: Random) -> Build:
    shape = random.choice(["cuda", "c++"])
    room = random.choice([3, 7, 15]) * GB
    count = random.randint(10, 50)
    top = room * random.uniform(0.2, 0.8)
    units = tuple(shaped(shape, top * (0.05 + 0.95 * place / count), random.uniform(10, 20)) for place in range(count))
    return Build((units,), random.choice([4, 8, 20]), room)


def _two_kinds(random: Random) -> Build:
    room = random.choice([3, 7, 15]) * GB
    fat, thin = room * random.uniform(0.2, 0.8), random.uniform(0.2, 0.8) * GB
    units = [shaped("cuda", fat * random.uniform(0.8, 1), random.uniform(30, 90)) for _ in range(random.randint(3, 12))]
    units += [shaped("c++", thin * random.uniform(0.5, 1), random.uniform(5, 30)) for _ in range(random.randint(5, 40))]
    random.shuffle(units)
    return Build((tuple(units), (shaped("link", 0.3 * GB, 3),)), random.choice([4, 8, 20]), room)


def _evoformer(random: Random) -> Build:
    units = tuple(shaped("cuda", random.uniform(3.3, 3.6) * GB, random.uniform(70, 90)) for _ in range(3))
    cxx = tuple(shaped("c++", random.uniform(0.6, 0.9) * GB, random.uniform(15, 25)) for _ in range(random.randint(0, 2)))
    whole, reserve = random.choice([4.5, 6, 8, 12]), random.choice([0.5, 0.8])
    return Build(
        ((*units, *cxx), (shaped("link", 0.1 * GB, 1),)), random.choice([2, 4, 20]), (whole - reserve) * GB, reserve * GB
    )


def _hundreds(random: Random) -> Build:
    shape = random.choice(["c", "c++"])
    peak = random.uniform(0.03, 0.25) * GB
    units = tuple(shaped(shape, peak * random.uniform(0.3, 1), random.uniform(1, 6)) for _ in range(random.randint(100, 250)))
    return Build((units,), random.choice([4, 8, 20]), random.choice([1.5, 3]) * GB, 0.4 * GB)


def _waves(random: Random) -> Build:
    room = random.choice([1.5, 3, 7]) * GB
    waves = []
    for _ in range(random.randint(2, 6)):
        peak = room * random.uniform(0.05, 0.6)
        units = tuple(shaped("c++", peak * random.uniform(0.7, 1), random.uniform(4, 20)) for _ in range(random.randint(2, 12)))
        waves.append((*units, shaped("link", room * random.uniform(0.05, 0.5), 3)))
    return Build(tuple(waves), random.choice([2, 4, 8]), room, 0.5 * GB, at_once=100)


def _liars(random: Random) -> Build:
    room = random.choice([3, 7, 15]) * GB
    units = [
        shaped(random.choice(["cuda", "c++", "late", "flat", "c"]), room * random.uniform(0.02, 0.95), random.uniform(5, 60))
        for _ in range(random.randint(3, 40))
    ]
    return Build((tuple(units),), random.choice([2, 4, 8, 20]), room, random.choice([0.5, 1]) * GB)


def _container(random: Random, peaks: Callable[[float], float], fewest: int, most: int) -> Build:
    """C++ units that grow to their end, in a container, by a build that takes too many at once."""
    while True:
        cores = random.choice([2, 2, 4])
        whole = random.uniform(1, 8) * GB
        reserve = whole / 16
        top = min(2 * GB, 0.95 * (whole - reserve - 50 * MB))
        middle = math.exp(random.uniform(math.log(0.1 * GB), math.log(top)))
        units = []
        for _ in range(random.randint(fewest, most)):
            peak = min(max(peaks(middle), 0.1 * GB), top)
            units.append(steady(peak, peak / (125 * MB) * random.uniform(0.8, 1.2)))
        jobs = random.choice([cores + 1, cores + 2, 4, 8])
        build = Build((tuple(units),), cores, whole - reserve - 50 * MB, reserve, jobs, random.uniform(0.01, 0.05))
        if build.run(None).end:
            return build


def steady(peak: float, seconds: float) -> Unit:
    """A C++ unit that instantiates templates: it grows to its end, nearly alike all the time."""
    return Unit(
        f"c++-{peak / MB:.0f}",
        "c++",
        ((0.0, 5 * MB), (0.05 * seconds, 0.1 * peak), (0.9 * seconds, 0.95 * peak), (0.98 * seconds, peak), (seconds, peak)),
    )


def _contained(random: Random) -> Build:
    spread = random.choice([0.02, 0.2])
    return _container(random, lambda middle: middle * random.uniform(1 - spread, 1 + spread), 6, 48)


def _few(random: Random) -> Build:
    return _container(random, lambda middle: middle * random.uniform(0.95, 1.05), 3, 6)


def _various(random: Random) -> Build:
    return _container(random, lambda _: math.exp(random.uniform(math.log(0.1 * GB), math.log(2 * GB))), 5, 48)


def _deepspeed(random: Random) -> Build:
    """The three files of evoformer_attn as they were measured, in a container."""
    cores, whole = random.choice([2, 2, 4]), random.uniform(4, 8) * GB
    part = random.uniform(0.97, 1.03)
    units = [steady(1.9 * GB * part, 35), shaped("cuda", 3.45 * GB * part, 75), shaped("cuda", 3.3 * GB * part, 150)]
    random.shuffle(units)
    link = (shaped("link", 0.1 * GB, 1),)
    return Build((tuple(units), link), cores, whole * 15 / 16 - 50 * MB, whole / 16, cores + 1, random.uniform(0.01, 0.05))


def _attention(random: Random) -> Build:
    """Hundreds of CUDA units on a Spark, where a model may be loaded beside."""
    middle = random.uniform(2, 5)
    units = tuple(
        shaped("cuda", middle * random.uniform(0.7, 1.3) * GB, random.uniform(60, 300)) for _ in range(random.randint(60, 300))
    )
    free = random.choice([110, 110, 60]) * GB
    return Build((units, (shaped("link", 0.5 * GB, 5),)), 20, free - 8.6 * GB, 8.6 * GB, 22, random.uniform(0.01, 0.05))


FAMILIES: dict[str, Callable[[Random], Build]] = {
    "contained, same size": _contained,
    "contained, few": _few,
    "contained, various": _various,
    "contained, DeepSpeed": _deepspeed,
    "attention on a Spark": _attention,
    "same size": _same,
    "about 1/2, 1/3, 1/4 of the room": _bounds,
    "9 thin to 1 fat": _mixed,
    "growing": _growing,
    "two kinds": _two_kinds,
    "evoformer": _evoformer,
    "hundreds of small": _hundreds,
    "waves": _waves,
    "any size": _liars,
}
"""Builds of a sort, made by chance. All of their units fit one at a time."""
