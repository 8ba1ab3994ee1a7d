"""What a build took: for a person, and as JSON (its schema is docs/build.schema.json)."""

import json
import time
from collections.abc import Callable, Sequence
from posixpath import basename
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from sparkdoctor import __version__
from sparkdoctor.building.diagnosis import Conclusion, jobs
from sparkdoctor.building.ledger import Moment, Unit
from sparkdoctor.building.names import short
from sparkdoctor.building.outcome import Build
from sparkdoctor.building.schedule import Best
from sparkdoctor.facts.memory import GIB, gib
from sparkdoctor.model import Status
from sparkdoctor.redact import Redactor
from sparkdoctor.render import printable
from sparkdoctor.render.page import INDENT, MARKS, Page

SCHEMA = "sparkdoctor.build/1"
_SHOWN, _LISTED = 10, 200
_WORTH = 3
"""Jobs from which a build that needed no help is worth a table."""
_NAME = 30
"""Columns that a name in the table should have, where it is that long."""
_CLIP = 600
_ARGUMENTS, _LETTERS = 200, 1000
_STATUS = {"enough": Status.OK, "too-many-jobs": Status.WARNING, "memory-taken": Status.WARNING}


# --- the line that is shown while it runs


def text(width: int, moment: Moment, budget: int) -> str:
    """The state of a build in one line of no more than `width` columns; `budget` is in bytes.

    An ellipsis counts for three columns, since a terminal that has none gets three points.
    """
    states = [("run", moment.running), ("held", moment.held), ("paused", moment.paused)]
    parts = [
        clock(moment.seconds),
        ", ".join(f"{number} {word}" for word, number in states if number or word == "run"),
        f"{moment.memory / GIB:.1f} of {budget / GIB:.1f} GiB",
    ]
    name = ""
    if (job := moment.biggest) is not None:
        parts.append(f"{_plain(short(job.tool))} {gib(job.biggest)}")
        name = _plain(short(basename(job.name))).replace("…", "...")
    while parts and cell_len(" · ".join(parts)) > width:
        parts.pop()
        name = ""
    line = " · ".join(parts)
    name = _ending(name, width - cell_len(line) - 1)
    line += f" {name}" if name else ""
    whole = f"sparkdoctor {line}"  # the first that a narrow terminal does without
    return whole if line and "…" not in name and cell_len(whole) <= width else line


