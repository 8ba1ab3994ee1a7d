"""The report as JSON; its schema is docs/report.schema.json."""

import json
from typing import Any

from sparkdoctor.model import Report, Result, Status

SCHEMA = "sparkdoctor.report/1"


def render(report: Report, *, verbose: bool, to_file: bool) -> str:  # noqa: ARG001 (always all of it)
    """One JSON document, in ASCII, so that it survives any terminal."""
    return json.dumps(document(report), indent=2) + "\n"


def document(report: Report) -> dict[str, Any]:
    """The report as plain data."""
    return {
        "schema": SCHEMA,
        "version": report.version,
        "profile": report.profile,
        "deep": report.deep,
        "verdict": report.verdict,
        "python": report.python,
        "machine": report.machine,
        "summary": {str(status): report.number(status) for status in Status},
        "seconds": report.seconds,
        "results": [result_document(result) for result in report.results],
    }


def result_document(result: Result) -> dict[str, Any]:
    """One result as plain data."""
    verdict, remedy = result.verdict, result.verdict.remedy
    return {
        "id": result.id,
        "layer": result.layer,
        "title": result.title,
        "status": str(verdict.status),
        "summary": verdict.summary,
        "expected": verdict.expected,
        "observed": verdict.observed,
        "evidence": list(verdict.evidence),
        "remedy": remedy
        and {
            "text": remedy.text,
            "command": remedy.command,
            "needs_root": remedy.needs_root,
            "needs_reboot": remedy.needs_reboot,
        },
        "fixes": list(result.fixes),
        "seconds": result.seconds,
    }
