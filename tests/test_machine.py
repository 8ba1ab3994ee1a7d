"""Facts, each probed once: under concurrency, in circles, and where a probe fails or hangs."""

import dataclasses
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

import pytest

from sparkdoctor import profiles
from sparkdoctor.host import Question
from sparkdoctor.machine import Fact, Machine, Unavailable, Untaped
from sparkdoctor.model import Broken, Missing
from sparkdoctor.process import Ran
from sparkdoctor.tape import Player
from standins.hosts import Elsewhere, Paper, machine_of


def paper(answers: Mapping[str, Any] | None = None, timeout: float = 10.0) -> Machine:
    return machine_of(Paper(answers=answers), timeout=timeout)


def made(name: str, probe: Callable[[Machine], Any]) -> type[Fact]:
    """A kind of fact whose probe is `probe`: missing where that says so, else there."""

    class Made(Fact):
        @classmethod
        def probe(cls, machine: Machine) -> Self | Missing:
            found = probe(machine)
            return found if isinstance(found, Missing) else cls()

    Made.__name__ = Made.__qualname__ = name
    return Made


# --- once


def test_a_fact_is_probed_once_however_many_ask_for_it() -> None:
    probes = []
    start = threading.Barrier(8)

    def slow(machine: Machine) -> None:
        probes.append(threading.get_ident())
        time.sleep(0.1)

    kind = made("Slow", slow)
    machine = paper()
    found: list[Any] = []

    def ask() -> None:
        start.wait()
        found.append(machine.get(kind))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(probes) == 1
    assert len(found) == 8
    assert all(fact is found[0] for fact in found)
    assert isinstance(found[0], kind)


def test_facts_are_probed_concurrently() -> None:
    together = threading.Barrier(4)

    def meet(machine: Machine) -> None:
        together.wait(5)

    kinds = [made(f"Fact{number}", meet) for number in range(4)]
    machine = paper()
    machine.start(kinds)
    assert all(isinstance(machine.get(kind), kind) for kind in kinds)


def test_many_facts_that_need_one_another_are_each_probed_once() -> None:
    probes: list[int] = []
    kinds: list[type[Fact]] = []

    def probe_of(number: int) -> Callable[[Machine], None]:
        def probe(machine: Machine) -> None:
            for needed in kinds[:number]:
                machine.need(needed)
            probes.append(number)

        return probe

    kinds += [made(f"Fact{number}", probe_of(number)) for number in range(30)]
    machine = paper()
    machine.start(reversed(kinds))
    assert all(isinstance(machine.get(kind), kind) for kind in kinds)
    assert sorted(probes) == list(range(30))


# --- failures


def test_a_probe_that_raises_is_a_broken_fact() -> None:
    def explode(machine: Machine) -> None:
        raise ZeroDivisionError("by zero")

    kind = made("Exploding", explode)
    assert paper().get(kind) == Broken("Exploding could not be read: ZeroDivisionError: by zero")


def test_a_missing_fact_makes_those_missing_that_need_it_and_says_why() -> None:
    absent = made("Absent", lambda machine: Missing("there is none"))  # noqa: ARG005
    middle = made("Middle", lambda machine: machine.need(absent))
    outer = made("Outer", lambda machine: machine.need(middle))
    machine = paper()
    assert machine.get(outer) == Missing("there is none")
    assert machine.get(middle) == Missing("there is none")
    with pytest.raises(Unavailable, match="there is none"):
        machine.need(outer)


def test_a_broken_fact_stays_broken_for_those_that_need_it() -> None:
    broken = made("Bad", lambda machine: Broken("it crashed"))  # noqa: ARG005
    assert paper().get(made("Outer", lambda machine: machine.need(broken))) == Broken("it crashed")


def test_a_fact_that_needs_itself_is_broken() -> None:
    kinds: list[type[Fact]] = []
    kinds.append(made("Narcissus", lambda machine: machine.need(kinds[0])))
    assert paper().get(kinds[0]) == Broken("Narcissus needs itself")


@pytest.mark.parametrize("length", [2, 3, 7])
@pytest.mark.parametrize("concurrent", [False, True])
def test_a_circle_of_facts_is_broken_at_once(length: int, *, concurrent: bool) -> None:
    kinds: list[type[Fact]] = []
    start = threading.Barrier(length)

    def probe_of(number: int) -> Callable[[Machine], None]:
        def probe(machine: Machine) -> None:
            if concurrent:
                start.wait(5)  # each has begun before any asks for the next
            machine.need(kinds[(number + 1) % length])

        return probe

    kinds += [made(f"Fact{number}", probe_of(number)) for number in range(length)]
    machine = paper(timeout=8)
    started = time.monotonic()
    if concurrent:
        machine.start(kinds)
    found = [machine.get(kind) for kind in kinds]
    assert time.monotonic() - started < 2
    assert all(isinstance(fact, Broken) and "needs itself" in fact.reason for fact in found), found


