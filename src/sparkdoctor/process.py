"""One child process with a deadline, from which nothing can hurt us: bounded output, killed as a group, never waited for."""

import atexit
import contextlib
import errno
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

OUTPUT_LIMIT = 1 << 20
"""Bytes kept of each of stdout and stderr; a child that says more is ended."""


_alive: set[subprocess.Popen[bytes]] = set()
"""Children that are not over yet: whatever ends us, they end too."""
_starting = threading.Lock()
_over = threading.Event()
"""Set when we end: other threads still run then, and would start the next command where the last was killed."""


class Ran(NamedTuple):
    """What a command said and how it ended. `code` is negative for a signal and None where time ran out."""

    code: int | None
    stdout: str
    stderr: str

    @property
    def ended(self) -> str:
        """How it ended, in words: `exited with status 1`, `was killed by SIGSEGV`, `did not answer in time`."""
        if self.code is None:
            return "did not answer in time"
        if self.code >= 0:
            return f"exited with status {self.code}"
        try:
            return f"was killed by {signal.Signals(-self.code).name}"
        except ValueError:
            return f"was killed by signal {-self.code}"

    @property
    def last_words(self) -> str:
        """The last line it wrote, stderr first; empty where it wrote none."""
        lines = (self.stderr.strip() or self.stdout.strip()).splitlines()
        return lines[-1].strip() if lines else ""


def run(
    argv: Sequence[str],
    *,
    timeout: float,
    env: Mapping[str, str],
    pass_fds: Sequence[int] = (),
) -> Ran:
    """Run `argv` with no input, for `timeout` seconds at most.

    Raises:
        OSError: it could not be started.
    """
    ends = time.monotonic() + timeout
    with _starting:
        if _over.is_set():
            raise OSError(errno.ECANCELED, os.strerror(errno.ECANCELED))
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            pass_fds=pass_fds,
            start_new_session=True,
        )
        _alive.add(child)
    code: int | None = None
    try:
        said, finished = _listen(child, ends)
        if finished:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = child.wait(max(0.0, ends - time.monotonic()) + 0.05)
        elif time.monotonic() < ends:
            code = child.poll()
            code = -signal.SIGKILL if code is None else code  # it said too much: we end it, it was not slow
    finally:
        _end(child)
        _alive.discard(child)
    stdout, stderr = (bytes(part).decode("utf-8", "backslashreplace") for part in said)
    return Ran(code, stdout, stderr)


def _listen(child: subprocess.Popen[bytes], ends: float) -> tuple[list[bytearray], bool]:
    """Collect what `child` says until it has closed its outputs or exited; False where time or space ran out first."""
    said = [bytearray(), bytearray()]
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
        for stream, part in zip((child.stdout, child.stderr), said, strict=True):
            assert stream is not None  # noqa: S101 (for the type checker: both are pipes)
            stack.enter_context(stream)
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_READ, part)
        while selector.get_map():
            left = ends - time.monotonic()
            if left <= 0:
                return said, False
            exited = child.poll() is not None
            # A grandchild may hold the pipes open after the child is gone: look, but do not wait for it.
            ready = selector.select(0 if exited else min(left, 0.1))
            if exited and not ready:
                break
            for key, _ in ready:
                chunk = os.read(key.fd, 1 << 16)
                key.data.extend(chunk)
                if not chunk:
                    selector.unregister(key.fileobj)
                elif len(key.data) > OUTPUT_LIMIT:
                    del key.data[OUTPUT_LIMIT:]
                    return said, False
    return said, True


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill whatever is left of the child's process group; a process that cannot die is left to the kernel."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(0.2)


@atexit.register
def end_all() -> None:
    """Start nothing more and kill what runs."""
    _over.set()
    if _starting.acquire(timeout=1.0):  # whoever is just starting a child has added it then
        _starting.release()
    for child in tuple(_alive):
        _end(child)
