"""Treats a machine: makes plans, performs them, and believes them only when the checks pass on a fresh look."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from sparkdoctor import doctor
from sparkdoctor.fix import Fix
from sparkdoctor.journal import Treatment
from sparkdoctor.machine import Machine
from sparkdoctor.model import Broken, Missing, Report, Status, words
from sparkdoctor.perform import Refusal, Surroundings, perform, take_back
from sparkdoctor.plan import Answer, NotNeeded, Plan, Refused, Run, Step, Work, flaw
from sparkdoctor.registry import Registry


class Outcome(StrEnum):
    """How a fix ended. A plan that was only shown, or not agreed to, is `planned`."""

    CURED = "cured"
    NOT_CURED = "not cured"
    FAILED = "failed"
    REFUSED = "refused"
    NOT_NEEDED = "not needed"
    PLANNED = "planned"


class Treated(NamedTuple):
    """What became of one fix.

    `reason` in the user's words, `command` what there is left to do; `checks` are those that it is to cure, with how each ended
    on the fresh look.
    """

    fix: Fix
    outcome: Outcome
    reason: str
    plan: Plan | None = None
    checks: tuple[tuple[str, Status], ...] = ()
    command: str | None = None


def chosen(registry: Registry, report: Report) -> list[Fix]:
    """The fixes for what a report found."""
    ill = {result.id for result in report.results if result.status in doctor.ILL}
    return [fix for fix in registry.fixes.values() if ill & set(fix.cures)]


def ordered(fixes: Iterable[Fix]) -> list[Fix]:
    """Each after those that it comes after; else by name."""
    pending = {fix.id: fix for fix in sorted(fixes, key=lambda fix: fix.id)}
    done: list[Fix] = []
    while pending:
        ready = next((fix for fix in pending.values() if not set(fix.after) & (pending.keys() - {fix.id})), None)
        fix = ready or next(iter(pending.values()))  # a circle: in some order
        done.append(pending.pop(fix.id))
    return done


def plan(machine: Machine, fix: Fix) -> Answer:
    """What a fix would do to a machine; whatever it raises is a refusal."""
    machine.start(doctor.facts_of([fix]))
    facts = doctor.given(machine, fix.needs)
    if isinstance(facts, Missing):
        return Refused(facts.reason) if isinstance(facts, Broken) else NotNeeded(facts.reason)
    answers: list[Answer] = []
    asked = threading.Thread(target=_answer, args=(fix, facts, answers), daemon=True)  # it may never return
    asked.start()
    asked.join(_PATIENCE)
    return answers[0] if answers else Refused("the fix did not come to an end")


def _answer(fix: Fix, facts: Mapping[str, Any], answers: list[Answer]) -> None:
    try:
        answer = fix.function(**facts)
    except BaseException as error:  # noqa: BLE001 (a stranger's fix may raise anything, SystemExit too)
        answer = Refused(f"the fix broke: {words(error)}")
    if wrong := flaw(answer):
        answer = Refused(f"the fix returned {wrong}")
    elif isinstance(answer, Plan) and not answer.steps:
        answer = Refused("the fix returned a plan without steps")
    answers.append(answer)


_PATIENCE = 20.0
"""Seconds that a fix may think; it only thinks."""


_ASKED = 4
"""Times that a plan is shown and asked for again where things have changed meanwhile."""
_MOMENT = 0.5
"""Seconds that an answer may take without another look: a person takes longer, and a build may begin."""


class Look(Protocol):
    """Makes a fresh machine with an environment, one for deep facts too or not."""

    def __call__(self, environment: Mapping[str, str], *, deep: bool) -> Machine:
        """It is asked nothing yet."""
        ...


Agree = Callable[[Fix, Plan], bool]
"""Shows a plan and tells whether it may be done."""

Tell = Callable[[Treated], None]
"""Hears what became of each fix."""


class Doctor:
    """One treatment, of as many fixes as it takes; the journal is opened when something is about to be changed."""

    def __init__(self, registry: Registry, look: Look, begin: Callable[[], Treatment], around: Surroundings) -> None:
        """`look` makes a fresh machine, `begin` opens the journal."""
        self._registry, self._look, self._begin, self._around = registry, look, begin, around
        self.treatment: Treatment | None = None
        self.treated: list[Treated] = []
        self._steps = 0

    @property
    def environment(self) -> Mapping[str, str]:
        """Ours, with what fixes have set for programs that read their file."""
        return self._around.environment

    def treat(self, fixes: Sequence[Fix], before: Report, agree: Agree, tell: Tell) -> bool:
        """Run fixes in their order; one that fails stops no other, each looks for itself. Says whether any was done."""
        changed = False
        for fix in ordered(fixes):
            if isinstance(answer := self._agreed(fix, agree), Treated):
                treated = answer
            else:
                changed = True
                treated = self._apply(fix, answer, before)
            self.treated.append(treated)
            tell(treated)
        return changed

    @property
    def undoable(self) -> str | None:
        """The treatment's id, where there is anything to take back."""
        one = self.treatment
        return one.id if one and any(not record.undone for record in one.records()) else None

    def end(self) -> None:
        """Close the journal."""
        if self.treatment:
            self.treatment.end()

    def _agreed(self, fix: Fix, agree: Agree) -> Plan | Treated:
        """The plan that may be done, or how it ended without."""
        agreed: Plan | None = None
        for _ in range(_ASKED):
            answer = plan(self._look(self.environment, deep=True), fix)
            match answer:
                case Refused(reason, command):
                    return Treated(fix, Outcome.REFUSED, reason, command=command)
                case NotNeeded(reason, command):
                    return Treated(fix, Outcome.NOT_NEEDED, reason, command=command)
            if agreed and _deeds(agreed) == _deeds(answer):
                return answer
            agreed = answer
            began = time.monotonic()
            if not agree(fix, answer):
                return Treated(fix, Outcome.PLANNED, answer.summary, answer)
            if time.monotonic() - began < _MOMENT:
                return answer
        return Treated(fix, Outcome.REFUSED, "what it is for changes while it is looked at", agreed)

    def _apply(self, fix: Fix, plan: Plan, before: Report) -> Treated:
        self.treatment = self.treatment or self._begin()
        first, told = self._steps, []
        for step in plan.steps:
            try:
                told.append(perform(self.treatment, self._steps, fix.id, step, self._around))
            except Exception as error:  # noqa: BLE001 (whatever it is, what was begun is taken back)
                back = self._take_back(first)
                if isinstance(error, Refusal) and self._steps == first:
                    return Treated(fix, Outcome.REFUSED, str(error), plan)
                said = _said(error) if isinstance(error, Refusal | OSError) else words(error)
                return Treated(fix, Outcome.FAILED, f"{said}{back}", plan)
            except BaseException:  # Ctrl-C
                self._take_back(first)
                raise
            finally:
                self._steps = len(self.treatment.records())
        for name, value in plan.environment:
            environment = {key: old for key, old in self.environment.items() if key != name}
            self._around = self._around._replace(environment=environment | ({} if value is None else {name: value}))
        treated = self._judged(fix, plan, before)
        return treated._replace(reason="; ".join((treated.reason, *filter(None, told))))

    def _take_back(self, first: int) -> str:
        """What became of the steps of a fix that failed."""
        assert self.treatment is not None  # noqa: S101 (for the type checker)
        problems = undo(self.treatment, self.environment, since=first)
        return f" (and what it had done is not all taken back: {'; '.join(problems)})" if problems else ""

    def _judged(self, fix: Fix, done: Plan, before: Report) -> Treated:
        """Whether what was ill is well on a fresh look, and nothing that the fix is about is ill that was not."""
        ill = {result.id for result in before.results if result.status in doctor.ILL}
        checks = [self._registry.checks[name] for name in fix.cures if name in self._registry.checks]
        # As deep as can be, but for what a script of ours has proven in the doing: that takes its time.
        deep = not any(isinstance(step, Work) for step in done.steps)
        machine = self._look(self.environment, deep=deep)
        machine.start(doctor.facts_of(checks))
        seen = {result.id: result.verdict for result in doctor.judge(machine, checks)}
        if not seen:
            return Treated(fix, Outcome.NOT_CURED, "no check is there that could tell whether it has cured", done)
        promised = (set(done.cures) & set(fix.cures)) or (ill & set(fix.cures)) or set(fix.cures)
        # What was ill and cannot be examined any more is not well; deep checks are left out where a script of ours has looked.
        gone = {
            check.id
            for check in checks
            if check.id in ill and (deep or not check.deep) and isinstance(doctor.given(machine, check.needs), Missing)
        }
        bad = {name: verdict for name, verdict in seen.items() if verdict.status in doctor.ILL or name in gone}
        left = [name for name in bad if name in promised or name not in ill]
        told = tuple((name, verdict.status) for name, verdict in seen.items() if name in promised or name in left)
        if left:
            words = [f"{name} still says: {bad[name].summary}" for name in left]
            rest = plan(machine, fix)  # where it has left something alone, it says why
            command = None
            if isinstance(rest, Refused):
                words.append(rest.reason)
                command = rest.command
            return Treated(fix, Outcome.NOT_CURED, "; ".join(words), done, told, command)
        return Treated(fix, Outcome.CURED, done.summary, done, told, done.then)


