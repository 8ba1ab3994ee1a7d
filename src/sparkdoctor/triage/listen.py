"""Runs a command, passes on what it prints as it comes, and hears it too."""

import contextlib
import fcntl
import os
import signal
import termios
import threading
from collections.abc import Callable, Mapping, Sequence

from sparkdoctor.command import start
from sparkdoctor.ear import Ear, Heard, heard

_CHUNK = 1 << 16
_LONG = 1 << 18
"""Bytes of a line that has no end yet, after which what came of it is passed on to be read."""
_LINGER = 1.0
"""Seconds for what is left to be read when the command has ended: what it leaves running may hold its output open for ever."""
_LOOK = 3600.0


def listen(
    file: str, argv: Sequence[str], environment: Mapping[str, str], hear: Callable[[bytes], None], *, out: int = 1, err: int = 2
) -> int:
    """Run the program `file` to its end; its status, negative where it was a signal.

    Its output goes on to the descriptors `out` and `err`, byte for byte, at once, and to `hear` in whole lines: never two of
    these at the same time. A program that prints to a terminal is given one (a pseudo-terminal with its modes and size), so that
    it prints what it would have printed.

    Raises:
        NotStartedError: it could not be started.
    """
    signals = heard(signal.SIGCHLD, signal.SIGWINCH)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    ear = Ear(signals)
    streams = _streams(out, err)
    try:
        try:
            pid = start(file, argv, environment, mask=before, streams={1: streams[0].theirs, 2: streams[-1].theirs})
        finally:
            for stream in streams:
                os.close(stream.theirs)
        lock = threading.Lock()
        readers = [threading.Thread(target=stream.copy, args=(hear, lock), daemon=True) for stream in streams]
        for reader in readers:
            reader.start()
        status = _wait(ear, pid, streams)
        for reader in readers:
            reader.join(_LINGER)
        with lock:  # who still reads has said what it knows
            for stream in streams:
                stream.flush(hear)
                stream.over = True
        return status
    finally:
        ear.close()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait(ear: Ear, pid: int, streams: "Sequence[_Stream]") -> int:
    """Wait for the command's end, and pass on the signals that are for it."""
    while True:
        for one in ear.wait(_LOOK)[0]:
            if one.number == signal.SIGWINCH:
                for stream in streams:
                    stream.resize()
            elif one.number == signal.SIGCHLD:
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    return os.waitstatus_to_exitcode(status)
            else:
                _pass_on(one, pid)


def _pass_on(one: Heard, pid: int) -> None:
    if one.to_us_alone:
        with contextlib.suppress(OSError):
            os.kill(pid, one.number)
    if one.number == signal.SIGTSTP:
        os.kill(os.getpid(), signal.SIGSTOP)


class _Stream:
    """One output of the command: what it writes to `theirs` goes on to `to`."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._terminal = False
        self.over = False
        self._waiting = b""
        try:
            modes = termios.tcgetattr(to)
            self._from, self.theirs = os.openpty()
        except (termios.error, OSError):  # no terminal, or no more of these
            self._from, self.theirs = os.pipe()
            return
        modes[1] &= ~termios.OPOST  # the real terminal does that
        termios.tcsetattr(self.theirs, termios.TCSANOW, modes)
        self._terminal = True
        self.resize()

    def resize(self) -> None:
        """Give it the size of the real terminal."""
        if self._terminal:
            with contextlib.suppress(OSError, termios.error):
                fcntl.ioctl(self._from, termios.TIOCSWINSZ, fcntl.ioctl(self._to, termios.TIOCGWINSZ, bytes(8)))

    def copy(self, hear: Callable[[bytes], None], lock: threading.Lock) -> None:
        """Pass on all that comes, until the last who may write has closed it."""
        with contextlib.suppress(OSError):  # a pseudo-terminal that nobody holds any more
            while data := os.read(self._from, _CHUNK):
                reached = self._pass(data)
                with lock:
                    if self.over:
                        return
                    self._hear(data, hear)
                if not reached:
                    break
        os.close(self._from)  # whoever writes on is told, as the reader behind us would have told it

    def _pass(self, data: bytes) -> bool:
        """Whether it has reached who reads."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._to, view) :]
            except BrokenPipeError:
                return False
            except OSError:  # a full disk is no reason to end what runs
                return True
        return True

    def _hear(self, data: bytes, hear: Callable[[bytes], None]) -> None:
        end = data.rfind(b"\n") + 1
        if end or len(self._waiting) > _LONG:
            hear(self._waiting + data[:end])
            self._waiting = data[end:]
        else:
            self._waiting += data

    def flush(self, hear: Callable[[bytes], None]) -> None:
        """The last line, which may have no end."""
        if self._waiting:
            hear(self._waiting if self._waiting.endswith(b"\n") else self._waiting + b"\n")
        self._waiting = b""


def _streams(out: int, err: int) -> "list[_Stream]":
    """The outputs: one where both go to the same terminal, so that their order is kept."""
    if os.isatty(out) and os.isatty(err) and os.fstat(out).st_rdev == os.fstat(err).st_rdev:
        return [_Stream(out)]
    return [_Stream(out), _Stream(err)]