def clock(seconds: float) -> str:
    """Seconds in words: `0:07`, `3:12`, `1:02:05`."""
    minutes, rest = divmod(int(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _plain(name: str) -> str:
    """A stranger's text that may stand in a line."""
    return printable(name.replace("\n", "\\n").replace("\t", "\\t"))


def _ending(name: str, width: int) -> str:
    """The end of a name, where the file's own is, in no more than `width` columns; empty where that says too little."""
    if cell_len(name) <= width:
        return name
    kept = ""
    for letter in reversed(name[-256:]):  # of letters without width there is no end
        if cell_len(letter + kept) > width - 3:
            break
        kept = letter + kept
    return "…" + kept if len(kept) > 4 else ""  # noqa: PLR2004 (an ending like .cu tells nothing)


# --- the page at the end


def shown(build: Build, conclusion: Conclusion, console: Console | None = None) -> str:
    """A finished build as text, for `console`, by default stderr. Empty where nothing was compiled and nothing was the matter."""
    account, bounds = build.account, build.bounds
    page = Page(console or Console(stderr=True, highlight=False))
    waits = account.waits
    fine = conclusion.diagnosis.id == "enough"
    if fine and len(account.units) < _WORTH and not waits.held and not waits.paused:
        if account.units:
            _diagnosis(page, conclusion)
        _left(page, build)
        return page.text()
    if account.units:
        _table(page, account.units)
        page.blank()
    whose = f"that this {bounds.limit} had free, less {gib(bounds.reserve)} in reserve"
    peak = f"{gib(account.total_peak)} by all jobs together, after {clock(account.total_peak_at)}"
    page.add(Text.assemble(("memory: ", "bold"), f"{peak}, of {gib(bounds.room)} ({gib(bounds.budget)} {whose})"))
    if account.lowest_free is not None and not fine:
        page.add(Text(f"{gib(account.lowest_free)} were left at the worst moment", "dim"), INDENT)
    most = f"{account.most} at once" + (f" ({bounds.asked} asked for)" if bounds.asked else "")
    page.add(Text.assemble(("jobs: ", "bold"), f"{account.jobs} in {clock(build.seconds)}, at most {most}{_waited(build)}"))
    if conclusion.best and not build.ending.reason and conclusion.diagnosis.id not in ("runaway", "too-large"):
        page.add(Text.assemble(("best: ", "bold"), _best(conclusion.best)))
    _left(page, build)
    page.blank()
    if build.ending.reason:
        mark, style = MARKS[Status.FAILED]
        page.item(Text(f"{mark} ", style), Text.assemble(("The build was ended: ", style), _clip(build.ending.reason)))
    _diagnosis(page, conclusion)
    return page.text()


def _waited(build: Build) -> str:
    """How many jobs had to wait, in words."""
    waits = build.account.waits
    said = []
    if waits.held:
        said.append(f"{waits.held} held back before they began, {clock(waits.held_seconds)} in all")
    if waits.paused:
        said.append(f"{waits.paused} paused, {clock(waits.paused_seconds)} in all")
    return "".join(f"; {one}" for one in said) or "; none had to wait"


def _best(best: Best) -> str:
    plan, over = best.plan, best.over
    words = f"{jobs(plan.number)} at once, of up to {gib(best.each)}"
    if plan.number > 1:
        words += f" each and {gib(plan.memory)} together"
    if best.already:
        return f"{words}; this build was as good"
    return words + (f"; {over.number} could take {gib(over.memory)}" if over else "; more would be no faster")


def _left(page: Page, build: Build) -> None:
    if build.left:
        more = len(build.left) - _SHOWN
        names = [_plain(name) for name in build.left[:_SHOWN]] + ([f"{more} more"] if more > 0 else [])
        page.add(Text.assemble(("still running: ", "bold"), _clip(", ".join(names))))


def _diagnosis(page: Page, conclusion: Conclusion) -> None:
    found = conclusion.diagnosis
    mark, style = MARKS[_STATUS.get(found.id, Status.FAILED)]
    page.item(Text(f"{mark} ", style), Text(_clip(found.text)))
    for line in found.evidence:
        page.add(Text(_clip(line), "dim"), INDENT, bar="│ ")
    if remedy := found.remedy:
        needs = (" (needs root)" if remedy.needs_root else "", "dim")
        page.add(Text.assemble(("→ ", "bold"), _clip(remedy.text), needs), INDENT)
        if remedy.command:
            page.whole(Text(f"      {_plain(remedy.command)}", "cyan"))


def _table(page: Page, units: Sequence[Unit]) -> None:
    """The jobs with the greatest peaks, a line each, no wider than the page."""
    listed = sorted(units, key=lambda unit: (-unit.peak, unit.began))
    first = listed[:_SHOWN]
    columns = {
        "tool": [set_cell_size(tool, min(9, cell_len(tool))) for tool in (_plain(unit.tool) for unit in first)],
        "peak": [gib(unit.peak) for unit in first],
        "time": [clock(unit.seconds) for unit in first],
        "CPU": [clock(unit.cpu) for unit in first],
        "waited": [clock(unit.held + unit.paused) if unit.held or unit.paused else "-" for unit in first],
    }
    if not any(unit.held or unit.paused for unit in first):
        del columns["waited"]
    sizes = {head: max(map(cell_len, (head, *cells))) for head, cells in columns.items()}
    names = [_plain(unit.name) for unit in first]
    longest = max(map(cell_len, names))
    for spare in ("CPU", "tool", "waited", "time"):  # a narrow page shows what matters
        if page.width - sum(sizes.values()) - 2 * len(sizes) < min(longest, _NAME) and spare in sizes:
            del sizes[spare]
    room = max(8, page.width - sum(sizes.values()) - 2 * len(sizes))
    names = [_ending(name, room) or "…" for name in names]
    room = max(map(cell_len, ("job", *names)))
    for place, (name, style) in enumerate([("job", "dim"), *((name, "") for name in names)]):
        line = name + " " * (room - cell_len(name))
        for head, size in sizes.items():
            cell = columns[head][place - 1] if place else head
            space = " " * (size - cell_len(cell))
            line += "  " + (cell + space if head == "tool" else space + cell)
        page.whole(Text(line.rstrip(), style))
    if more := listed[_SHOWN:]:
        page.add(Text(f"… and {len(more)} more, at most {gib(more[0].peak)} each", "dim"))


def _clip(said: str) -> str:
    said = _plain(said)
    return said if len(said) <= _CLIP else said[: _CLIP - 1] + "…"


# --- the document


def as_json(found: dict[str, Any]) -> str:
    """One JSON document, in ASCII."""
    return json.dumps(found, indent=2) + "\n"


def document(build: Build, conclusion: Conclusion, redactor: Redactor) -> dict[str, Any]:
    """A finished build as plain data, without what is private."""
    account, bounds, ending = build.account, build.bounds, build.ending
    best, waits = conclusion.best, account.waits
    listed = sorted(account.units, key=lambda unit: (-unit.peak, unit.began))
    more = [*(unit.peak for unit in listed[_LISTED:]), account.rest.peak]

    def clean(said: str) -> str:
        return redactor.text(_writable(said))

    found, remedy = conclusion.diagnosis, conclusion.diagnosis.remedy
    command = [_writable(argument) for argument in build.command[:_ARGUMENTS]]
    return {
        "schema": SCHEMA,
        "version": __version__,
        "command": redactor.command(command),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(build.started)),
        "seconds": _round(build.seconds),
        "exit": {
            "status": ending.status,
            "signal": ending.signal,
            "ended": None if ending.reason is None else clean(ending.reason),
        },
        "processors": bounds.processors,
        "jobs": {
            "asked": bounds.asked,
            "seen": account.jobs,
            "wanted_at_once": account.wanted,
            "most_at_once": account.most,
            "best": best and best.number,
            "already_best": best and best.already,
        },
        "memory": {
            "budget": bounds.budget,
            "reserve": bounds.reserve,
            "limit": bounds.limit,
            "total_peak": account.total_peak,
            "total_peak_at": _round(account.total_peak_at),
            "lowest_free": account.lowest_free,
            "oom_kills": ending.oom_kills,
        },
        "waits": {
            "held": waits.held,
            "held_seconds": _round(waits.held_seconds),
            "paused": waits.paused,
            "paused_seconds": _round(waits.paused_seconds),
        },
        "units": [_unit(unit, clean) for unit in listed[:_LISTED]],
        "more": {"count": account.jobs - min(len(listed), _LISTED), "peak": max(more)},
        "toolkit": None if build.toolkit is None else clean(build.toolkit),
        "diagnosis": {
            "id": found.id,
            "text": clean(found.text),
            "remedy": remedy
            and {"text": clean(remedy.text), "command": None if remedy.command is None else clean(remedy.command)},
            "evidence": [clean(line) for line in found.evidence],
        },
        "environment": {_writable(name): clean(value) for name, value in sorted(build.environment.items())},
        "left": [clean(name) for name in build.left[:_LISTED]],
    }


def _unit(unit: Unit, clean: Callable[[str], str]) -> dict[str, Any]:
    return {
        "name": clean(unit.name),
        "kind": unit.kind,
        "tool": clean(unit.tool),
        "peak": unit.peak,
        "biggest": unit.biggest,
        "began": _round(unit.began),
        "seconds": _round(unit.seconds),
        "cpu_seconds": _round(unit.cpu),
        "held_seconds": _round(unit.held),
        "paused_seconds": _round(unit.paused),
    }


def _round(seconds: float) -> float:
    return round(max(0.0, seconds), 2)


def _writable(said: str) -> str:
    """A text that every reader of JSON takes: bytes that are no UTF-8 become escapes, and it has an end."""
    said = said.encode("utf-8", "backslashreplace").decode()
    return said if len(said) <= _LETTERS else said[: _LETTERS - 1] + "…"
