"""The words that the formats for people share."""

from sparkdoctor.model import Report, Result, Status

PROBLEMS = (Status.FAILED, Status.CRASHED, Status.WARNING)
"""The statuses that are shown in full, worst first."""


def machine_line(report: Report) -> str:
    """What was examined, in one line."""
    machine = report.machine
    capability, driver, cuda = machine["compute_capability"], machine["driver"], machine["cuda"]
    many = f"{machine['gpus']} × " if isinstance(machine["gpus"], int) and machine["gpus"] > 1 else ""
    parts = (
        machine["name"],
        f"{many}{machine['gpu']}" if machine["gpu"] else "no GPU seen",
        f"capability {capability}" if capability else None,
        f"driver {driver}" if driver else None,
        f"CUDA {cuda}" if cuda else None,
    )
    return " · ".join(str(part) for part in parts if part)


def system_line(report: Report) -> str:
    """Operating system, processors and memory."""
    machine = report.machine
    memory, limit = machine["memory_gib"], machine["memory_limit_gib"]
    parts = (
        machine["os"],
        machine["arch"],
        f"{machine['cpus']} CPUs" if machine["cpus"] else None,
        f"{memory} GiB, {machine['memory_available_gib']} available" if memory else None,
        f"limited to {limit} GiB" if limit else None,
        f"in {machine['container']}" if machine["container"] else None,
    )
    return " · ".join(str(part) for part in parts if part)


def python_line(report: Report) -> str:
    """Which Python was examined and why, with what the report is about in it."""
    python, machine = report.python, report.machine
    if python["path"] is None:
        return f"Python: {python['why']}"
    packages = "".join(
        f", {title} {machine[name]}" for name, title in (("torch", "PyTorch"), ("triton", "Triton")) if machine[name]
    )
    return f"Python {machine['python']}{packages}: {python['path']} ({python['why']})"


def counts(report: Report) -> str:
    """`1 failed, 2 warnings, 31 ok, 9 skipped`."""
    words = {
        Status.FAILED: "failed",
        Status.CRASHED: "crashed",
        Status.WARNING: "warning",
        Status.OK: "ok",
        Status.SKIPPED: "skipped",
    }
    parts = []
    for status, word in words.items():
        if number := report.number(status):
            parts.append(f"{number} {word}{'s' if status is Status.WARNING and number > 1 else ''}")
    return ", ".join(parts) or "nothing was examined"


def next_step(report: Report) -> str:
    """What to do now."""
    problems = problems_of(report)
    if report.verdict == "unknown":
        return "No verdict: nothing could be examined. See the reasons above."
    if not problems:
        return "Healthy: nothing to do."
    first = problems[0]
    if first.status is Status.CRASHED:
        return "Some checks could not be made; `sparkdoctor record FILE` makes a tape to send with a bug report."
    mended = [result for result in problems if result.fixes]
    if mended:
        some = "" if len(mended) == len(problems) else f" is for {len(mended)} of these {len(problems)}; it"
        return f"Next: sparkdoctor fix --all{some} shows what it would do first. Why: sparkdoctor explain {mended[0].id}"
    what = "do" if report.verdict == "failed" else "consider"
    return f"Next: {what} the first remedy above, then check again. Why: sparkdoctor explain {first.id}"


def problems_of(report: Report) -> list[Result]:
    """Results to show in full: worst first, then in the order of the layers. Crashes of one cause stand together."""
    return [result for status in PROBLEMS for result in report.results if result.status is status]


def folded(report: Report, status: Status) -> dict[str, list[str]]:
    """Ids by reason, for results that are told in a line."""
    reasons: dict[str, list[str]] = {}
    for result in report.results:
        if result.status is status:
            reasons.setdefault(result.verdict.summary, []).append(result.id)
    return reasons
