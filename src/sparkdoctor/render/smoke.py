"""A smoke test's outcome: for a person, and as JSON (its schema is docs/smoke.schema.json)."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from sparkdoctor import __version__
from sparkdoctor.model import Status
from sparkdoctor.render import printable
from sparkdoctor.render.page import INDENT, Page
from sparkdoctor.smoke.criterion import Criterion
from sparkdoctor.smoke.examination import Outcome
from sparkdoctor.smoke.kernels import KERNELS, TOLERANCE, Kernel, KernelReport, Pass

SCHEMA = "sparkdoctor.smoke/1"
_MARKS = {
    Status.OK: ("✓", "green"),
    Status.WARNING: ("!", "yellow"),
    Status.FAILED: ("✗", "bold red"),
    Status.SKIPPED: ("-", "dim"),
    Status.CRASHED: ("?", "magenta"),
}
_VERDICTS = {
    "believed": ("This prediction can be believed.", "bold green"),
    "refused": ("This prediction cannot be believed.", "bold red"),
    "unknown": ("Nothing could be judged.", "bold magenta"),
}
_VERDICTS_ON_KERNELS = {
    "believed": ("The kernels that are there agree with float64.", "bold green"),
    "refused": ("Not all kernels can be believed.", "bold red"),
    "unknown": ("No kernel could be tried.", "bold magenta"),
}
_LABELS = {
    "deepspeed": "DeepSpeed evoformer_attn",
    "triton": "OpenFold3 Triton",
    "cuequivariance": "cuEquivariance",
    "sdpa_flash": "PyTorch flash",
    "sdpa_efficient": "PyTorch memory-efficient",
    "sdpa_cudnn": "PyTorch cuDNN",
    "sdpa_math": "PyTorch math",
    "plain": "OpenFold3 without kernel",
}
"""The kernels as a table of 80 columns has room for."""
_CLIP = 400


def shown(outcome: Outcome, kept: bool) -> str:
    """An outcome as text: a line for each criterion, what was seen of the environment, the verdict."""
    page = Page()
    _criteria(page, outcome.criteria, str(outcome.cause))
    if outcome.seen:
        page.blank()
    for finding in outcome.seen:
        page.add(Text.assemble((f"{finding.title}: ", "bold"), _clip(finding.text)))
    if outcome.criteria:
        page.blank()
    _verdict(page, _VERDICTS[outcome.verdict], outcome.reason, outcome.evidence, outcome.command)
    if outcome.cause:
        page.add(Text(f"Likely cause: {_clip(outcome.cause.text)}"))
        if outcome.cause.evidence:
            page.add(Text(_clip(outcome.cause.evidence), "dim"), INDENT, bar="│ ")
        if outcome.cause.command:
            page.whole(Text(f"{' ' * INDENT}{printable(outcome.cause.command)}", "cyan"))
    if outcome.output and kept:
        page.add(Text(f"Its output: {printable(outcome.output)}", "dim"))
    if outcome.note:
        page.add(Text(f"({_clip(outcome.note)})", "dim"))
    return page.text()


def shown_kernels(report: KernelReport) -> str:
    """What became of each kernel, as text: a table of those that ran, then in words what is wrong, lacking or not there."""
    page = Page()
    if report.torch:
        page.add(
            Text(
                f"PyTorch {printable(report.torch)} on {printable(report.device or '?')}, random numbers of seed {report.seed}",
                "dim",
            )
        )
        page.blank()
    ran = [kernel for kernel in report.kernels if kernel.criterion.status is not Status.SKIPPED]
    if ran:
        _table(page, ran)
        page.blank()
    _criteria(page, [kernel.criterion for kernel in ran if kernel.criterion.status is not Status.OK])
    for name in dict.fromkeys(kernel.name for kernel in report.kernels):
        remarks: dict[str, list[str]] = {}
        for kernel in report.kernels:
            for remark in _remarks(kernel) if kernel.name == name else ():
                remarks.setdefault(remark, []).append(kernel.kind)
        for remark, kinds in remarks.items():
            what = KERNELS[name] + ("" if len(kinds) == len(TOLERANCE) else f" in {kinds[0]}")
            page.item(Text("- ", "dim"), Text.assemble(what, (f": {_clip(remark)}", "dim")))
    if report.criteria:
        page.blank()
    _verdict(page, _VERDICTS_ON_KERNELS[report.verdict], report.trouble or "", report.evidence, None)
    return page.text()


def _table(page: Page, kernels: Sequence[Kernel]) -> None:
    """A row for each, of 77 columns: its largest errors and the milliseconds of a call, forward and with the way back."""
    limits = ", ".join(f"{error:g} in {kind}" for kind, error in TOLERANCE.items())
    page.add(Text(f"relative errors against float64, the largest of each pass; allowed: {limits}", "dim"))
    page.whole(Text(f"{'':35}  {'forward':>15}  {'and backward':>15}  {'first':>6}", "dim"))
    page.whole(Text(f"  {'kernel':24} {'numbers':8}" + f"  {'error':>7} {'ms':>7}" * 2 + f"  {'call s':>6}", "dim"))
    for kernel in kernels:
        mark, style = _MARKS[kernel.criterion.status]
        cells = [cell for one in (kernel.forward, kernel.backward) for cell in _cells(one)]
        first = kernel.forward.first if kernel.forward else None
        row = "".join(f"  {error:>7} {milliseconds:>7}" for error, milliseconds in cells)
        row += f"  {'-' if first is None else f'{first:.2f}':>6}"
        failed = style if kernel.criterion.status is not Status.OK else ""
        page.whole(Text.assemble((f"{mark} ", style), (f"{_LABELS[kernel.name]:24} {kernel.kind:8}{row}", failed)))


def _cells(one: Pass | None) -> Iterator[tuple[str, str]]:
    """The largest error and the milliseconds of a pass, as far as it has some."""
    errors = one.errors.values() if one else ()
    known = [error for error in errors if error is not None]
    worst = "-" if not errors else f"{max(known):.1e}" if len(known) == len(errors) else "nan"
    yield worst, "-" if one is None or one.milliseconds is None else f"{one.milliseconds:.2f}"


def _remarks(kernel: Kernel) -> Iterator[str]:
    """What is to be said of a kernel that is right, or was not tried."""
    one = kernel.criterion
    if one.status is Status.SKIPPED:
        yield one.observed
    elif one.status is Status.OK:
        if kernel.backward and kernel.backward.declined:
            yield f"no backward pass: {kernel.backward.declined}"
        if kernel.note:
            yield kernel.note


def _criteria(page: Page, criteria: Sequence[Criterion], cause: str | None = None) -> None:
    """A line for each, one for all that were not judged for one reason; a likely cause only where it is not that of the whole."""
    for (status, reason), group in itertools.groupby(criteria, key=lambda one: (one.status, one.observed)):
        together = list(group)
        if status is Status.SKIPPED and len(together) > 1:
            page.item(Text(f"{_MARKS[status][0]} ", _MARKS[status][1]), Text(f"{len(together)} more: {_clip(reason)}"))
            continue
        _each(page, together, cause)


def _each(page: Page, criteria: Sequence[Criterion], cause: str | None) -> None:
    for one in criteria:
        mark, style = _MARKS[one.status]
        failed = one.status in (Status.FAILED, Status.WARNING)
        expected = f" (expected {_clip(one.expected)})" if one.expected and one.status is not Status.SKIPPED else ""
        observed = (f": {_clip(one.observed)}" if one.observed else "", style if failed else "")
        page.item(Text(f"{mark} ", style), Text.assemble(printable(one.title), observed, (expected, "dim")))
        for text in one.evidence if failed else ():
            page.add(Text(_clip(text), "dim"), INDENT, bar="│ ")
        if one.cause and one.cause != cause:
            page.add(Text(f"likely: {_clip(one.cause)}"), INDENT)


def _verdict(page: Page, words: tuple[str, str], reason: str, evidence: Sequence[str], command: str | None) -> None:
    text, style = words
    page.add(Text.assemble((text.rstrip(".") + ": ", style), _clip(reason)) if reason else Text(text, style))
    for line in evidence:
        page.add(Text(_clip(line), "dim"), INDENT, bar="│ ")
    if command:
        page.whole(Text(f"{' ' * INDENT}{printable(command)}", "cyan"))


def _clip(text: str) -> str:
    text = printable(text)
    return text if len(text) <= _CLIP else text[: _CLIP - 1] + "…"


def document(outcome: Outcome, mode: str, seconds: float, kept: bool, python: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """An outcome as plain data."""
    judged = outcome.judgement
    return {
        "schema": SCHEMA,
        "version": __version__,
        "mode": mode,
        "verdict": outcome.verdict,
        "reason": outcome.reason or None,
        "evidence": list(outcome.evidence),
        "command": outcome.command,
        "cause": outcome.cause
        and {"text": outcome.cause.text, "evidence": outcome.cause.evidence or None, "command": outcome.cause.command},
        "python": dict(python) if python else None,
        "output": outcome.output if kept else None,
        "seconds": round(seconds, 2),
        "criteria": [_criterion(one) for one in outcome.criteria],
        "samples": [sample._asdict() for sample in judged.samples] if judged else [],
        "findings": [{"id": one.id, "title": one.title, "text": one.text, "values": one.values} for one in outcome.seen],
        "kernels": [],
    }


def kernel_document(report: KernelReport, seconds: float) -> dict[str, Any]:
    """A report on kernels as plain data."""
    outcome = Outcome(report.criteria, reason="" if report.criteria else report.trouble or "no kernel was tried")
    found = document(
        outcome, "kernels", seconds, kept=False, python={"path": report.python, "torch": report.torch, "device": report.device}
    )
    found["kernels"] = [_kernel(kernel) for kernel in report.kernels]
    return {**found, "verdict": report.verdict, "reason": report.trouble, "seed": report.seed}


def as_json(found: Mapping[str, Any]) -> str:
    """One JSON document, in ASCII; what is no number in it becomes null."""
    return json.dumps(_finite(found), indent=2) + "\n"


def _finite(value: Any) -> Any:
    match value:
        case dict():
            return {str(name): _finite(one) for name, one in value.items()}
        case list() | tuple():
            return [_finite(one) for one in value]
        case float() if value != value or abs(value) == float("inf"):  # noqa: PLR0124 (it is not a number)
            return None
    return value


def _criterion(one: Criterion) -> dict[str, Any]:
    return {
        "id": one.id,
        "title": one.title,
        "status": str(one.status),
        "expected": one.expected or None,
        "observed": one.observed or None,
        "evidence": list(one.evidence),
        "cause": one.cause,
    }


def _kernel(kernel: Kernel) -> dict[str, Any]:
    return {
        "name": kernel.name,
        "kind": kernel.kind,
        "tolerance": kernel.tolerance,
        "absent": kernel.absent,
        "note": kernel.note or None,
        "forward": _pass(kernel.forward),
        "backward": _pass(kernel.backward),
    }


def _pass(one: Pass | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "errors": dict(one.errors),
        "milliseconds": one.milliseconds,
        "first_seconds": one.first,
        "trouble": one.trouble,
        "declined": one.declined,
    }
