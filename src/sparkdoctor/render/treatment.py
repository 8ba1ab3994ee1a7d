"""What fixes would do, and what became of them: for a person, and as JSON (its schema is docs/treatment.schema.json)."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from sparkdoctor.fix import Fix
from sparkdoctor.journal import Entry
from sparkdoctor.model import Report, Status
from sparkdoctor.plan import Plan, Run, Step, Work, WriteFile, shown
from sparkdoctor.render import headline, printable
from sparkdoctor.render.json import document
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
_DIFF = {"+": "green", "-": "red", "@": "cyan"}
_INDENT = "    "


def planned(fix: Fix, plan: Plan) -> str:
    """A plan: what for, its steps, a changed file as a coloured diff, and its notes."""
    page = _Page()
    page.prose(Text.assemble((fix.id, "bold"), f": {printable(plan.summary)}"))
    for step in plan.steps:
        if isinstance(step, Run | Work):
            page.prose(Text(f"# {printable(step.why)}", "dim"), _INDENT)
        for line in shown(step).splitlines():
            page.whole(Text(f"{_INDENT}{printable(line)}", _style(step, line)))
    for note in plan.notes:
        page.prose(Text(f"({printable(note)})", "dim"), _INDENT)
    return page.text()


def _style(step: Step, line: str) -> str:
    return _DIFF.get(line[:1], "") if isinstance(step, WriteFile) else "cyan"


def told(one: Treated) -> str:
    """What became of a fix."""
    page = _Page()
    mark, style = _MARKS[one.outcome]
    page.prose(Text.assemble((f"{mark} {one.fix.id}: {one.outcome}", style), f": {printable(one.reason)}"))
    if one.command:
        page.whole(Text(f"{_INDENT}{printable(one.command)}", "cyan"))
    return page.text()


def left(after: Report, later: Report) -> str:
    """The problems that a look after the treatment still finds, with the remedies that are the user's.

    Those that `later` does not find, a look with what was written for shells to read, are only named.
    """
    page = _Page()
    problems = headline.problems_of(later)
    if problems:
        page.prose(Text("Still to do:"))
    for result in problems:
        style = "yellow" if result.status is Status.WARNING else "bold red"
        page.prose(Text.assemble((f"{result.id}", style), f" ({result.status}): {printable(result.verdict.summary)}"))
        if remedy := result.verdict.remedy:
            page.prose(Text(f"→ {printable(remedy.text)}"), _INDENT)
            if remedy.command:
                page.whole(Text(f"{_INDENT}  {printable(remedy.command)}", "cyan"))
    known = {result.id for result in problems}
    if here := [result.id for result in headline.problems_of(after) if result.id not in known]:
        page.prose(Text(f"Well in a shell that has read the file above, not yet in this one: {', '.join(here)}"))
    return page.text()


def listed(entries: Iterable[Entry]) -> str:
    """The journal, a line for each treatment."""
    page = _Page()
    for one in entries:
        steps = f"{one.steps} step{'' if one.steps == 1 else 's'}"
        page.whole(Text(f"{one.id:>3}  {one.began} UTC  {one.state:<11}  {steps:<8}  {printable(', '.join(one.fixes))}".rstrip()))
        if one.note:
            page.prose(Text(printable(one.note), "dim"), _INDENT)
    return page.text()


class _Page:
    """Lines: prose is wrapped to the console's width, what may be copied is not."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._console.width = max(20, self._console.width or 80)
        self._lines: list[Text] = []

    def prose(self, text: Text, indent: str = "") -> None:
        for line in text.wrap(self._console, max(20, self._console.width - len(indent))):
            line.rstrip()
            self._lines.append(Text.assemble(indent, line))

    def whole(self, text: Text) -> None:
        self._lines.append(text)

    def text(self) -> str:
        with self._console.capture() as capture:
            for line in self._lines:
                self._console.print(line, soft_wrap=True)
        return capture.get()


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
