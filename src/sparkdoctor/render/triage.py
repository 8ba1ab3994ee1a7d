"""What a log means: for a person, and as JSON (its schema is docs/triage.schema.json), JUnit XML and Markdown."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from sparkdoctor import __version__
from sparkdoctor.doctor import ILL
from sparkdoctor.model import Report, Result, Status
from sparkdoctor.redact import Redactor
from sparkdoctor.render import json as reports
from sparkdoctor.render import junit, markdown, terminal
from sparkdoctor.render.page import INDENT, MARKS, Page
from sparkdoctor.triage.finding import Finding, Log, Quote

SCHEMA = "sparkdoctor.triage/1"
ALIKE = 3
"""So many consequences of one signature are shown one by one."""
SEND = "sparkdoctor record machine.tape.json"
_ELSEWHERE = "the log may be of another machine, or of another time"


class Told(NamedTuple):
    """What there is to tell: where the log comes from, what is in it, and how this machine is as to that.

    `report` is None where no check was made. `argv` is the command, None where there was none, and `status` how it ended:
    negative where by a signal. `fixes` are those for each check that goes with what was found. `built` is
    how the last build that we have looked after went, where that is of interest.
    """

    source: str
    log: Log
    report: Report | None
    argv: Sequence[str] | None
    status: int
    fixes: Mapping[str, Sequence[str]]
    built: str | None = None

    @property
    def roots(self) -> list[Finding]:
        """What is ill of itself, the root cause first, each signature once."""
        first: dict[str, Finding] = {}
        for finding in self.log.ills:
            if finding.cause is None:
                first.setdefault(finding.id, finding)
        return list(first.values())

    def consequences(self, root: Finding) -> list[Finding]:
        """What is ill because of `root`, or means the same of other lines, by line."""
        there = {finding.id: finding for finding in reversed(self.log.ills)}
        found = []
        for finding in self.log.ills:
            causes, one = [], finding
            while one.cause is not None and one.cause in there and one.cause not in causes:
                causes.append(one.cause)
                one = there[one.cause]
            if root.id in causes or (finding.id == root.id and finding is not root):
                found.append(finding)
        return sorted(found, key=lambda one: one.number)

    def confirmed(self, finding: Finding) -> bool | None:
        """Whether the checks that go with a finding find this machine ill; None where none of them could be made."""
        seen = {result.status for result in self.here(finding)}
        return True if seen & set(ILL) else False if Status.OK in seen else None

    def here(self, finding: Finding) -> list[Result]:
        """What the checks say of this machine that go with a finding."""
        results = {result.id: result for result in self.report.results} if self.report else {}
        return [results[name] for name in finding.signature.checks if name in results]


def _terminal(told: Told, *, to_file: bool) -> str:
    """For a person: causes with their consequences, what is harmless, what this machine says to that."""
    plain = {"no_color": True, "force_terminal": False} if to_file else {"stderr": told.argv is not None}
    page = Page(Console(highlight=False, **plain))  # type: ignore[arg-type]
    if told.argv is not None and not to_file:
        page.blank()  # the command has printed above
    log = told.log
    for root in told.roots:
        _root(page, told, root)
    for finding in log.findings:
        if finding.status is Status.OK:
            text = f"{_where(finding)}: {terminal.clip(finding.verdict.summary)}"
            page.item(Text("✓ ", "green"), Text.assemble("harmless, ", text, (f" [{finding.id}]", "dim")))
    if len(log.ills) < len(log.findings):
        page.blank()
    for problem in log.problems:
        page.item(Text("? ", "magenta"), Text(terminal.clip(problem)))
    if not log.ills:
        _nothing(page, told)
        return page.text()
    style = {"failed": "bold red", "warning": "bold yellow"}[log.verdict]
    page.add(Text.assemble((_counts(told), style), (f" ({terminal.clip(told.source)}, {_size(log)})", "dim")))
    page.add(Text(f"Why: sparkdoctor explain {told.roots[0].id}"))
    return page.text()


def _root(page: Page, told: Told, root: Finding) -> None:
    terminal.problem(page, _result(root))
    because = told.consequences(root)
    for where, name, summary in _shown(because):
        page.item(Text(f"{' ' * INDENT}↳ "), Text.assemble(f"{where}: {terminal.clip(summary)}", (f" [{name}]", "dim")))
    more = [result for finding in because for result in told.here(finding) if result.status in ILL]
    here = list({result.id: result for result in (*told.here(root), *more)}.values())
    said = root.verdict.remedy.command if root.verdict.remedy else None
    _here(page, here, said or "")
    if told.built and root is told.roots[0]:
        page.item(Text(f"{' ' * INDENT}- "), Text(f"here, the last `sparkdoctor build`: {terminal.clip(told.built)}", "dim"))
    page.blank()


def _shown(because: Sequence[Finding]) -> Iterator[tuple[str, str, str]]:
    """Where consequences are, and what they say; many of one signature, as one for each query, not all one by one."""
    count, seen = Counter(one.id for one in because), Counter[str]()
    for one in because:
        seen[one.id] += 1
        if seen[one.id] <= ALIKE or count[one.id] == ALIKE + 1:
            yield _where(one), one.id, one.verdict.summary
        elif seen[one.id] == count[one.id]:
            yield f"to line {one.number:,}, or further", one.id, "more of these"


def _here(page: Page, results: Sequence[Result], said: str) -> None:
    """How this machine is as to that, without what was said already."""
    ill = [result for result in results if result.status in ILL]
    well = [result.id for result in results if result.status is Status.OK]
    for result in ill:
        mark, style = MARKS[result.status]
        page.item(
            Text.assemble(" " * INDENT, (f"{mark} ", style)), Text(f"here, {result.id}: {terminal.clip(result.verdict.summary)}")
        )
        for fix in result.fixes:
            if fix not in said.split():
                page.add(Text(f"→ sparkdoctor fix {fix}", "bold"), INDENT + 2)
    if ill:
        return
    if results and results[0].status is Status.SKIPPED:  # the most telling one
        reason = f"here, {results[0].id} cannot say: {terminal.clip(results[0].verdict.summary)}"
        page.item(Text(f"{' ' * INDENT}- "), Text(reason, "dim"))
    if well:
        text = f"here, {', '.join(well)}: well; {_ELSEWHERE}"
        page.item(Text.assemble(" " * INDENT, ("✓ ", "green")), Text(text, "dim"))


def _nothing(page: Page, told: Told) -> None:
    """What to say of a log in which no known trouble is."""
    page.add(Text.assemble((_unknown(told.log), "bold"), (f" ({terminal.clip(told.source)}, {_size(told.log)})", "dim")))
    if told.log.last:
        page.add(Text("Its last lines that look like errors:"))
        for quote in told.log.last:
            page.add(Text(terminal.clip(_quoted(quote)), "dim"), INDENT, bar="│ ")
        page.add(Text("Is it this machine? `sparkdoctor check` looks. If not, send the log (look through it first) with a tape:"))
        page.whole(Text(f"{' ' * INDENT}{SEND}", "cyan"))


def _unknown(log: Log) -> str:
    return "No trouble that is known" if log.findings or not log.last else "Nothing known"


def _counts(told: Told) -> str:
    roots, ills = len(told.roots), len(told.log.ills)
    others = ills - roots
    harmless = len(told.log.findings) - ills
    parts = [f"{roots} cause{'s' if roots > 1 else ''}"]
    parts += [f"{others} consequence{'s' if others > 1 else ''}"] if others else []
    parts += [f"{harmless} harmless"] if harmless else []
    return ", ".join(parts)


def _size(log: Log) -> str:
    return f"{log.lines:,} line{'s' if log.lines != 1 else ''}"


def _where(finding: Finding) -> str:
    """`line 12`, or `line 12 (at least 200 times)`."""
    times = f" ({'at least ' if finding.more else ''}{finding.total:,} times)" if finding.total > 1 else ""
    return f"line {finding.number:,}{times}"


def _quoted(quote: Quote) -> str:
    return f"{quote.number}: {quote.text.strip()}"


def _result(finding: Finding, fixes: Sequence[str] = ()) -> Result:
    """A finding as the result of a check is shown."""
    evidence = (*(_quoted(quote) for quote in finding.quotes), *finding.verdict.evidence)
    return Result(finding.id, _where(finding), finding.signature.title, finding.verdict._replace(evidence=evidence), tuple(fixes))


def _json(told: Told, *, to_file: bool) -> str:  # noqa: ARG001 (always all of it)
    """One JSON document, in ASCII."""
    return json.dumps(document(told), indent=2) + "\n"


def document(told: Told) -> dict[str, Any]:
    """What there is to tell as plain data."""
    log = told.log
    command = None
    if told.argv is not None:
        ended = {"status": told.status, "signal": None} if told.status >= 0 else {"status": None, "signal": -told.status}
        command = {"argv": Redactor.local().command(told.argv), **ended}
    return {
        "schema": SCHEMA,
        "version": __version__,
        "verdict": log.verdict,
        "source": told.source,
        "lines": log.lines,
        "bytes": log.size,
        "command": command,
        "root": told.roots[0].id if told.roots else None,
        "results": [_finding(told, finding) for finding in log.findings],
        "last_errors": [{"line": quote.number, "text": quote.text} for quote in log.last],
        "problems": list(log.problems),
        "last_build": told.built,
        "check": reports.document(told.report) if told.report else None,
    }


def _finding(told: Told, finding: Finding) -> dict[str, Any]:
    names = finding.signature.checks if finding.status is not Status.OK else ()
    fixes = dict.fromkeys(fix for name in names for fix in told.fixes.get(name, ()))
    found = reports.result_document(_result(finding, tuple(fixes)))
    for name in ("layer", "seconds"):
        del found[name]
    return {
        **found,
        "evidence": [quote.text.strip() for quote in finding.quotes] + list(finding.verdict.evidence),
        "line": finding.number,
        "lines": [quote.number for quote in finding.quotes],
        "total": finding.total,
        "captured": dict(finding.held),
        "cause": finding.cause,
        "confirmed": told.confirmed(finding),
        "checks": list(finding.signature.checks),
        "sources": list(finding.signature.sources),
    }


def _junit(told: Told, *, to_file: bool) -> str:  # noqa: ARG001
    """One suite with a case for each finding."""
    about = {"verdict": told.log.verdict, "version": __version__, "root": told.roots[0].id if told.roots else ""}
    results = [_result(finding)._replace(layer="triage") for finding in told.log.findings]
    return junit.suite(f"sparkdoctor triage {told.source}", results, about, 0.0)


def _markdown(told: Told, *, to_file: bool) -> str:  # noqa: ARG001
    """To paste into an issue; what is private is taken out."""
    return Redactor.local().text("\n".join(_lines(told)))


def _lines(told: Told) -> Iterator[str]:
    log = told.log
    yield f"### sparkdoctor {__version__} triage: {log.verdict}"
    yield ""
    yield f"- {markdown.escape(told.source)}: {_size(log)}"
    if told.argv is not None:
        yield f"- its command ended with {f'status {told.status}' if told.status >= 0 else f'signal {-told.status}'}"
    yield ""
    for root in told.roots:
        yield from markdown.problem(_result(root))
        because = _shown(told.consequences(root))
        rest = [f"- {where}: {name}: {markdown.escape(summary)}" for where, name, summary in because]
        yield from (["Because of that:", "", *rest, ""] if rest else [])
    for result in told.report.results if told.report else ():
        if result.status in ILL:
            yield f"- here, {result.status}: {result.id}: {markdown.escape(result.verdict.summary)}"
    for finding in log.findings:
        if finding.status is Status.OK:
            yield f"- harmless, {_where(finding)}: {finding.id}: {markdown.escape(finding.verdict.summary)}"
    if not log.ills:
        yield f"{_unknown(log)}."
        yield ""
        yield from markdown.block([_quoted(quote) for quote in log.last]) if log.last else ()
    yield ""


FORMS: Mapping[str, Callable[..., str]] = {"terminal": _terminal, "json": _json, "junit": _junit, "markdown": _markdown}
"""The formats by name: `(told, to_file) -> text`."""
