"""What is noted of each look at a build."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from built import GIB, job
from sparkdoctor.building import ledger
from sparkdoctor.building.ledger import Account, Ledger, Moment, Rest, Waits
from sparkdoctor.building.names import told_apart


def test_no_look_is_no_build() -> None:
    assert Ledger().account() == Account()
    assert Ledger().moment == Moment()


def test_a_job_from_birth_to_end() -> None:
    book = Ledger()
    book.see(100.0, [job(1, 0.5, age=0.25, cpu=0.2, tool="cudafe++")], 90 * GIB)
    book.see(101.0, [job(1, 3.0, biggest=2 * GIB, cpu=1.1), job(2, 1.0, age=0.5)], 80 * GIB)
    book.see(102.0, [job(1, 1.0, biggest=GIB, tool="ptxas", cpu=2.0), job(2, 1.5, age=1.5)], 85 * GIB)
    book.see(102.5, [job(2, 1.0, age=2.0, cpu=1.9)], 88 * GIB)
    book.see(103.0, [], 95 * GIB)
    account = book.account()
    first, second = account.units
    assert (first.name, first.kind, first.tool, first.peak, first.biggest) == ("1.cu", "cuda", "cicc", 3 * GIB, 2 * GIB)
    assert (first.began, first.seconds, first.cpu, first.held, first.paused) == (0.0, 2.75, 2.0, 0.0, 0.0)
    assert (second.peak, second.began, second.seconds, second.cpu) == (1.5 * GIB, 0.5, 2.5, 1.9)
    assert (account.total_peak, account.total_peak_at) == (4 * GIB, 1.0)
    assert (account.lowest_free, account.total_then) == (80 * GIB, 4 * GIB)
    assert (account.most, account.wanted, account.seconds, account.jobs) == (2, 2, 3.0, 2)
    assert account.waits == Waits()


def test_held_is_before_it_ran_and_paused_later() -> None:
    book = Ledger()
    one, two = job(1), job(2, age=0.0)
    book.see(0.0, [one], GIB)
    book.see(1.0, [one, two], GIB, frozenset({two.id}))
    assert book.moment[1:4] == (1, 1, 0)
    book.see(3.0, [one, two], GIB, frozenset({two.id}))
    book.see(4.0, [one, two], GIB, frozenset({one.id}))
    assert book.moment[1:4] == (1, 0, 1)
    book.see(4.5, [one, two], GIB, frozenset({two.id, one.id}))
    book.see(5.0, [one, two], GIB)
    assert book.moment[1:4] == (2, 0, 0)
    account = book.account()
    assert [(unit.held, unit.paused) for unit in account.units] == [(0.0, 1.0), (3.0, 0.5)]
    assert account.waits == Waits(1, 3.0, 2, 1.5)
    assert (account.most, account.wanted) == (2, 2)


def test_who_waits_and_is_not_there_is_nobody() -> None:
    book = Ledger()
    book.see(0.0, [job(1)], GIB, frozenset({(5, 5)}))
    book.see(1.0, [job(1)], GIB, frozenset({(5, 5)}))
    assert book.moment[1:4] == (1, 0, 0)
    assert book.account().waits == Waits()


def test_a_job_that_could_not_be_read_for_a_moment_is_one_job() -> None:
    book = Ledger()
    for at, jobs in enumerate(([job(1)], [], [job(1, 2.0)], [])):
        book.see(float(at), jobs, GIB)
    (unit,) = book.account().units
    assert (unit.peak, unit.seconds) == (2 * GIB, 4.0)


def test_memory_that_nobody_can_read_is_not_known() -> None:
    book = Ledger()
    book.see(0.0, [job(1)], None)
    assert book.account().lowest_free is None
    book.see(1.0, [job(1)], 5)
    book.see(2.0, [job(1)], None)
    assert book.account().lowest_free == 5


def test_cpu_time_does_not_fall() -> None:
    book = Ledger()
    for at, cpu in enumerate((1.0, 5.0, 2.0)):
        book.see(float(at), [job(1, cpu=cpu)], GIB)
    assert book.account().units[0].cpu == 5.0


def test_a_number_that_is_given_anew_is_another_job() -> None:
    book = Ledger()
    book.see(0.0, [job(1)], GIB)
    book.see(1.0, [job(1, id=(1, 99))], GIB)
    assert [unit.name for unit in book.account().units] == ["1.cu", "1.cu (2)"]


def test_a_name_that_is_learnt_late_counts() -> None:
    book = Ledger()
    book.see(0.0, [job(1, name="sh", kind="other")], GIB)
    book.see(1.0, [job(1, name="a.cu")], GIB)
    assert [(unit.name, unit.kind) for unit in book.account().units] == [("a.cu", "cuda")]


def test_a_compiler_that_ends_keeps_its_name() -> None:
    book = Ledger()
    book.see(0.0, [job(1, name="a.cu")], GIB)
    book.see(1.0, [job(1, name="nvcc", kind="other")], GIB)
    assert [(unit.name, unit.kind) for unit in book.account().units] == [("a.cu", "cuda")]


def test_brief_jobs_are_counted_only() -> None:
    book = Ledger()
    for number in range(500):
        book.see(number / 10, [job(number, 0.02, cpu=0.05), job(1000, 0.02, cpu=number / 10)], GIB)
    book.see(60.0, [job(2000, 1.0, cpu=0.0)], GIB)
    account = book.account()
    assert [unit.name for unit in account.units] == ["1000.cu", "2000.cu"]
    assert account.rest == Rest(500, int(0.02 * GIB))
    assert account.jobs == 502


def test_a_clock_that_is_set_back_takes_nothing_away() -> None:
    book = Ledger()
    one = job(1)
    for now in (10.0, 5.0, 11.0):
        book.see(now, [one], GIB, frozenset({one.id}))
    assert book.account().waits == Waits(1, 1.0)
    assert book.account().seconds == 1.0


def test_of_many_jobs_the_least_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "KEPT", 100)
    book = Ledger()
    for number in range(1000):
        wait = frozenset({(number, 7)})
        book.see(float(number), [job(number, 1.0 + number % 50)], GIB, wait)
    account = book.account()
    assert account.jobs == 1000
    assert 50 <= len(account.units) <= 101
    assert max(unit.peak for unit in account.units) == 50 * GIB > account.rest.peak
    assert account.waits.held == 999
    assert account.waits.held_seconds == pytest.approx(999.0)


def test_what_the_next_build_should_know() -> None:
    book = Ledger()
    jobs = [job(1, 1.0, name="a.cu"), job(2, 3.0, name="a.cu"), job(3, 2.0, name="b.cu"), job(4, 9.0, name="c.cu")]
    book.see(0.0, jobs, GIB)
    assert book.account().peaks == {}
    book.see(1.0, jobs[3:], GIB)
    assert list(book.account().peaks.items()) == [("a.cu", 3 * GIB), ("b.cu", 2 * GIB)]
    assert [unit.ended for unit in book.account().units] == [True, True, True, False]


def test_a_look_costs_little() -> None:
    book = Ledger()
    jobs = [job(number) for number in range(200)]
    waiting = frozenset(one.id for one in jobs[::3])
    costs = []
    for at in range(50):
        began = time.perf_counter()
        book.see(float(at), jobs, GIB, waiting)
        costs.append(time.perf_counter() - began)
    assert min(costs) < 0.0003


@settings(max_examples=50)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1 << 40), st.booleans()), max_size=6, unique_by=lambda one: one[0])
    )
)
def test_sums_hold_whatever_is_seen(looks: list[list[tuple[int, int, bool]]]) -> None:
    book = Ledger()
    for at, look in enumerate(looks):
        jobs = [job(number, cpu=float(at), memory=0)._replace(memory=size, biggest=size // 2) for number, size, _ in look]
        book.see(float(at), jobs, sum(size for _, size, _ in look), frozenset((number, 7) for number, _, idle in look if idle))
    account = book.account()
    assert account.total_peak == max((sum(size for _, size, _ in look) for look in looks), default=0)
    assert account.wanted == max(map(len, looks), default=0) >= account.most
    assert account.jobs == len({number for look in looks for number, _, _ in look})
    for unit in account.units:
        assert unit.held + unit.paused <= unit.seconds
        assert unit.biggest <= unit.peak <= account.total_peak
    assert len({unit.name for unit in account.units}) == len(account.units)


# --- names


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["a.cu", "b.cu"], ["a.cu", "b.cu"]),
        (["csrc/a.cu", "csrc/b.cu"], ["a.cu", "b.cu"]),
        (["fwd/a.cu", "bwd/a.cu", "b.cu"], ["fwd/a.cu", "bwd/a.cu", "b.cu"]),
        (["x/sm90/k/a.cu", "x/sm80/k/a.cu"], ["sm90/k/a.cu", "sm80/k/a.cu"]),
        (["k/a.cu", "k/a.cu"], ["a.cu", "a.cu (2)"]),
        (["k/a.cu", "l/a.cu", "k/a.cu"], ["k/a.cu", "l/a.cu", "k/a.cu (2)"]),
        (["a.cu", "a.cu (2)", "a.cu"], ["a.cu", "a.cu (2)", "a.cu (3)"]),
        (["a.cu", "/a.cu"], ["a.cu", "/a.cu"]),
        (["/", "", "dir/"], ["/", "", "dir"]),
    ],
)
def test_names_are_told_apart(names: list[str], told: list[str]) -> None:
    assert told_apart(names) == told


@given(st.lists(st.text("ab/. ()2", max_size=6) | st.text(max_size=4), max_size=12))
def test_no_two_jobs_have_one_name(names: list[str]) -> None:
    told = told_apart(names)
    assert len(told) == len(names) == len(set(told))


def test_a_long_name_keeps_its_end() -> None:
    book = Ledger()
    book.see(0.0, [job(1, name="x" * 4096 + "attention.cu")], GIB)
    (unit,) = book.account().units
    assert len(unit.name) == 255
    assert unit.name.startswith("…x")
    assert unit.name.endswith("attention.cu")
