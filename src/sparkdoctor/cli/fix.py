"""`sparkdoctor fix`."""

import os
import sys
from collections.abc import Mapping
from difflib import get_close_matches

import click

from sparkdoctor import doctor, process, treatment
from sparkdoctor.cli import Broke, emit, say
from sparkdoctor.cli.check import exit_code
from sparkdoctor.cli.options import examination, find_python, know_severities, load_profile, seconds
from sparkdoctor.cli.progress import Progress
from sparkdoctor.fix import Fix
from sparkdoctor.host import LocalHost, Watch
from sparkdoctor.journal import Busy, Journal, Unsafe
from sparkdoctor.machine import Machine
from sparkdoctor.model import Report
from sparkdoctor.perform import Surroundings
from sparkdoctor.plan import Plan
from sparkdoctor.profiles import Profile
from sparkdoctor.registry import Registry
from sparkdoctor.render import treatment as pages
from sparkdoctor.treatment import Outcome

ROUNDS = 3
"""Times that the machine is looked at again for what a fix has brought to light: a foreign kernel moved aside is a cold one."""


def complete_fixes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Shell completion: the ids of all fixes."""
    return [name for name in Registry.load().fixes if name.startswith(incomplete)]


@click.command("fix", epilog="Examples: sparkdoctor fix --all --dry-run | sparkdoctor fix clear-extension-lock --yes")
@click.argument("ids", nargs=-1, metavar="[FIX]...", shell_complete=complete_fixes)
@examination
@click.option("--all", "everything", is_flag=True, help="All fixes for what the checks find.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--format", "form", type=click.Choice(("terminal", "json")), default="terminal", show_default=True, help="How to report."
)
def command(  # noqa: PLR0913, PLR0917 (one parameter for each option)
    ids: tuple[str, ...],
    everything: bool,
    dry_run: bool,
    yes: bool,
    form: str,
    profile: str | None,
    python: str | None,
    deep: bool,
    timeout: float | None,
) -> int:
    """Treat what the checks find: each FIX, or --all. Plans are shown first, checked afterwards, and can be undone.

    Asks before it changes anything; without a terminal it changes nothing unless --yes is given. Exit codes as for check,
    by a fresh look after the fixes.
    """
    registry = Registry.load()
    if bool(ids) is everything:
        raise click.ClickException("name the fixes, or say --all; sparkdoctor list shows them")
    fixes = [_known(registry, name) for name in dict.fromkeys(ids)]
    rules = load_profile(profile)
    know_severities(registry, rules)
    process.adopt()
    desk, journal = _Desk(form, dry_run=dry_run, yes=yes), Journal()
    progress = Progress("working")
    with progress as watch:
        room = _Room(registry, rules, watch, find_python(python), seconds(timeout, deep=deep), deep=deep)
        around = Surroundings(dict(os.environ), watch, _Nurse(progress))
        practice = treatment.Doctor(registry, room.look, journal.begin, around)
        before = room.report(os.environ)
        due = fixes or treatment.chosen(registry, before)
        if not due or not desk.willing:  # nothing is written, so no journal is needed
            practice.treat(due, before, desk.ask, desk.tell)
            desk.close(practice, before, before, before)
            return exit_code(before, "failed")
        try:
            with journal.locked():
                desk.warn_of_interrupted(journal)
                return _treat(room, desk, practice, before, fixes)
        except (Busy, Unsafe) as error:
            raise Broke(str(error)) from None


def _treat(room: "_Room", desk: "_Desk", practice: treatment.Doctor, before: Report, fixes: list[Fix]) -> int:
    """Treat in rounds, until a look finds nothing new that there is a fix for."""
    seen = before
    try:
        for _ in range(ROUNDS):
            tried = {one.fix.id for one in practice.treated}
            due = [fix for fix in fixes or treatment.chosen(room.registry, seen) if fix.id not in tried]
            if not due:
                break
            changed = practice.treat(due, seen, desk.ask, desk.tell)
            seen = room.report(practice.environment)
            if not changed:
                break
    except BaseException:
        if practice.treatment:
            before_that = f"; what was done before: sparkdoctor undo {undo}" if (undo := practice.undoable) else ""
            say(f"interrupted: what was begun is taken back{before_that}")
        raise
    finally:
        practice.end()
    after = seen if practice.environment == os.environ else room.report(os.environ)
    desk.close(practice, before, after, seen)
    return exit_code(after, "failed")


class _Room:
    """Where the patient is looked at."""

    def __init__(
        self, registry: Registry, profile: Profile, watch: Watch | None, python: str | None, time: float, *, deep: bool
    ) -> None:
        self.registry = registry
        self._profile, self._watch, self._python, self._time, self._deep = profile, watch, python, time, deep

    def report(self, environment: Mapping[str, str]) -> Report:
        machine = Machine(self._host(environment), self._profile, timeout=self._time, deep=self._deep)
        return doctor.diagnose(machine, self.registry, doctor.select(self.registry))

    def look(self, environment: Mapping[str, str], *, deep: bool) -> Machine:
        return Machine(self._host(environment), self._profile, timeout=seconds(None, deep=deep), deep=deep)

    def _host(self, environment: Mapping[str, str]) -> LocalHost:
        return LocalHost(self._python, self._watch, environment)


class _Nurse:
    """Watches compilers: shows them, and ends them before they freeze the machine."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._budgets: dict[int, int] = {}

    def __call__(self, pid: int, reserve: int) -> None:
        from sparkdoctor import compiling  # noqa: PLC0415 (only while something is built)

        seen = compiling.look(pid)
        if seen.room:
            self._budgets.setdefault(pid, seen.room.least - reserve)
        self._progress.note(seen.lines(self._budgets.get(pid)))
        if why := compiling.shortage(reserve, seen.room):
            raise OSError(f"ended: {why}")


