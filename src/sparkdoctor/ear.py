"""Hears signals and the ends of processes, whichever comes first, without a thread and without a race."""

import contextlib
import ctypes
import os
import select
import signal
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

PASSED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTSTP)
"""What is passed on to a command that we look after, unless it was ignored when we were started, as under nohup."""
_BY_TERMINAL = 0x80
"""SI_KERNEL: a terminal sends its signals to us all, the command too. Source: sigaction(2)."""
Id = tuple[int, int]
"""A process for good: its number, and when it began in clock ticks of the machine. Numbers are given anew."""
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC
"""SFD_NONBLOCK and SFD_CLOEXEC are these. Source: signalfd(2)."""
_RECORD, _FIRST = 128, "=Iii"
"""Bytes of a signalfd_siginfo, and its first members: number, errno, code."""
_SET = 128
"""Bytes of a sigset_t, more than any C library of Linux has."""


class Heard(NamedTuple):
    """A signal: its number, and who has sent it (sigaction(2), `si_code`)."""

    number: int
    code: int

    @property
    def to_us_alone(self) -> bool:
        """Whether a command that we look after has not had it as well."""
        return self.code != _BY_TERMINAL


def heard(*others: int) -> set[int]:
    """The signals to be passed on to a command, and these."""
    return {number for number in PASSED if signal.getsignal(number) is not signal.SIG_IGN} | set(others)


class Ear:
    """Waits for signals, which must be blocked, and for the ends of processes."""

    def __init__(self, signals: Iterable[int]) -> None:
        """Hear these signals.

        Raises:
            OSError: the kernel has no signalfd.
        """
        library = ctypes.CDLL(None, use_errno=True)
        wanted = ctypes.create_string_buffer(_SET)
        library.sigemptyset(wanted)
        for number in signals:
            library.sigaddset(wanted, int(number))
        self._signals = library.signalfd(-1, wanted, _FLAGS)
        if self._signals < 0:
            raise OSError(ctypes.get_errno(), "signalfd")
        self._watched: dict[Id, int] = {}
        self._poll = select.poll()
        self._poll.register(self._signals, select.POLLIN)

    def watch(self, processes: Iterable[Id]) -> None:
        """Wait for the ends of these processes, and of no others any more."""
        wanted = set(processes)
        for gone in [one for one in self._watched if one not in wanted]:
            self._forget(gone)
        for one in wanted - self._watched.keys():
            with contextlib.suppress(OSError):
                self._watched[one] = os.pidfd_open(one[0])
                self._poll.register(self._watched[one], select.POLLIN)

    def wait(self, seconds: float) -> tuple[list[Heard], bool]:
        """The signals that come, at most until `seconds` have gone by, and whether one of the processes has ended."""
        ready = {descriptor for descriptor, _ in self._poll.poll(max(0.0, seconds) * 1000)}
        signals = list(self._heard()) if self._signals in ready else []
        ended = [one for one, descriptor in self._watched.items() if descriptor in ready]
        for one in ended:
            self._forget(one)
        return signals, bool(ended)

    def _heard(self) -> Iterator[Heard]:
        with contextlib.suppress(BlockingIOError):
            while len(record := os.read(self._signals, _RECORD)) == _RECORD:
                number, _, code = struct.unpack_from(_FIRST, record)
                yield Heard(number, code)

    def _forget(self, one: Id) -> None:
        descriptor = self._watched.pop(one)
        self._poll.unregister(descriptor)
        os.close(descriptor)

    def close(self) -> None:
        """Hear no more."""
        self.watch(())
        os.close(self._signals)
