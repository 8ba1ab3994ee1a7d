"""Lets everybody go on who was stopped by us, should we be killed before we could do it ourselves."""

import contextlib
import ctypes
import os
import signal

from sparkdoctor.compiling import parse_stat
from sparkdoctor.ear import Id

NAME = "build-watchdog"
"""What it is called: by `killall sparkdoctor` it is not meant."""


def tell(process: Id, number: int) -> bool:
    """Send a signal to exactly this process; False where it is no more, or not ours to signal (`sudo make install`)."""
    try:
        descriptor = os.pidfd_open(process[0])
    except OSError:
        return False
    try:
        with open(f"/proc/{process[0]}/stat", "rb") as file:
            found = parse_stat(file.read().decode(errors="backslashreplace"))
        if found is None or found.began != process[1]:
            return False
        signal.pidfd_send_signal(descriptor, number)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _rename(name: str) -> None:
    """Be called so in lists of processes. Sources: PR_SET_NAME(2const); proc_pid_stat(5), arg_start and arg_end."""
    ctypes.CDLL(None).prctl(15, name.encode())
    with contextlib.suppress(OSError, ValueError, IndexError):
        with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
            begin, end = map(int, file.read().rpartition(")")[2].split()[45:47])
        if 0 < begin < end:
            ctypes.memmove(begin, name.encode().ljust(end - begin, b"\0"), end - begin)


class Watchdog:
    """A process of its own that hears of each stop before it is made, and of each end of one.

    When our end of its pipe closes, it lets all go on that still stand. A stop without a watchdog is not made.
    """

    def __init__(self, terminal: int | None = None, farewell: bytes = b"") -> None:
        """`farewell` is written to the descriptor `terminal` where we could not do that ourselves."""
        self._terminal, self._farewell = terminal, farewell
        self._still: set[Id] = set()
        self.pid = 0
        self._start()

    def _start(self) -> None:
        hearing, saying = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            os.close(hearing)
            os.close(saying)
            raise
        if pid == 0:
            try:
                os.close(saying)
                self._watch(hearing)
            finally:
                os._exit(0)
        os.close(hearing)
        os.set_blocking(saying, False)  # it might be made to stand still
        self._pipe = saying
        self.pid = pid

    def _watch(self, hearing: int) -> None:
        os.setsid()  # what a terminal sends to us all is not for it
        _rename(NAME)
        for deadly in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
            with contextlib.suppress(OSError, ValueError):
                signal.signal(deadly, signal.SIG_IGN)
        nothing = os.open(os.devnull, os.O_RDWR)
        kept = -1 if self._terminal is None else os.dup(self._terminal)
        for number in (0, 1, 2):  # who waits for our output to end waits for us alone
            os.dup2(nothing, number)
        heard = b""
        while chunk := os.read(hearing, 1 << 16):
            *lines, heard = (heard + chunk).split(b"\n")
            for line in lines:
                sign, pid, began = line.split()
                (self._still.add if sign == b"+" else self._still.discard)((int(pid), int(began)))
        for process in self._still:
            tell(process, signal.SIGCONT)
        if kept >= 0:
            with contextlib.suppress(OSError):
                os.write(kept, self._farewell)

    @property
    def still(self) -> frozenset[Id]:
        """Who stands still by our doing."""
        return frozenset(self._still)

    def stop(self, process: Id) -> bool:
        """Have a process stand still. False where that cannot be."""
        if process not in self._still:
            if not self._write(b"+", process):
                return False
            self._still.add(process)
        if tell(process, signal.SIGSTOP):
            return True
        self.forget(process)
        return False

    def go_on(self, process: Id) -> None:
        """Let a process go on that we have stopped."""
        if process in self._still:
            tell(process, signal.SIGCONT)
            self.forget(process)

    def forget(self, process: Id) -> None:
        """A process is no more, or goes on."""
        self._still.discard(process)
        self._write(b"-", process)

    def lost(self, pid: int) -> None:
        """A child has ended: where that was the watchdog, it gets a successor that knows what it knew, or nobody stands still."""
        if pid != self.pid:
            return
        os.close(self._pipe)
        self.pid, self._pipe = 0, -1
        try:
            self._start()  # the new one has our memory
        except OSError:
            for process in tuple(self._still):
                self.go_on(process)

    def close(self) -> None:
        """All go on, and it is not needed any more."""
        for process in tuple(self._still):
            self.go_on(process)
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.close(self._pipe)
            os.waitpid(self.pid, 0)
            self.pid, self._pipe = 0, -1

    def _write(self, sign: bytes, process: Id) -> bool:
        try:
            os.write(self._pipe, b"%s %d %d\n" % (sign, *process))
        except OSError:  # it was killed; `lost` has not heard of that yet
            return False
        return True
