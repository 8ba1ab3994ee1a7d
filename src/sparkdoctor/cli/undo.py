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
        found = journal.treatments()
        if listed:
            emit(pages.listed(one.entry() for one in found) or "No treatment is written down.\n")
            return 0
        if id is not None:
            found = [one for one in found if one.id == id.lstrip("0")]
            if not found:
                raise click.ClickException(f"no treatment {id!r}; see sparkdoctor undo --list")
        found = [one for one in found if any(not record.undone for record in one.records())]
        if not found:
            emit("Nothing to take back.\n")
            return 0
        with journal.locked():
            return _undo(found[-1])
    except (Busy, Unsafe) as error:
        raise Broke(str(error)) from None


def _undo(one: Treatment) -> int:
    process.adopt()
    due = sum(not record.undone for record in one.records())
    problems = treatment.undo(one, os.environ)
    left = sum(not record.undone for record in one.records())
    for problem in problems:
        say(problem)
    emit(f"treatment {one.id}: {due - left} of {due} step{'' if due == 1 else 's'} taken back\n")
    return int(bool(problems))