def test_two_that_wait_for_the_same_third_are_no_circle() -> None:
    def slow(machine: Machine) -> None:
        time.sleep(0.05)

    third = made("Third", slow)
    users = [made(f"User{number}", lambda machine: machine.need(third)) for number in range(4)]
    for _ in range(5):
        machine = paper()
        machine.start([*users, third])
        assert all(isinstance(machine.get(kind), kind) for kind in users)


# --- time


def test_a_part_is_probed_where_the_whole_is_there() -> None:
    probed: list[str] = []
    for whole, found in ((None, "Whole Part"), (Missing("it is not installed"), "Whole"), (Untaped("read"), "Whole")):
        probed.clear()

        def probe(_: Machine, whole: Missing | None = whole) -> Missing | None:
            probed.append("Whole")
            return whole

        kind = made("Whole", probe)

        def probe_part(machine: Machine, kind: type[Fact] = kind) -> None:
            machine.need(kind)
            probed.append("Part")

        part = made("Part", probe_part)
        part.part_of = kind
        machine = paper()
        machine.start([part, kind])
        assert isinstance(machine.get(part), Missing) is (whole is not None)
        assert machine.get(part) == (whole or part())
        assert " ".join(probed) == found
        alone = paper()
        alone.start([part])
        assert alone.get(part) == (whole or part())


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_circle_of_parts_is_probed_all_the_same(length: int) -> None:
    kinds = [made(f"K{number}", lambda _: None) for number in range(length)]
    for number, kind in enumerate(kinds):
        kind.part_of = kinds[number - 1]
    machine = paper(timeout=5)
    machine.start(kinds)
    assert [machine.get(kind) for kind in kinds] == [kind() for kind in kinds]


def test_a_probe_that_hangs_does_not_hold_the_machine() -> None:
    release = threading.Event()
    hung = made("Hung", lambda machine: release.wait(30))  # noqa: ARG005
    waits = made("Waits", lambda machine: machine.need(hung))
    fine = made("Fine", lambda machine: None)  # noqa: ARG005
    machine = paper(timeout=0.3)
    started = time.monotonic()
    machine.start([hung, waits, fine])
    found = [machine.get(kind) for kind in (hung, waits, fine)]
    assert time.monotonic() - started < 1
    release.set()
    assert found[0] == Broken("Hung: not read within 0.3 s")
    assert isinstance(found[1], Broken)
    assert isinstance(found[2], fine)


def test_a_fact_that_was_started_is_never_probed_by_who_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # Else whoever asks would be held by a probe that hangs in the kernel, whatever the deadline.
    class Late(threading.Thread):
        def run(self) -> None:
            time.sleep(0.05)
            super().run()

    monkeypatch.setattr(threading, "Thread", Late)
    probers: list[int] = []
    kind = made("Started", lambda machine: probers.append(threading.get_ident()))  # noqa: ARG005
    machine = paper()
    machine.start([kind, kind])
    assert isinstance(machine.get(kind), kind)
    assert len(probers) == 1
    assert threading.get_ident() not in probers


def test_a_question_gets_no_more_time_than_is_left() -> None:
    given: list[float] = []

    class Clock:
        def answer(self, question: Question, timeout: float) -> Any:  # noqa: ARG002
            given.append(timeout)
            return "x"

    machine = Machine(Clock(), profiles.load("dgx-spark"), timeout=0.2)
    machine.read("/a")
    time.sleep(0.25)
    with pytest.raises(Unavailable, match=r"no time left of 0\.2 s"):
        machine.read("/b")
    assert len(given) == 1
    assert 0.1 < given[0] <= 0.2
    assert machine.remaining() <= 0


# --- answers


