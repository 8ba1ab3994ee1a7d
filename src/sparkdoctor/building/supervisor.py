"""Runs a build, looks after it, and ends as it ends."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sparkdoctor import process
from sparkdoctor.building.footer import FAREWELL, Footer
from sparkdoctor.building.gate import LOOKS, Decision, Gate
from sparkdoctor.building.job import Job
from sparkdoctor.building.jobserver import Jobserver
from sparkdoctor.building.ledger import Ledger
from sparkdoctor.building.sight import Sight, Watcher
from sparkdoctor.building.watchdog import Watchdog, tell
from sparkdoctor.command import NotStartedError, start
from sparkdoctor.compiling import Room, room
from sparkdoctor.ear import Ear, Heard, Id, heard

_GRACE = 1.0
"""Seconds for a build that we end to clean up after itself."""
_GRACE_OF_CULPRIT = 0.1
"""The same for who has taken all the memory: a compiler's driver needs no more to remove what it has begun."""
_FOOTER = 1.0
"""Seconds after which a build is worth a line at the bottom of the terminal."""


class Ended(NamedTuple):
    """How a build ended: its status (negative: by that signal), why we have ended it, where we have, and who outlived it."""

    status: int
    reason: str | None
    culprit: Job | None
    left: tuple[str, ...]


class Look(NamedTuple):
    """What a look has shown, and what was decided."""

    seconds: float
    sight: Sight
    room: Room | None
    decision: Decision


