"""The report for a person at a terminal, by rich."""

from rich.console import Console
from rich.text import Text

from sparkdoctor.model import Report, Result, Status
from sparkdoctor.render import headline, printable
from sparkdoctor.render.page import INDENT, MARKS, Page

_EVIDENCE_LINES = 12
_LINE_LIMIT = 400


def render(report: Report, *, verbose: bool, to_file: bool) -> str:
    """The report as text, with the colours that rich finds the terminal to have; a file gets none."""
    console = Console(highlight=False, no_color=True, force_terminal=False) if to_file else Console(highlight=False)
    page = Page(console)
    page.add(Text(printable(headline.machine_line(report)), "bold"))
    page.add(Text(printable(headline.system_line(report)), "dim"))
    page.add(Text(printable(headline.python_line(report)), "dim"))
    page.blank()
    _problems(page, report)
    for layer in dict.fromkeys(result.layer for result in report.results):
        _layer(page, layer, [result for result in report.results if result.layer == layer], verbose=verbose)
    page.blank()
    for reason, ids in headline.folded(report, Status.SKIPPED).items():
        _told(page, Status.SKIPPED, f"{len(ids)} skipped", reason, ids if verbose else [])
    if report.number(Status.SKIPPED):
        page.blank()
    colour = {"ok": "green", "warning": "yellow", "failed": "red", "unknown": "magenta"}[report.verdict]
    profile = printable(report.profile)
    page.add(Text.assemble((headline.counts(report), f"bold {colour}"), (f" ({profile}, {report.seconds:.2f} s)", "dim")))
    page.add(Text(headline.next_step(report)))
    return page.text()


def problems(report: Report, conclusion: str) -> str:
    """What is ill, and a conclusion, for a person who reads stderr."""
    page = Page(Console(highlight=False, stderr=True))
    page.add(Text(printable(headline.machine_line(report)), "bold"))
    page.blank()
    _problems(page, report)
    if report.verdict == "unknown":
        for reason, ids in headline.folded(report, Status.SKIPPED).items():
            _told(page, Status.SKIPPED, f"{len(ids)} skipped", reason, [])
    page.add(Text(conclusion, "bold"))
    return page.text()


def _problems(page: Page, report: Report) -> None:
    crashes = headline.folded(report, Status.CRASHED)
    for result in headline.problems_of(report):
        reason = result.verdict.summary
        if result.status is Status.CRASHED and len(crashes[reason]) > 1:
            if crashes[reason][0] == result.id:
                _told(page, Status.CRASHED, f"{len(crashes[reason])} checks could not be made", reason, crashes[reason])
                page.blank()
        else:
            problem(page, result)
            page.blank()


def problem(page: Page, result: Result) -> None:
    """One that is ill: what is wrong, what was seen, what to do."""
    verdict = result.verdict
    mark, style = MARKS[result.status]
    page.add(Text.assemble((f"{mark} {result.id}", style), (f" [{result.layer}] {printable(result.title)}", "dim")))
    page.add(Text(clip(verdict.summary)), INDENT)
    if verdict.expected or verdict.observed:
        page.add(Text(clip(f"expected {verdict.expected or '?'}, observed {verdict.observed or '?'}"), "dim"), INDENT)
    for line in [line for text in verdict.evidence for line in text.splitlines() or [""]][:_EVIDENCE_LINES]:
        page.add(Text(clip(line), "dim"), INDENT, bar="│ ")
    if remedy := verdict.remedy:
        needs = " and ".join(word for word, needed in (("root", remedy.needs_root), ("a restart", remedy.needs_reboot)) if needed)
        page.add(Text.assemble(("→ ", "bold"), printable(remedy.text), (f" (needs {needs})" if needs else "", "dim")), INDENT)
        if remedy.command:
            page.whole(Text(f"      {printable(remedy.command)}", "cyan"))
    if result.fixes:
        page.add(Text(f"→ sparkdoctor fix {' '.join(result.fixes)}", "bold"), INDENT)


def _layer(page: Page, layer: str, results: list[Result], *, verbose: bool) -> None:
    numbers = {status: sum(result.status is status for result in results) for status in Status}
    words = ", ".join(f"{number} {status}" for status, number in numbers.items() if number)
    bad = next((status for status in headline.PROBLEMS if numbers[status]), None)
    mark, style = MARKS[bad or (Status.OK if numbers[Status.OK] else Status.SKIPPED)]
    page.add(Text.assemble((mark, style), f" {layer:<10} ", (words, "dim")))
    if verbose:
        for result in results:
            if result.status is Status.OK:
                page.add(Text.assemble(("✓ ", "green"), f"{result.id}: {clip(result.verdict.summary)}"), INDENT)


def _told(page: Page, status: Status, what: str, reason: str, ids: list[str]) -> None:
    mark, style = MARKS[status]
    page.add(Text.assemble((f"{mark} {what}: ", style), (clip(reason), "dim")))
    if ids:
        page.add(Text(", ".join(ids), "dim"), INDENT)


def clip(text: str) -> str:
    """A text that can be shown, cut off where it is too long."""
    text = printable(text)
    return text if len(text) <= _LINE_LIMIT else text[: _LINE_LIMIT - 1] + "…"
