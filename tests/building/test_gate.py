"""The policy of `sparkdoctor build`, by itself and in simulated builds."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from building.simulation import FASTEST, GB, MB, Build, Running, Unit, shaped
from sparkdoctor.building.gate import LOOKS, Decision, Gate
from sparkdoctor.building.job import Job


def job(
    number: int, *, kind: str = "c++", memory: float = 0.01 * GB, age: float = 0.0, cpu: float = 0.0, stopped: bool = False
) -> Job:
    return Job((number, 1), f"{number}.cu", kind, "cc1plus", age, int(memory), int(memory), cpu, stopped, ((number, 1),))


def ids(*numbers: int) -> frozenset[tuple[int, int]]:
    return frozenset((number, 1) for number in numbers)


def test_where_all_fits_nobody_waits_and_looks_are_rare() -> None:
    said = Gate(4 * GB).decide(0.0, [job(number) for number in range(20)], 100 * GB)
    assert said == Decision(frozenset(), frozenset(), LOOKS[1])


def test_a_new_job_is_held_until_its_share_is_there() -> None:
    gate = Gate(1 * GB)
    first, second = job(1, kind="cuda"), job(2, kind="cuda")
    assert gate.decide(0.0, [first, second], int(4.9 * GB)).wait == ids(2)
    grown = job(1, kind="cuda", memory=3.4 * GB, age=60, cpu=60)
    assert gate.decide(60.0, [grown, second._replace(stopped=True)], int(1.5 * GB)).wait == ids(2)
    said = gate.decide(80.0, [second._replace(stopped=True)], 6 * GB)
    assert (said.wait, said.go) == (ids(), ids(2))


def test_a_fat_guess_starves_nobody() -> None:
    assert Gate(1 * GB).decide(0.0, [job(1, kind="cuda"), job(2, kind="cuda")], int(1.2 * GB)).wait == ids(2)


def test_an_earlier_build_is_believed() -> None:
    gate = Gate(1 * GB, known={"1.cu": 100 * MB, "2.cu": 100 * MB})
    assert gate.decide(0.0, [job(1, kind="cuda"), job(2, kind="cuda")], int(1.3 * GB)).wait == ids()


def test_no_more_run_than_may() -> None:
    jobs = [job(number) for number in range(5)] + [job(9, kind="other")]
    assert Gate(1 * GB, jobs=2).decide(0.0, jobs, 100 * GB).wait == ids(2, 3, 4)


def test_whom_somebody_else_has_stopped_is_left_alone() -> None:
    gate = Gate(1 * GB)
    for now in range(5):
        said = gate.decide(float(now), [job(1, stopped=True), job(2, cpu=float(now))], 100 * GB)
        assert not said.wait | said.go


def test_whom_we_have_let_go_is_not_continued_again() -> None:
    gate = Gate(1 * GB, jobs=1)
    gate.decide(0.0, [job(1), job(2)], 100 * GB)
    held = job(2, stopped=True)
    assert gate.decide(1.0, [held], 100 * GB).go == ids(2)
    assert gate.decide(1.1, [held], 100 * GB).go == ids(2), "it has not been seen to go on"
    assert gate.decide(1.2, [job(2)], 100 * GB).go == ids()
    assert gate.decide(1.3, [held], 100 * GB).go == ids(), "the user has stopped it"


def test_a_stop_without_effect_saves_nothing() -> None:
    gate = Gate(1 * GB)
    for step in range(20):
        now = step / 10
        jobs = [job(1, kind="cuda", cpu=now), job(2, kind="cuda", cpu=now), job(3, kind="cuda", stopped=step > 0)]
        said = gate.decide(now, jobs, int(8.2 * GB) if step == 0 else 100 * GB)
    assert ids(3) <= said.go
    assert not said.wait


def test_who_waits_for_one_that_stands_does_not_keep_it_standing() -> None:
    gate = Gate(1 * GB, jobs=None)
    seen = [gate.decide(now / 2, [job(1, kind="cuda"), job(2, kind="cuda", stopped=now > 0)], int(4.9 * GB)) for now in range(10)]
    assert [bool(said.go) for said in seen].index(True) in range(6, 9)


@pytest.mark.parametrize("free", [None, 50 * GB])
def test_missing_figures_and_jumps_of_time_are_survived(free: int | None) -> None:
    gate = Gate(1 * GB)
    for now in (0.0, 0.1, 90_000.0, 89_000.0, 90_001.0):
        said = gate.decide(now, [job(1), job(2, memory=2 * GB)], free)
        assert (said.wait, said.end) == (frozenset(), None)


def test_a_figure_that_is_missing_once_lets_nobody_go() -> None:
    gate = Gate(1 * GB)
    jobs = [job(1, kind="cuda"), job(2, kind="cuda")]
    gate.decide(0.0, jobs, 3 * GB)
    jobs = [job(1, kind="cuda", cpu=1.0), job(2, kind="cuda", stopped=True)]
    assert gate.decide(1.0, jobs, None).wait == ids(2)
    assert gate.decide(10.0, jobs, None).go == ids(2)


def test_a_runaway_is_ended_within_two_seconds() -> None:
    thin = tuple(shaped("c++", 50 * MB, 5) for _ in range(8))
    build = Build(((Unit("runaway.cu", "cuda", ((0, 5 * MB), (100, 50 * GB))), *thin),), 4, 4 * GB, 1 * GB)
    crossed: list[float] = []
    ended: list[Decision] = []

    def see(now: float, _: list[Running], free: float, said: Decision) -> None:
        if free < build.reserve:
            crossed.append(now)
        if said.end:
            ended.append(said)

    build.gated(see=see)
    assert crossed[-1] - crossed[0] <= 2
    (said,) = ended
    assert said.culprit is not None
    assert said.culprit.name == "runaway.cu"
    assert said.end is not None
    assert "runaway.cu" in said.end


def test_too_many_begun_says_how_many_to_take() -> None:
    gate = Gate(1 * GB)
    said = Decision(frozenset(), frozenset(), 0)
    for step in range(100):
        memory = (2 + step * 0.02) * GB
        jobs = [job(number, memory=memory, age=10, cpu=step / 10) for number in range(3)]
        said = gate.decide(step / 10, jobs, max(int(10 * GB - 3 * memory), 0))
        if said.end:
            break
    assert said.end is not None
    assert "3 jobs have begun" in said.end
    assert "--jobs 2" in said.end


def test_evoformer_takes_no_longer_than_the_best_job_count() -> None:
    """The three CUDA files of DeepSpeed's evoformer_attn, in containers of 4.5 to 12 GB."""
    for whole in (4.5, 8):
        units = tuple(shaped("cuda", peak * GB, 80) for peak in (3.3, 3.5, 3.4))
        build = Build((units, (shaped("link", 0.1 * GB, 1),)), 4, whole * GB - 0.5 * GB, 0.5 * GB)
        assert build.gated().seconds <= 1.25 * build.best()[0]


