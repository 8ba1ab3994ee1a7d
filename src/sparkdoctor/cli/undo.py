"""`sparkdoctor undo`."""

import os

import click

from sparkdoctor import process, treatment
from sparkdoctor.cli import Broke, emit, say
from sparkdoctor.journal import Busy, Journal, Treatment, Unsafe
from sparkdoctor.render import treatment as pages


@click.command("undo", epilog="Examples: sparkdoctor undo | sparkdoctor undo --list | sparkdoctor undo 3")
@click.argument("id", required=False)
@click.option("--list", "listed", is_flag=True, help="Show the treatments that are written down.")
def command(id: str | None, listed: bool) -> int:  # noqa: A002 (it is the word of the reports)
    """Take back the last treatment, or the one named ID: every file as it was.

    What has changed since is left alone, and said. Exit codes: 0 all of it is back, 1 not all, 3 nothing could be done.
    """
    journal = Journal()
    try:
        if listed:
            emit(pages.listed(one.entry() for one in journal.treatments()) or "No treatment is written down.\n")
            return 0
        if not _due(journal, id):
            emit("Nothing to take back.\n")
            return 0
        with journal.locked():  # looked at again: another may have been at work until now
            found = _due(journal, id)
            return _undo(found[-1], journal) if found else 0
    except (Busy, Unsafe) as error:
        raise Broke(str(error)) from None


def _due(journal: Journal, id: str | None) -> list[Treatment]:  # noqa: A002
    """The treatments that have something to take back, or the one named."""
    found = journal.treatments()
    if id is not None:
        found = [one for one in found if one.id == id.lstrip("0")]
        if not found:
            raise click.ClickException(f"no treatment {id!r}; see sparkdoctor undo --list")
    return [one for one in found if any(not record.undone for record in one.records())]


def _undo(one: Treatment, journal: Journal) -> int:
    process.adopt()
    due = sum(not record.undone for record in one.records())
    others = _due(journal, None)
    later = [other for other in others if int(other.id) > int(one.id)]
    problems = treatment.undo(one, os.environ, later=later)
    left = sum(not record.undone for record in one.records())
    for problem in problems:
        say(problem)
    earlier = [other for other in others if int(other.id) < int(one.id)]
    if left and earlier:
        say(f"the one before it: sparkdoctor undo {earlier[-1].id}")
    emit(f"treatment {one.id}: {due - left} of {due} step{'' if due == 1 else 's'} taken back\n")
    return int(bool(problems))