class _Desk:
    """Where plans are shown, asked for, and results told."""

    def __init__(self, form: str, *, dry_run: bool, yes: bool) -> None:
        self._terminal, self._dry_run, self._yes = form == "terminal", dry_run, yes
        self._somebody = self._terminal and all(stream and stream.isatty() for stream in (sys.stdin, sys.stderr))

    @property
    def willing(self) -> bool:
        """Whether anything may be changed."""
        return not self._dry_run and (self._yes or self._somebody)

    def warn_of_interrupted(self, journal: Journal) -> None:
        for one in (found.entry() for found in journal.treatments()):
            if one.state == "interrupted":
                say(f"the treatment {one.id} ({', '.join(one.fixes)}) was interrupted: sparkdoctor undo {one.id} takes it back")

    def ask(self, fix: Fix, plan: Plan) -> bool:
        if self._terminal:
            emit(pages.planned(fix, plan))
        return self.willing and (self._yes or click.confirm("Do this?", err=True))

    def tell(self, one: treatment.Treated) -> None:
        if self._terminal and one.outcome is not Outcome.PLANNED:
            emit(pages.told(one))

    def close(self, practice: treatment.Doctor, before: Report, after: Report, later: Report) -> None:
        """`after` is how it is in this shell, `later` in one that has read what was written for it."""
        undo = practice.undoable
        if not self._terminal:
            emit(pages.as_json(practice.treated, after, undo))
            if self._unasked(practice):
                say("nothing was done: nobody can be asked here; add --yes")
            return
        emit(self._words(practice, before, after, later))
        if undo:
            emit(f"To take this back: sparkdoctor undo {undo}\n")

    def _unasked(self, practice: treatment.Doctor) -> bool:
        """Whether there was something to do, and nobody to ask."""
        return not (self.willing or self._dry_run) and any(one.outcome is Outcome.PLANNED for one in practice.treated)

    def _words(self, practice: treatment.Doctor, before: Report, after: Report, later: Report) -> str:
        if self._unasked(practice):
            return "Nothing was done: nobody can be asked here; add --yes.\n"
        if not practice.treated:
            return _LEFT if before.verdict != "ok" else "Nothing to fix.\n"
        if self._dry_run:
            return "Nothing was done: this was a rehearsal.\n"
        still = pages.left(after, later)
        return f"\n{still}" if still else "\nHealthy: nothing is left to do.\n"


_LEFT = "There is no fix for what was found; sparkdoctor check says what to do.\n"


def _known(registry: Registry, name: str) -> Fix:
    if name in registry.fixes:
        return registry.fixes[name]
    cures = [fix.id for fix in registry.fixes.values() if name in fix.cures]
    near = cures or get_close_matches(name, registry.fixes, 1, 0.5)
    what = f"{name} is a check" if cures else f"no fix {name!r}"
    raise click.ClickException(what + (f"; did you mean {' or '.join(near)}?" if near else "; see sparkdoctor list"))