def _said(error: Refusal | OSError) -> str:
    """An error as a sentence: of a file, without its number."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _deeds(plan: Plan) -> list[Step]:
    """What a plan does to files: how many jobs a build gets may change from one look to the next."""
    return [step for step in plan.steps if not isinstance(step, Run | Work)]


def undo(treatment: Treatment, environment: Mapping[str, str], since: int = 0, later: Sequence[Treatment] = ()) -> list[str]:
    """Take steps back, the last first; why those that were not were not.

    What went before one that could not be taken back rests on it and stays, where it is the same fix's. So does what a `later`
    treatment has changed too.
    """
    problems: list[str] = []
    stuck: set[str] = set()
    records = treatment.records()
    above = [(path, other.id) for other in later for record in other.records() if not record.undone for path in record.paths]
    for record in reversed(records[since:]):
        if record.undone or record.fix in stuck:
            continue
        if record.damage:
            stuck.update(other.fix for other in records if abs(other.number - record.number) == 1)
            problems.append(f"{record.damage}; what was saved lies beside it")
            continue
        over = [(path, name) for path, name in above if any(path == own or path.startswith(f"{own}/") for own in record.paths)]
        if over:
            stuck.add(record.fix)
            problems.append(f"{record.fix}: the later treatment {over[-1][1]} has changed {over[-1][0]}: undo that first")
            continue
        try:
            take_back(treatment, record, environment)
        except (Refusal, OSError) as error:
            stuck.add(record.fix)
            problems.append(f"{record.fix}: {error}")
        except (KeyError, TypeError, ValueError) as error:
            stuck.add(record.fix)
            problems.append(f"{treatment.path(record.number, 'do')} cannot be understood: {words(error)}")
    return problems
