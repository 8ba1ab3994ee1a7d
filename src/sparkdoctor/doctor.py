"""Examines a machine: which checks run, on which facts, and what becomes of those that cannot."""

import sys
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any

from sparkdoctor import __version__
from sparkdoctor.check import Check, Described, Need
from sparkdoctor.facts import header
from sparkdoctor.fix import Fix
from sparkdoctor.machine import Fact, Machine, Untaped
from sparkdoctor.model import Broken, Missing, Report, Result, Status, Verdict, sound, words
from sparkdoctor.registry import Registry

LAYERS = ("machine", "gpu", "cuda", "torch", "triton", "deepspeed", "cache", "memory", "openfold", "plugins")
"""The order of a report; layers of other plugins follow, by name."""
HEADER = header.NEEDS
"""The facts of a report's head: always needed, so that a command can start them before it has loaded any plugin."""
ILL = (Status.FAILED, Status.WARNING, Status.CRASHED)
"""How checks end that there may be a fix for."""
_LAST_MOMENT = 0.3
"""Seconds that checks get to judge what was read when all time went into reading."""
_MOMENT = 0.05
"""Seconds that the rest get when one check took more than all of it."""

_SHARE = 1e-4
"""Seconds for which a check that never ends keeps the interpreter from everybody else."""


class UnknownIdError(ValueError):
    """An id that no check has; the message suggests the nearest."""


def select(registry: Registry, ids: Iterable[str] = (), ignore: Iterable[str] = ()) -> list[Check]:
    """The checks to run, in the order of a report: those named, or all, without the ignored.

    Raises:
        UnknownIdError: a name that no check has.
    """
    wanted, unwanted = list(dict.fromkeys(ids)), set(ignore)
    know(registry, [*wanted, *unwanted])
    chosen = [registry.checks[name] for name in (wanted or registry.checks) if name not in unwanted]
    return sorted(chosen, key=lambda check: (rank(check.layer), check.id))


def know(registry: Registry, names: Iterable[str]) -> None:
    """Make sure that each name is the id of a check.

    Raises:
        UnknownIdError: one is not.
    """
    for name in names:
        if name not in registry.checks:
            from difflib import get_close_matches  # noqa: PLC0415 (only on the way to an error)

            near = get_close_matches(name, registry.checks, 1, 0.5)
            raise UnknownIdError(f"no check {name!r}" + (f"; did you mean {near[0]}?" if near else "; see sparkdoctor list"))


def facts_of(checks: Iterable[Described]) -> list[type[Fact]]:
    """The facts that checks or fixes need, each once."""
    return list(dict.fromkeys(need.fact for check in checks for need in check.needs if need.fact))


def rank(layer: str) -> tuple[int, str]:
    """Where a layer stands in a report."""
    return (LAYERS.index(layer) if layer in LAYERS else len(LAYERS), layer)


def diagnose(machine: Machine, registry: Registry, checks: Sequence[Check]) -> Report:
    """Examine `machine` with `checks`, the deep ones where the machine is; returns within its time, come what may.

    Facts that were started before (see `HEADER`) are awaited, not read again.
    """
    checks = [check for check in checks if machine.deep or not check.deep]
    machine.start([*HEADER, *facts_of(checks)])
    judged = [_with_fixes(result, registry) for result in judge(machine, checks)]
    results = [*registry.problems, *judged]
    results.sort(key=lambda result: rank(result.layer))
    python, described = header.describe(machine)
    return Report(
        version=__version__,
        profile=machine.profile.name,
        deep=machine.deep,
        python=python,
        machine=described,
        results=tuple(results),
        seconds=round(machine.elapsed(), 4),
    )


def judge(machine: Machine, checks: Sequence[Check]) -> list[Result]:
    """Run the checks one after the other in a thread that can be left behind where one of them never returns."""
    results: list[Result] = []
    waiting = list(reversed(checks))
    ends = time.monotonic() + max(0.0, machine.remaining()) + _LAST_MOMENT
    while waiting:
        done = threading.Event()
        threading.Thread(target=_judge, args=(machine, waiting, results, done), daemon=True).start()
        # Where one check took all the time, the others get a moment each, and all together not much more than one.
        if not done.wait(max(_MOMENT, ends - time.monotonic())) and waiting:
            stuck = waiting.pop()
            sys.setswitchinterval(_SHARE)  # it may be a loop, which would leave us little
            results.append(_result(stuck, Verdict(Status.CRASHED, "the check did not come to an end"), 0.0))
        if time.monotonic() > ends + _LAST_MOMENT:
            late = Verdict(Status.CRASHED, "no time was left for this check: others did not come to an end")
            while waiting:
                results.append(_result(waiting.pop(), late, 0.0))
    return results


def _judge(machine: Machine, waiting: list[Check], results: list[Result], done: threading.Event) -> None:
    while waiting:
        check = waiting[-1]
        started = time.perf_counter()
        verdict = examine(machine, check)
        if not waiting or waiting[-1] is not check:
            return  # given up on while it ran; another thread has the rest
        results.append(_result(check, verdict, time.perf_counter() - started))
        waiting.pop()
    done.set()


def _result(check: Check, verdict: Verdict, seconds: float) -> Result:
    return Result(check.id, check.layer, check.title, verdict, (), round(seconds, 6))


def fixes_for(registry: Registry, name: str) -> list[Fix]:
    """The fixes that cure a check, by name."""
    return sorted((fix for fix in registry.fixes.values() if name in fix.cures), key=lambda fix: fix.id)


def _with_fixes(result: Result, registry: Registry) -> Result:
    """What is ill, with the fixes for it."""
    if result.status not in ILL:
        return result
    return result._replace(fixes=tuple(fix.id for fix in fixes_for(registry, result.id)))


def examine(machine: Machine, check: Check) -> Verdict:
    """One check's verdict, at the severity that the profile gives it."""
    level = machine.profile.severity.get(check.id)
    if level == "off":
        return Verdict(Status.SKIPPED, f"switched off by the profile {machine.profile.name}")
    facts = given(machine, check.needs)
    if isinstance(facts, Missing):
        return Verdict(Status.CRASHED if isinstance(facts, Broken) else Status.SKIPPED, facts.reason)
    try:
        verdict = check.function(**facts)
    except BaseException as error:  # noqa: BLE001 (a stranger's check may raise anything, SystemExit too)
        return Verdict(Status.CRASHED, f"the check broke: {words(error)}")
    if not isinstance(verdict, Verdict):
        return Verdict(Status.CRASHED, f"the check returned {type(verdict).__name__} and no verdict")
    if not sound(verdict):
        return Verdict(Status.CRASHED, "the check returned a verdict with parts that are no text")
    if level and verdict.status in (Status.FAILED, Status.WARNING):
        return verdict._replace(status=Status(level))
    return verdict


def _judged(need: Need, missing: Missing) -> bool:
    """Whether the check judges this absence itself: what was not asked is not absent, but deep work may be left out."""
    return need.judges_absence and (not isinstance(missing, Untaped) or (need.fact is not None and need.fact.deep))


def given(machine: Machine, needs: Sequence[Need]) -> dict[str, Any] | Missing:
    """The values of what a signature asks for, or the first that is missing and not judged by it."""
    found: dict[str, Any] = {}
    for need in needs:
        value = machine.profile if need.fact is None else machine.get(need.fact)
        if isinstance(value, Missing) and not _judged(need, value):
            return value
        found[need.name] = value
    return found
