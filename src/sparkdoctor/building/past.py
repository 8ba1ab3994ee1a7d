"""The last builds on this machine: what their jobs took, for the next build of the same, and the last one's report."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from sparkdoctor import history, journal
from sparkdoctor.building.names import LONGEST

KEPT = 10
"""Builds of which the peaks are kept."""
NAMES = 1000
"""Jobs of a build of which the peaks are kept: those with the greatest."""
_BYTES = 1 << 50
_HISTORY = history.History("builds.json", "sparkdoctor.builds/1", KEPT, limit=16 << 20)
_LAST, _LIMIT = "build.json", 4 << 20
_SCHEMA = "sparkdoctor.build/1"


def known(command: Sequence[str], directory: str) -> Mapping[str, int]:
    """The peaks in bytes, by a job's name, of the last builds by this command in this directory.

    A build that has come to a good end replaces what is known of each of its jobs. One that failed may have ended a job early,
    and only adds to it.
    """
    found: dict[str, int] = {}
    same = _key(command, directory)
    for run in _HISTORY.runs():
        peaks = run.get("peaks")
        if run.get("build") != same or not isinstance(peaks, dict):
            continue
        whole = run.get("whole") is True
        for name, peak in list(peaks.items())[:NAMES]:
            if type(peak) is int and 0 < peak < _BYTES and len(name) <= LONGEST:
                found[name] = peak if whole else max(peak, found.get(name, 0))
    return found


def keep(
    command: Sequence[str], directory: str, peaks: Mapping[str, int], document: Mapping[str, Any], *, whole: bool
) -> str | None:
    """Remember a build's peaks, the greatest first, and its report. `whole` tells that it has come to a good end.

    Why that could not be done, None where it was, or there is nothing to remember. Of the command, only what stands in the report
    is written down.
    """
    first = {name: peak for name, peak in peaks.items() if peak > 0 and len(name) <= LONGEST}
    if whole and not first:  # it was not worth to forget the last report for
        return None
    run = {"build": _key(command, directory), "whole": whole, "peaks": dict(list(first.items())[:NAMES])}
    try:
        history.write(_LAST, document)
    except (OSError, journal.Unsafe) as error:
        return f"this build is not remembered: {error}"
    return _HISTORY.keep(run)


def last() -> dict[str, Any] | None:
    """The report of the last build (docs/build.schema.json), as far as its first member tells; None where there is none."""
    found = history.read(_LAST, _LIMIT)
    return found if found is not None and found.get("schema") == _SCHEMA else None


def told() -> str | None:
    """When the last build was, of what, and how it went, in a line; None where nothing can be told."""
    match last():
        case {"started": str(started), "command": [str(command), *_], "diagnosis": {"text": str(text)}}:
            return f"{command}, {started}: {text}"
    return None


def _key(command: Sequence[str], directory: str) -> str:
    text = json.dumps([list(command), directory])
    return sha256(text.encode()).hexdigest()
