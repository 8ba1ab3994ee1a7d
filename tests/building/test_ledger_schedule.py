"""The best number of jobs, on paper."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from built import GIB
from sparkdoctor.building.schedule import SLACK, Best, Plan, Task, best, schedule

TASKS = st.lists(st.tuples(st.floats(0.01, 1000), st.integers(0, 64 * GIB)), min_size=1, max_size=40)


def test_a_schedule_by_hand() -> None:
    tasks = [(4.0, 1), (3.0, 2), (2.0, 4), (1.0, 8)]
    assert schedule(tasks, 1) == Plan(1, 10.0, 8)
    # 4 and 3 begin; 2 takes the place of 3, at 4 the job of 1 takes that of 4.
    assert schedule(tasks, 2) == Plan(2, 5.0, 12)
    assert schedule(tasks, 3) == Plan(3, 4.0, 11)
    assert schedule(tasks, 9) == Plan(9, 4.0, 15)
    assert schedule([], 2) == Plan(2, 0.0, 0)


@given(TASKS, st.integers(1, 24))
def test_what_holds_for_any_schedule(tasks: list[Task], count: int) -> None:
    whole, longest = sum(seconds for seconds, _ in tasks), max(seconds for seconds, _ in tasks)
    assert schedule(tasks, 1).makespan == pytest.approx(whole)
    assert schedule(tasks, 1).memory == max(peak for _, peak in tasks)
    plan = schedule(tasks, count)
    assert plan.makespan >= max(longest, whole / count) * 0.999999
    assert plan.makespan <= (whole / count + longest) * 1.000001
    assert plan.makespan <= schedule(tasks, max(1, count - 1)).makespan * 1.000001
    assert max(peak for _, peak in tasks) <= plan.memory <= sum(sorted((peak for _, peak in tasks), reverse=True)[:count])


@given(TASKS, st.integers(1, 24), st.integers(0, 200 * GIB), st.integers(1, 30))
def test_the_chosen_number_fits_and_none_that_fits_is_faster(tasks: list[Task], processors: int, room: int, had: int) -> None:
    found = best(tasks, processors, room, had=had)
    plans = [schedule(tasks, count) for count in range(1, processors + 1)]
    fitting = [plan for plan in plans if plan.memory <= room]
    if found is None:
        assert not any(plan.number <= len(tasks) for plan in fitting)
        return
    assert 1 <= found.number <= processors
    assert found.plan.memory <= room
    assert found.plan.makespan <= min(plan.makespan for plan in fitting) * SLACK
    assert all(plan.makespan > found.plan.makespan for plan in fitting if plan.number < found.number)
    if found.over:
        assert found.over.memory > room
        assert found.over.makespan < found.plan.makespan
    if found.already:
        assert had >= found.number or schedule(tasks, had).makespan <= found.plan.makespan * SLACK


def test_memory_decides() -> None:
    found = best([(10.0, 2 * GIB)] * 40, 20, 13 * GIB, had=6)
    assert found is not None
    assert (found.number, found.each, found.already) == (6, 2 * GIB, True)
    assert found.over == Plan(7, 60.0, 14 * GIB)


def test_where_more_are_no_faster_the_least_number_is_the_best() -> None:
    found = best([(100.0, GIB)] + [(10.0, GIB)] * 3, 20, 90 * GIB, had=4)
    assert found == Best(Plan(2, 100.0, 2 * GIB), 90 * GIB, GIB, None, already=True)


def test_processors_decide() -> None:
    found = best([(10.0, GIB)] * 40, 4, 90 * GIB, had=2)
    assert found is not None
    assert (found.number, found.over, found.already) == (4, None, False)


def test_what_was_seen_to_fit_fits() -> None:
    tasks = [(10.0, 2 * GIB)] * 40
    found = best(tasks, 20, 13 * GIB, had=10, proven=True)
    assert found is not None
    assert (found.number, found.already) == (10, True)
    assert found.over == Plan(14, 30.0, 28 * GIB)


def test_more_than_fits_was_not_as_good() -> None:
    found = best([(10.0, 2 * GIB)] * 40, 20, 13 * GIB, had=20)
    assert found is not None
    assert (found.number, found.already) == (6, False)


def test_where_not_even_one_fits_there_is_no_best() -> None:
    assert best([(10.0, 2 * GIB)] * 40, 20, GIB) is None
    assert best([], 20, GIB) is None


def test_a_large_build_is_counted_quickly() -> None:
    tasks = [(1.0 + number % 7, (1 + number % 5) * GIB) for number in range(3000)]
    began = time.process_time()
    found = best(tasks, 1000, 300 * GIB)
    assert time.process_time() - began < 2.0
    assert found is not None
    assert found.plan.memory <= 300 * GIB
    assert found.number >= 75