def test_answers_have_their_types() -> None:
    machine = paper(
        {
            "read /file": "text",
            "env NAME": "value",
            "entries /dir": ["a", "b"],
            "space /dir": {"total": 3, "free": 2, "device": 1},
            "head /file": "7f45",
            "records /file": ["a"],
            "run tool": {"code": None, "stdout": "o", "stderr": "e"},
            "script python": {"code": -11, "stdout": "", "stderr": ""},
            "nvml": {"code": 0, "stdout": "", "stderr": ""},
            "limits": {"stack": [None, 1]},
        }
    )
    assert machine.read("/file") == "text"
    assert machine.env("NAME") == "value"
    assert machine.env("OTHER") is None
    assert machine.entries("/dir") == ("a", "b")
    space = machine.space("/dir")
    assert not isinstance(space, Missing)
    assert (space.total, space.free, space.device) == (3, 2, 1)
    assert machine.head("/file", 2) == b"\x7fE"
    assert machine.records("/file", "a", "\n") == ("a",)
    assert machine.run("tool", "-x") == Ran(None, "o", "e")
    assert machine.script("python", "interpreter") == Ran(-11, "", "")
    assert machine.nvml() == Ran(0, "", "")
    assert machine.limits() == {"stack": [None, 1]}
    assert machine.read("/other") == Missing("/other does not exist")


@pytest.mark.parametrize(
    ("answer", "ask"),
    [
        (5, lambda machine: machine.read("/x")),
        ("x", lambda machine: machine.entries("/x")),
        (["x"], lambda machine: machine.stat("/x")),
        ({"kind": "file"}, lambda machine: machine.stat("/x")),
        ("zz", lambda machine: machine.head("/x", 1)),
        ({}, lambda machine: machine.run("/x")),
        (None, lambda machine: machine.limits()),
        (7, lambda machine: machine.env("/x")),
    ],
)
def test_an_answer_that_makes_no_sense_breaks_the_fact_and_nothing_else(answer: Any, ask: Callable[[Machine], Any]) -> None:
    class Mad:
        def answer(self, question: Question, timeout: float) -> Any:  # noqa: ARG002
            return answer

    def probe(machine: Machine) -> None:
        ask(machine)

    assert isinstance(machine_of(Mad()).get(made("Odd", probe)), Broken)


def test_a_refused_variable_makes_the_fact_missing() -> None:
    machine = machine_of(Paper(answers={"env HOME": Broken("refused")}))
    assert machine.get(made("Home", lambda machine: machine.env("HOME"))) == Broken("refused")


def test_the_options_of_a_command_are_part_of_the_question() -> None:
    host = Elsewhere({"run cc": {"code": 0, "stdout": "", "stderr": ""}})
    machine = machine_of(host)
    machine.run("cc", "-v", timeout=1)
    machine.run("cc", "{input}", text="int x;", scratch=True)
    assert host.asked == [
        Question("run", (["cc", "-v"], {})),
        Question("run", (["cc", "{input}"], {"input": "int x;", "scratch": True})),
    ]


# --- tapes


def test_a_question_that_is_not_on_the_tape_makes_the_whole_fact_missing() -> None:
    tape = {"answers": [{"ask": "read", "args": ["/a"], "answer": "x"}, {"ask": "env", "args": ["B"], "answer": None}]}
    machine = machine_of(Player(tape))
    assert machine.get(made("Known", lambda machine: (machine.read("/a"), machine.env("B")))) is not None
    half = machine.get(made("Half", lambda machine: (machine.read("/a"), machine.read("/c"))))
    assert half == Untaped("not on this tape: read /c")
    assert not isinstance(half, Broken)
    ran = machine.get(made("Ran", lambda machine: machine.run("nvcc", "--version")))
    assert isinstance(ran, Untaped)
    assert ran.reason == "not on this tape: run nvcc --version"


# --- facts as values


def test_facts_are_values() -> None:
    class Size(Fact):
        value: int
        unit: str = "MiB"

        @classmethod
        def probe(cls, machine: Machine) -> Self:  # noqa: ARG003
            return cls(1)

    assert Size(1) == Size(value=1) != Size(2)
    assert Size(1).unit == "MiB"
    assert repr(Size(2, "GiB")) == "Size(value=2, unit='GiB')"
    made_up: Any = Size
    for values, named in (((), {}), ((1, "MiB", 3), {}), ((1,), {"colour": "red"})):
        with pytest.raises(TypeError):
            made_up(*values, **named)


def test_a_default_that_is_given_changes_nothing() -> None:
    class Size(Fact):
        value: int
        unit: str = "MiB"

        @classmethod
        def probe(cls, machine: Machine) -> Self:  # noqa: ARG003
            return cls(1)

    assert Size(1, "MiB") == Size(1)


def test_a_fact_may_be_a_dataclass_too() -> None:
    @dataclasses.dataclass(frozen=True)
    class Size(Fact):
        value: int
        unit: str = "MiB"

        @classmethod
        def probe(cls, machine: Machine) -> Self:  # noqa: ARG003
            return cls(1)

    assert Size(1) == Size(1, "MiB") != Size(2)
    assert paper().get(Size) == Size(1)