@pytest.mark.parametrize("part", [0.97 / 3, 1.03 / 3, 0.97 / 2, 1.03 / 2])
def test_a_build_takes_hardly_longer_than_with_the_best_job_count(part: float) -> None:
    """Units that just fit, or just do not fit, two or three at a time. Other builds: benchmarks/gate.py."""
    room = 1.5
    units = tuple(shaped("c++", part * room * GB, 6 + number % 3) for number in range(16))
    build = Build((units,), 4, room * GB, 0.5 * GB)
    assert build.gated().seconds <= 1.25 * build.best()[1]


@st.composite
def builds(draw: st.DrawFn) -> Build:
    """Any builds on small machines; all units fit one at a time."""
    room = draw(st.sampled_from([0.5, 1.5, 4])) * GB
    profile = st.lists(st.tuples(st.floats(0.2, 3), st.floats(0.01, 0.9)), min_size=1, max_size=4)

    def unit(number: int) -> Unit:
        corners, now, memory = [(0.0, 5.0 * MB)], 0.0, 5.0 * MB
        for seconds, part in draw(profile):
            now += max(seconds, (part * room - memory) / FASTEST)
            memory = part * room
            corners.append((now, memory))
        return Unit(f"{number}.cc", draw(st.sampled_from(["c++", "cuda", "c", "link", "other"])), tuple(corners))

    units = tuple(unit(number) for number in range(draw(st.integers(1, 7))))
    return Build((units,), draw(st.sampled_from([1, 2, 8])), room, 0.5 * GB)


@settings(max_examples=10)
@given(builds())
def test_memory_lasts_and_decisions_are_sound(build: Build) -> None:
    said: list[Decision] = []

    def see(_: float, running: list[Running], free: float, now: Decision) -> None:
        there = {one.identity for one in running}
        assert now.wait | now.go <= there
        assert not now.wait & now.go
        assert LOOKS[0] <= now.look <= LOOKS[1]
        assert now.end or now.wait != there, "somebody goes on"
        said.append(now)

    outcome = build.gated(see=see)
    assert outcome.free >= build.reserve / 8
    assert outcome.end != "killed"
    assert math.isfinite(outcome.seconds) or said[-1].culprit
    assert outcome.most_stops <= 8 + outcome.seconds
    again, said[:] = said[:], []
    build.gated(see=see)
    assert again == said


@settings(max_examples=10)
@given(builds(), st.integers(1, 3))
def test_what_fits_one_at_a_time_finishes_where_it_is_known(build: Build, jobs: int) -> None:
    def see(_: float, running: list[Running], free: float, now: Decision) -> None:
        assert sum(one.identity not in now.wait and one.unit.kind != "other" for one in running) <= jobs

    known = {unit.name: int(unit.peak) + 1 for unit in build.waves[0]}
    assert build.run(Gate(int(build.reserve), jobs, known), see=see).end == ""


@settings(max_examples=10)
@given(builds(), st.booleans())
def test_nobody_is_stopped_where_there_is_plenty(build: Build, known: bool) -> None:
    units = build.waves[0]
    room = sum(1.1 * unit.peak if known else max(16 * unit.peak, 4 * GB) for unit in units)
    gate = Gate(int(build.reserve), None, {unit.name: int(unit.peak) + 1 for unit in units} if known else {})
    outcome = build._replace(room=room).run(gate)
    assert (outcome.stops, outcome.end) == (0, "")
