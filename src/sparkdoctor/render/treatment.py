"""What fixes would do, and what became of them: for a person, and as JSON (its schema is docs/treatment.schema.json)."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from rich.text import Text

from sparkdoctor.fix import Fix
from sparkdoctor.journal import Entry
from sparkdoctor.model import Report, Status
from sparkdoctor.plan import Plan, Run, Step, Work, WriteFile, shown
from sparkdoctor.render import headline, printable
from sparkdoctor.render.json import document
from sparkdoctor.render.page import INDENT, Page
from sparkdoctor.treatment import Outcome, Treated

SCHEMA = "sparkdoctor.treatment/1"
_MARKS = {
    Outcome.CURED: ("✓", "green"),
    Outcome.NOT_CURED: ("✗", "bold red"),
    Outcome.FAILED: ("✗", "bold red"),
    Outcome.REFUSED: ("!", "yellow"),
    Outcome.NOT_NEEDED: ("-", "dim"),
    Outcome.PLANNED: ("·", "dim"),
}
_MARGIN = " " * INDENT
_DIFF = {"+": "green", "-": "red", "@": "cyan"}


def planned(fix: Fix, plan: Plan) -> str:
    """A plan: what for, its steps, a changed file as a coloured diff, and its notes."""
    page = Page()
    page.add(Text.assemble((fix.id, "bold"), f": {printable(plan.summary)}"))
    for step in plan.steps:
        if isinstance(step, Run | Work):
            page.add(Text(f"# {printable(step.why)}", "dim"), INDENT)
        for line in shown(step).splitlines():
            page.whole(Text(f"{_MARGIN}{printable(line)}", _style(step, line)))
    for note in plan.notes:
        page.add(Text(f"({printable(note)})", "dim"), INDENT)
    return page.text()


def _style(step: Step, line: str) -> str:
    return _DIFF.get(line[:1], "") if isinstance(step, WriteFile) else "cyan"


def told(one: Treated) -> str:
    """What became of a fix."""
    page = Page()
    mark, style = _MARKS[one.outcome]
    page.add(Text.assemble((f"{mark} {one.fix.id}: {one.outcome}", style), f": {printable(one.reason)}"))
    if one.command:
        page.whole(Text(f"{_MARGIN}{printable(one.command)}", "cyan"))
    return page.text()


def left(after: Report, later: Report) -> str:
    """The problems that a look after the treatment still finds, with the remedies that are the user's.

    Those that `later` does not find, a look with what was written for shells to read, are only named.
    """
    page = Page()
    problems = headline.problems_of(later)
    if problems:
        page.add(Text("Still to do:"))
    for result in problems:
        style = "yellow" if result.status is Status.WARNING else "bold red"
        page.add(Text.assemble((f"{result.id}", style), f" ({result.status}): {printable(result.verdict.summary)}"))
        if remedy := result.verdict.remedy:
            page.add(Text(f"→ {printable(remedy.text)}"), INDENT)
            if remedy.command:
                page.whole(Text(f"{_MARGIN}  {printable(remedy.command)}", "cyan"))
    known = {result.id for result in problems}
    if here := [result.id for result in headline.problems_of(after) if result.id not in known]:
        page.add(Text(f"Well in a shell that has read the file above, not yet in this one: {', '.join(here)}"))
    return page.text()


def listed(entries: Iterable[Entry]) -> str:
    """The journal, a line for each treatment."""
    page = Page()
    for one in entries:
        steps = f"{one.steps} step{'' if one.steps == 1 else 's'}"
        page.whole(Text(f"{one.id:>3}  {one.began} UTC  {one.state:<11}  {steps:<8}  {printable(', '.join(one.fixes))}".rstrip()))
        if one.note:
            page.add(Text(printable(one.note), "dim"), INDENT)
    return page.text()


def as_json(treated: Sequence[Treated], report: Report, treatment: str | None) -> str:
    """One JSON document: what became of each fix, and the report of a look after them."""
    found = {
        "schema": SCHEMA,
        "treatment": treatment,
        "fixes": [_treated(one) for one in treated],
        "report": document(report),
    }
    return json.dumps(found, indent=2) + "\n"


def _treated(one: Treated) -> dict[str, Any]:
    return {
        "id": one.fix.id,
        "outcome": str(one.outcome),
        "reason": one.reason,
        "command": one.command,
        "steps": [shown(step) for step in one.plan.steps] if one.plan else [],
        "notes": list(one.plan.notes) if one.plan else [],
        "environment": dict(one.plan.environment) if one.plan else {},
        "checks": {name: str(status) for name, status in one.checks},
    }
