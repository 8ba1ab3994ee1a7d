"""Whether tasks stand still for want of memory."""

from sparkdoctor.facts import Pressure
from sparkdoctor.plugin import Verdict, check, fail, ok, warn

STALLED, SLOWED = 10.0, 10.0
"""Percent of time: all tasks stood still over a minute; some did over ten seconds."""


@check
def memory_pressure(pressure: Pressure) -> Verdict:
    """Nothing stands still for want of memory.

    The kernel counts the time that tasks spend waiting for memory (PSI). On unified memory a few percent are how a freeze
    begins, since the GPU's allocations cannot be paged out.

    Sources:
    - Linux, Documentation/accounting/psi.rst
    """
    some, full = f"{pressure.some10:g}% / {pressure.some60:g}%", f"{pressure.full10:g}% / {pressure.full60:g}%"
    shown = f"some {some}, full {full} of the last 10 / 60 s"
    remedy = "End the largest programs now, before the machine freezes."
    command = "ps aux --sort=-rss | head"
    if pressure.full60 >= STALLED or pressure.full10 >= 2 * STALLED:
        return fail(
            f"the machine stands still for want of memory: {shown}",
            expected=f"full <{STALLED:g}% over 60 s",
            observed=f"{pressure.full60:g}%",
            remedy=remedy,
            command=command,
        )
    if pressure.some10 >= SLOWED:
        return warn(
            f"tasks wait for memory: {shown}",
            expected=f"some <{SLOWED:g}% over 10 s",
            observed=f"{pressure.some10:g}%",
            remedy=remedy,
            command=command,
        )
    return ok(shown)
