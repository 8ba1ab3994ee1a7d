"""The predictions that were believed or refused on this machine, for the next one to be compared with."""

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from typing import Any

from sparkdoctor import journal
from sparkdoctor.files import without_waiting

SCHEMA = "sparkdoctor.smokes/1"
KEPT = 20
"""Runs that are kept."""
LIMIT = 1 << 20
"""Bytes of the file that are read."""
SAME = ("gpu", "openfold3", "torch", "triton", "samples", "weights")
"""What must agree for two runs to be comparable."""


def path() -> str:
    """Where they are written down.

    Raises:
        journal.Unsafe: there is no home directory.
    """
    return os.path.join(journal.place(), "smoke.json")


def runs() -> list[dict[str, Any]]:
    """The runs that were kept, the oldest first; none where there are none, or they cannot be read."""
    with contextlib.suppress(OSError, ValueError, RecursionError, journal.Unsafe):
        with open(path(), "rb", opener=without_waiting) as file:
            found = json.loads(file.read(LIMIT))
        if isinstance(found, dict) and found.get("schema") == SCHEMA and isinstance(found.get("runs"), list):
            return [run for run in found["runs"] if isinstance(run, dict)]
    return []


def last(run: Mapping[str, Any]) -> dict[str, Any] | None:
    """The last run before this one with the same GPU, versions, weights and number of samples."""
    return next((one for one in reversed(runs()) if all(one.get(name) == run.get(name) for name in SAME)), None)


def keep(run: Mapping[str, Any]) -> str | None:
    """Add a run. Why that could not be done, None where it was."""
    try:
        file = path()
        os.makedirs(os.path.dirname(file), mode=0o700, exist_ok=True)
        text = json.dumps({"schema": SCHEMA, "runs": [*runs(), dict(run)][-KEPT:]}, indent=1)
        descriptor, new = tempfile.mkstemp(prefix=".smoke-", dir=os.path.dirname(file))
        try:
            with open(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text + "\n")
            os.replace(new, file)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(new)
            raise
    except (OSError, journal.Unsafe) as error:
        return f"this run is not remembered: {error}"
    return None