class Supervisor:
    """Runs a command and looks after what it starts. Nothing of its input and output passes through us."""

    def __init__(self, gate: Gate, ledger: Ledger, *, jobserver: Jobserver | None = None, footer: Footer | None = None) -> None:
        """`gate` decides, `ledger` keeps account."""
        self._gate, self._ledger, self._jobserver, self._footer = gate, ledger, jobserver, footer
        self._ended: int | None = None
        self._command = 0

    def run(
        self,
        file: str,
        argv: Sequence[str],
        environment: Mapping[str, str],
        *,
        tell_of: Callable[[Look], None],
        line: Callable[[Look, int], str],
        broken: Callable[[Exception], None],
    ) -> Ended:
        """Run the program `file` to its end.

        `tell_of` hears of each look; `line` is the line at the bottom of a terminal, of at most so many columns. `broken` hears
        of what should never be: then nobody stands still any more, and the command goes on as without us.

        Raises:
            NotStartedError: it could not be started.
        """
        process.subreaper()  # who leaves the tree by a double fork becomes our child
        signals = heard(signal.SIGCHLD, signal.SIGCONT)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        self._ear = Ear(signals)
        try:
            self._dog = Watchdog(2 if self._footer and self._footer.possible else None, FAREWELL)
        except OSError as error:  # no process more: the command would be none either
            raise NotStartedError(error.errno, error.strerror) from None
        try:
            self._command = start(file, argv, environment, mask=before)
            self._began = time.monotonic()
            self._watcher = Watcher(os.getpid())
            self._watcher.leave_out(self._dog.pid)
            try:
                return self._watch(tell_of, line)
            except Exception as error:  # noqa: BLE001 (whatever it is: a build of hours does not end of it)
                self._dog.close()
                broken(error)
                while self._ended is None:
                    for one in self._ear.wait(_GRACE)[0]:
                        self._hear(one)
                return Ended(self._ended, None, None, ())
        finally:
            if self._footer:
                self._footer.leave()
            self._dog.close()
            self._ear.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _watch(self, tell_of: Callable[[Look], None], line: Callable[[Look, int], str]) -> Ended:
        while True:
            look = self._look()
            tell_of(look)
            if look.decision.end is not None:
                self._end(look.decision.culprit)
                return self._over(look.decision.end, look.decision.culprit)
            if self._footer and look.seconds >= _FOOTER:
                self._footer.show(lambda width: line(look, width))  # noqa: B023 (called at once)
            self._wait(look)
            if self._ended is not None:
                self._ledger.see(time.monotonic(), (), None if look.room is None else look.room.least)  # its jobs have ended
                return self._over(None, None)

    def _look(self) -> Look:
        now = time.monotonic()
        sight, left = self._watcher.look(), room()
        decision = self._gate.decide(now, sight.jobs, None if left is None else left.least)
        self._apply(sight, decision)
        self._ledger.see(now, sight.jobs, None if left is None else left.least, decision.wait)
        if self._jobserver:
            self._jobserver.tend(short=bool(decision.wait))
        return Look(now - self._began, sight, left, decision)

    def _apply(self, sight: Sight, decision: Decision) -> None:
        there: set[Id] = set()
        for job in sight.jobs:
            there.update(job.processes)
            if job.id in decision.wait:
                for member in job.processes:  # who was begun since the last look too
                    # Who stands by itself is not ours to continue.
                    if sight.processes[member[0]].state not in "Tt":
                        self._dog.stop(member)
            elif job.id in decision.go:
                for member in job.processes:
                    self._dog.go_on(member)
        for gone in self._dog.still - there:
            self._dog.go_on(gone)  # it has ended, or belongs to no job any more

    def _wait(self, look: Look) -> None:
        """Wait for the next look: it is due at once when a job ends whose end others wait for."""
        waiting = look.decision.wait
        self._ear.watch(job.id for job in look.sight.jobs if waiting and job.id not in waiting)
        now = time.monotonic()
        until, least = now + look.decision.look, now + min(LOOKS)
        while self._ended is None and (left := until - time.monotonic()) > 0:
            signals, ended = self._ear.wait(left)
            for one in signals:
                self._hear(one)
            # A shell's `fg` lets all go on, whom we hold too.
            if ended or any(one.number == signal.SIGCONT for one in signals):
                until = min(until, max(least, time.monotonic()))

    def _hear(self, got: Heard) -> None:
        if got.number == signal.SIGCHLD:
            self._reap()
            return
        if got.to_us_alone and self._ended is None:
            with contextlib.suppress(OSError):
                os.kill(self._command, got.number)
        if got.number == signal.SIGTSTP:
            if self._footer:
                self._footer.leave()
            os.kill(os.getpid(), signal.SIGSTOP)

    def _reap(self) -> None:
        """Take leave of all children that have ended: the command, and who was orphaned to us."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self._command:
                    self._ended = os.waitstatus_to_exitcode(ended[1])
                else:
                    self._dog.lost(ended[0])
                    self._watcher.leave_out(self._dog.pid)

    def _end(self, culprit: Job | None) -> None:
        """End the whole build: asked first, killed soon; who has taken all the memory takes no more until it is killed."""
        asked = time.monotonic()
        told: set[Id] = set()
        guilty: set[Id] = set(culprit.processes) if culprit is not None else set()
        fat: Id | None = None
        while (passed := time.monotonic() - asked) < 2 * _GRACE and (processes := self._watcher.look().processes):
            there = {(pid, process.began) for pid, process in processes.items()}
            if not told:
                fat = max(guilty & there, key=lambda one: processes[one[0]].memory, default=None)
                if fat is not None:
                    self._dog.stop(fat)
            for one in there - told:
                tell(one, signal.SIGTERM)
            told |= there
            for one in self._dog.still - {fat}:
                self._dog.go_on(one)
            late = there if passed > _GRACE else guilty if passed > _GRACE_OF_CULPRIT else set[Id]()
            for one in late:
                tell(one, signal.SIGKILL)
            time.sleep(min(LOOKS))
            self._reap()

    def _over(self, reason: str | None, culprit: Job | None) -> Ended:
        self._reap()
        left = self._watcher.look().processes if os.getpid() != 1 else {}  # who is there ends with process 1
        names = tuple(found.name for found in left.values())
        return Ended(1 if self._ended is None else self._ended, reason, culprit, names)
