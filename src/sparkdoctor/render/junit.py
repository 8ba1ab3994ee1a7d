"""The report as JUnit XML, for CI servers."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence

from sparkdoctor.model import Report, Result, Status
from sparkdoctor.render import headline, printable


def render(report: Report, *, verbose: bool, to_file: bool) -> str:  # noqa: ARG001 (always all of it)
    """One suite; a failed check is a failure, a crashed one an error, a warning passes with its text as output."""
    about = {"verdict": report.verdict, "machine": headline.machine_line(report), "version": report.version}
    return suite(f"sparkdoctor {report.profile}", report.results, about, report.seconds)


def suite(title: str, results: Sequence[Result], about: Mapping[str, str], seconds: float) -> str:
    """One suite of results, with properties."""
    ends = [result.status for result in results]
    suites = ET.Element("testsuites", name="sparkdoctor", time=f"{seconds:.4f}")
    suite = ET.SubElement(
        suites,
        "testsuite",
        name=printable(title),
        tests=str(len(results)),
        failures=str(ends.count(Status.FAILED)),
        errors=str(ends.count(Status.CRASHED)),
        skipped=str(ends.count(Status.SKIPPED)),
        time=f"{seconds:.4f}",
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in about.items():
        ET.SubElement(properties, "property", name=name, value=printable(value))
    for result in results:
        _case(suite, result)
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def _case(suite: ET.Element, result: Result) -> None:
    case = ET.SubElement(suite, "testcase", classname=f"sparkdoctor.{result.layer}", name=result.id, time=f"{result.seconds:.6f}")
    summary = printable(result.verdict.summary)
    remedy = result.verdict.remedy
    lines = [result.title, result.verdict.summary, *result.verdict.evidence]
    lines += [remedy.text, remedy.command or ""] if remedy else []
    text = "\n".join(printable(line) for line in lines if line)
    match result.status:
        case Status.FAILED:
            ET.SubElement(case, "failure", message=summary, type="failed").text = text
        case Status.CRASHED:
            ET.SubElement(case, "error", message=summary, type="crashed").text = text
        case Status.SKIPPED:
            ET.SubElement(case, "skipped", message=summary)
        case Status.WARNING:
            ET.SubElement(case, "system-out").text = f"warning: {text}"
