"""The report as Markdown, to paste into an issue; what is private is taken out."""

import re

from sparkdoctor.model import Report, Result
from sparkdoctor.redact import Redactor
from sparkdoctor.render import headline, printable


def render(report: Report, *, verbose: bool, to_file: bool) -> str:  # noqa: ARG001 (the same in a file)
    """Problems in full, the rest folded into a table under a summary line."""
    text = _render(report, verbose=verbose)
    return Redactor.local().text(text)


def _render(report: Report, *, verbose: bool) -> str:
    lines = [
        f"### sparkdoctor {report.version}: {report.verdict}",
        "",
        f"- {escape(headline.machine_line(report))}",
        f"- {escape(headline.system_line(report))}",
        f"- {escape(headline.python_line(report))}",
        f"- profile {escape(report.profile)}{', deep' if report.deep else ''}: {headline.counts(report)}",
        "",
    ]
    for result in headline.problems_of(report):
        lines += problem(result)
    rest = [result for result in report.results if result.status not in headline.PROBLEMS]
    if rest:
        lines += [
            f"<details{' open' if verbose else ''}><summary>{len(rest)} more</summary>",
            "",
            "| check | status | |",
            "|---|---|---|",
        ]
        lines += [f"| {result.id} | {result.status} | {escape(result.verdict.summary)} |" for result in rest]
        lines += ["", "</details>", ""]
    return "\n".join(lines)


def problem(result: Result) -> list[str]:
    """The lines on one that is ill."""
    verdict = result.verdict
    lines = [f"#### {result.status}: {result.id}", "", escape(verdict.summary)]
    if verdict.expected or verdict.observed:
        lines += ["", f"expected {_code(verdict.expected or '?')}, observed {_code(verdict.observed or '?')}"]
    if verdict.evidence:
        lines += ["", *block(list(verdict.evidence))]
    if verdict.remedy:
        lines += ["", f"**Remedy:** {escape(verdict.remedy.text)}"]
        if verdict.remedy.command:
            lines += ["", *block([verdict.remedy.command])]
    return [*lines, ""]


def block(lines: list[str]) -> list[str]:
    """Lines that are shown as they are."""
    text = [printable(line) for line in lines]
    fence = "`" * max(3, 1 + max((len(run) for line in text for run in re.findall(r"`+", line)), default=0))
    return [f"{fence}text", *text, fence]


def _code(text: str) -> str:
    return f"`{printable(text).replace('`', chr(39))}`"


def escape(text: str) -> str:
    """A text in which nothing means anything to Markdown."""
    return re.sub(r"([\\|<>*_\[\]])", r"\\\1", printable(text)).replace("\n", " ")
