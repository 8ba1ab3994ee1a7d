"""A yard to build in: a build tool whose jobs stand at a gate (a named pipe) until the test opens it, and the command that watches."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from standins.hosts import script

PATIENCE = 30.0
BUILD = (sys.executable, "-c", "from sparkdoctor.cli import main; main()", "build")


class Yard:
    """A directory with a `make` that starts jobs; each job waits at the gate."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._started: list[subprocess.Popen[bytes]] = []
        self.gate = place / "gate"
        os.mkfifo(self.gate)
        # The shell opens the pipe only to read: it stands until somebody has it open for writing.
        script(place / "cc", f"#!/bin/sh\nread line < {self.gate}\n")
        script(
            place / "make",
            f'#!/bin/sh\n[ "$1" = --version ] && echo GNU Make 4.3 && exit\nfor i in $(seq "$1"); do {place}/cc -c "unit$i.c" & done\nwait\n',
        )
        self.env = {**os.environ, "SPARKDOCTOR_STATE": str(place / "state"), "HOME": str(place)}
        for name in ("MAKEFLAGS", "MAX_JOBS"):
            self.env.pop(name, None)

    def start(self, *args: str, command: Sequence[str] = (), prefix: Sequence[str] = (), **how: Any) -> "subprocess.Popen[bytes]":
        """Start `sparkdoctor build`."""
        how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **how}
        self._started.append(subprocess.Popen([*prefix, *BUILD, *args, "--", *command], env=self.env, cwd=self.place, **how))
        return self._started[-1]

    def run(self, *args: str, command: Sequence[str] = (), prefix: Sequence[str] = ()) -> "subprocess.CompletedProcess[bytes]":
        """Run it to its end."""
        return subprocess.run(
            [*prefix, *BUILD, *args, "--", *command],
            env=self.env,
            cwd=self.place,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )

    @property
    def make(self) -> str:
        return str(self.place / "make")

    def open(self) -> None:
        """Let all jobs through that are at the gate, and all that come later: until the jobs are over."""
        descriptor = os.open(self.gate, os.O_RDWR)
        os.write(descriptor, b"go\n" * 1000)

    def clear(self) -> None:
        """Whatever a test came to, nothing of it stays."""
        for pid in [child.pid for child in self._started if child.poll() is None] + list(states(str(self.place))):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for child in self._started:
            child.communicate()

    def jobs(self) -> dict[int, str]:
        """The jobs that are there, with their states."""
        return {pid: state for pid, state in states(f"{self.place}/cc").items() if state not in "ZX"}


def states(words: str) -> dict[int, str]:
    """The processes that have these words in their command line, with the kernel's letters for their states."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdecimal() and int(entry) != os.getpid():
            try:
                line = Path(f"/proc/{entry}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                state = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if words in line:
                found[int(entry)] = state
    return found


def until(there: Callable[[], bool], what: Callable[[], object] = lambda: None) -> None:
    """Wait for something that comes by itself."""
    ends = time.monotonic() + PATIENCE
    while not there():
        assert time.monotonic() < ends, what()
        time.sleep(0.02)


def read(descriptor: int, wanted: bytes) -> bytes:
    """What comes from a terminal until it holds what is wanted."""
    heard = b""
    ends = time.monotonic() + PATIENCE
    while wanted not in heard:
        assert time.monotonic() < ends, heard
        if select.select([descriptor], [], [], 0.2)[0]:
            heard += os.read(descriptor, 1 << 16)
    return heard
