"""GNU make's jobserver: who speaks it begins a job only with a token from us, so that nothing need be held back.

Sources: GNU make manual, "POSIX Jobserver Interaction"; ninja 1.13's manual, "GNU Jobserver support".
"""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from posixpath import basename

from sparkdoctor import process

_MAKES, _NINJAS = ("make", "gmake"), ("ninja", "ninja-build")
_MAKE, _NINJA = (4, 4), (1, 13)
"""The first versions that take a named pipe. An older make dies of one, an older ninja does not look."""
_SECONDS = 5.0


def speaks(argv: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether to offer one to this command: it reads MAKEFLAGS, was not told itself how much to do, and nobody will die of it."""
    tool = basename(argv[0])
    if tool not in (*_MAKES, *_NINJAS) or any(re.match(r"-\w*j|--jobs", word) for word in argv[1:]):
        return False
    if re.search(r"-\w*j|jobserver", environment.get("MAKEFLAGS", "")):
        return False
    # A ninja may call make, and a make another one, by the usual name.
    needed = {argv[0]: _NINJA if tool in _NINJAS else _MAKE, "make": _MAKE}
    found = {name: _version(name, environment) for name in needed}
    versions = [(version, needed[name]) for name, version in found.items() if version is not None]
    return found[argv[0]] is not None and all(version >= least for version, least in versions)


def _version(name: str, environment: Mapping[str, str]) -> tuple[int, ...] | None:
    if (path := shutil.which(name, path=environment.get("PATH"))) is None:
        return None
    try:
        said = process.run([path, "--version"], timeout=_SECONDS, env={**environment, "LC_ALL": "C"}).stdout
    except OSError:
        return None
    found = re.search(r"\d+(?:\.\d+)+", said)
    return tuple(map(int, found[0].split("."))) if found else (0,)


class Jobserver:
    """A named pipe with a token for each job but the first, which every tool has of its own."""

    def __init__(self, jobs: int) -> None:
        """For `jobs` jobs at once.

        Raises:
            OSError: no named pipe can be made.
        """
        self._place = tempfile.mkdtemp(prefix="sparkdoctor-jobs-")
        self._path = os.path.join(self._place, "jobserver")
        os.mkfifo(self._path, 0o600)
        self._pipe = os.open(self._path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._kept = b""
        self._jobs = jobs
        os.write(self._pipe, b"+" * (jobs - 1))

    @property
    def flags(self) -> str:
        """What MAKEFLAGS is to be."""
        return f" -j{self._jobs} --jobserver-auth=fifo:{self._path}"

    def tend(self, *, short: bool) -> None:
        """Take the free tokens away while memory is short; give them back one by one."""
        with contextlib.suppress(OSError):
            if short:
                self._kept += os.read(self._pipe, self._jobs)
            elif self._kept:
                self._kept = self._kept[os.write(self._pipe, self._kept[:1]) :]

    def close(self) -> None:
        """Nothing is left of it."""
        os.close(self._pipe)
        shutil.rmtree(self._place, ignore_errors=True)
