"""What is remembered from one run to the next: small JSON files in the state directory."""

import contextlib
import fcntl
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from typing import Any

from sparkdoctor import journal
from sparkdoctor.files import without_waiting

_PATIENCE = 1.0
"""Seconds that another who writes is waited for."""


class History:
    """The last runs of one kind. Whoever reads them finds all of a file or none, whatever else is written meanwhile."""

    def __init__(self, name: str, schema: str, kept: int, limit: int = 1 << 20) -> None:
        """The last `kept` runs in the file `name`, of which no more than `limit` bytes are read."""
        self._name, self._schema, self._kept, self._limit = name, schema, kept, limit

    def runs(self) -> list[dict[str, Any]]:
        """The runs that were kept, the oldest first; none where there are none, or they cannot be read."""
        found = read(self._name, self._limit)
        if found is None or found.get("schema") != self._schema or not isinstance(found.get("runs"), list):
            return []
        return [run for run in found["runs"] if isinstance(run, dict)][-self._kept :]

    def keep(self, run: Mapping[str, Any]) -> str | None:
        """Add a run. Why that could not be done, None where it was."""
        try:
            with _alone():
                write(self._name, {"schema": self._schema, "runs": [*self.runs(), dict(run)][-self._kept :]})
        except (OSError, journal.Unsafe) as error:
            return f"this run is not remembered: {error}"
        return None


def read(name: str, limit: int) -> dict[str, Any] | None:
    """A document of the state directory; None where there is none, it is longer than `limit` bytes, or makes no sense."""
    with contextlib.suppress(OSError, ValueError, RecursionError, journal.Unsafe):
        with open(os.path.join(journal.place(), name), "rb", opener=without_waiting) as file:
            found = json.loads(file.read(limit))
        if isinstance(found, dict):
            return found
    return None


def write(name: str, document: Mapping[str, Any]) -> None:
    """Replace a document of the state directory.

    Raises:
        OSError: that cannot be done.
        journal.Unsafe: there is no home directory, or it is a user's and we are root.
    """
    text = json.dumps(document, indent=1)
    directory = journal.place()
    journal.make(directory)
    descriptor, new = tempfile.mkstemp(prefix=".new-", dir=directory)
    try:
        with open(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text + "\n")
        os.replace(new, os.path.join(directory, name))
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Let no other add a run meanwhile, which would be lost. Where that cannot be had, go on without it."""
    directory = journal.place()
    journal.make(directory)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < end:
                    time.sleep(0.01)
                    continue
            except OSError:  # NFS has no such lock for a directory
                pass
            break
        yield
    finally:
        os.close(descriptor)
