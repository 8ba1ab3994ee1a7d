"""`sparkdoctor build`."""

import contextlib
import math
import os
import re
import resource
import signal
import sys
import time
from collections.abc import Mapping, Sequence

import click

from sparkdoctor import compiling, process
from sparkdoctor.building import past
from sparkdoctor.building.footer import Footer, writable
from sparkdoctor.building.gate import Gate
from sparkdoctor.building.jobserver import Jobserver, speaks
from sparkdoctor.building.ledger import Ledger
from sparkdoctor.building.outcome import Bounds, Build, Ending
from sparkdoctor.building.supervisor import Look, Supervisor
from sparkdoctor.building.variables import processors, variables
from sparkdoctor.cli import Broke, say
from sparkdoctor.command import CommandError, NotStartedError, find, given
from sparkdoctor.facts import Cgroup, gib
from sparkdoctor.facts.memory import GIB
from sparkdoctor.host import LocalHost
from sparkdoctor.machine import Machine
from sparkdoctor.model import Missing
from sparkdoctor.profiles import Profile
from sparkdoctor.render import printable

RESERVE = 8 * GIB
"""Bytes that stay free of a large machine: what a Spark needs to answer at all."""
PARTS = {"machine": 8, "container": 16}
"""Of less the eighth part; of a container half of that: where it is full a process dies, and the machine goes on."""
TOLD = 30.0
"""Seconds between two lines that say that compilers wait, where there is no terminal with a line for that."""
STOPPED = 1
"""Exit code of a build that we had to end."""
_OTHERS, _MUCH = 5, 1 << 29
"""So many others are named that have at least so many bytes."""
_SECONDS = 5.0


@click.command(
    "build",
    context_settings={"allow_interspersed_args": False},
    options_metavar="[OPTIONS] [--]",
    epilog="Examples: sparkdoctor build -- pip install flash-attn --no-build-isolation | sparkdoctor build --reserve 16 -- ninja",
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="COMMAND...")
@click.option(
    "--reserve",
    type=click.FloatRange(0),
    metavar="GB",
    help="Memory that stays free.  [default: an eighth, at most 8; of a container's limit a sixteenth]",
)
@click.option("--jobs", type=click.IntRange(1, 4096), metavar="N", help="At most so many compilers at once.")
@click.option("--report", type=click.Path(), metavar="FILE", help="Write what the build took there, as JSON.")
def command(command: tuple[str, ...], reserve: float | None, jobs: int | None, report: str | None) -> int:
    """Run a build inside the memory there is: compilers wait for their share of it before they begin.

    Its output, its signals and its exit status pass through untouched.

    Exit codes: the command's; 1 where the build had to be ended, 2 wrong usage.
    """
    if not command:
        raise click.ClickException("a command is due: sparkdoctor build -- COMMAND...")
    environment = given()
    try:
        file = find(command[0], environment.get("PATH"))
    except CommandError as error:
        raise click.ClickException(str(error)) from None
    bounds = _bounds(reserve, jobs)
    if bounds.room == 0:
        say(f"sparkdoctor: {gib(bounds.budget)} are free, {gib(bounds.reserve)} are to stay free: one compiler runs at a time")
    cores = bounds.processors
    set_by_us = variables(environment, min(cores, jobs or cores))
    jobserver = _jobserver(command, environment, min(cores, jobs or cores))
    if jobserver:
        set_by_us["MAKEFLAGS"] = f"{environment.get('MAKEFLAGS', '')}{jobserver.flags}"
    ledger, footer = Ledger(), Footer()
    gate = Gate(bounds.reserve, jobs, past.known(command, _directory()), processors=cores)
    supervisor = Supervisor(gate, ledger, jobserver=jobserver, footer=footer)
    told = _Teller(footer, ledger, bounds)
    kills, started, began = _kills(), time.time(), time.monotonic()
    try:
        ended = supervisor.run(file, command, {**environment, **set_by_us}, tell_of=told.hear, line=told.line, broken=_broken)
    except NotStartedError as error:
        raise click.ClickException(f"{printable(command[0])}: it could not be started: {error.strerror}") from None
    finally:
        if jobserver:
            jobserver.close()
    build = Build(
        command,
        started,
        time.monotonic() - began,
        ledger.account(),
        bounds,
        Ending(
            None if ended.status < 0 else ended.status,
            _name(-ended.status) if ended.status < 0 else None,
            ended.reason,
            ended.culprit,
            _kills() - kills,
            told.others,
        ),
        set_by_us,
        ended.left,
        told.toolkit,
    )
    try:
        _tell(build, report)
    except Exception as error:  # noqa: BLE001 (the status is the command's, whatever we can say of it)
        say(f"sparkdoctor: what the build took cannot be told: {_words(error)}")
    return STOPPED if ended.reason else _end_alike(ended.status)


def _bounds(reserve: float | None, jobs: int | None) -> Bounds:
    """What there is, and what of it is to stay free.

    Raises:
        ClickException: the reserve leaves nothing.
    """
    machine = Machine(LocalHost(), Profile())
    memory, group, room = compiling.memory(), machine.get(Cgroup), compiling.room()
    if memory is None or room is None:
        raise Broke("how much memory there is cannot be read from /proc/meminfo")
    limit = None if isinstance(group, Missing) else group.limit
    total = memory.total if limit is None else min(memory.total, limit)
    where = "machine" if total == memory.total else "container"
    wanted = min(RESERVE, total // PARTS[where]) if reserve is None else reserve * GIB
    if not wanted < total:  # nor is nan
        raise click.ClickException(f"--reserve {reserve:g}: this {where} has {gib(total)} of memory in all")
    return Bounds(room.least, int(wanted), where, processors(group), jobs)


def _directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return ""


def _jobserver(command: tuple[str, ...], environment: Mapping[str, str], jobs: int) -> Jobserver | None:
    if not speaks(command, environment):
        return None
    try:
        return Jobserver(jobs)
    except OSError:  # no place for a pipe: who begins too much is held back all the same
        return None


class _Teller:
    """Shows what goes on, and remembers what is of use at the end."""

    def __init__(self, footer: Footer, ledger: Ledger, bounds: Bounds) -> None:
        self._footer, self._ledger, self._bounds = footer, ledger, bounds
        self._said = -math.inf
        self._nvcc: str | None = None
        self._least = math.inf
        self.others: tuple[str, ...] = ()

    def hear(self, look: Look) -> None:
        """A look was made."""
        if self._nvcc is None:
            self._nvcc = next(filter(None, (nvcc_of(found.argv) for found in look.sight.processes.values())), None)
        free = None if look.room is None else look.room.least
        if free is not None and free < min(self._least, self._bounds.reserve):
            self._least = free
            self.others = _others(look)
        waits = look.decision.wait and look.decision.end is None
        if waits and not self._footer.possible and look.seconds >= self._said + TOLD:
            self._said = look.seconds
            moment = self._ledger.moment
            waiting = ", ".join(
                f"{number} {word}" for number, word in ((moment.held, "held back"), (moment.paused, "paused")) if number
            )
            if waiting and writable(2):
                say(f"sparkdoctor: {gib(free or 0)} are free, {gib(self._bounds.reserve)} are to stay free: {waiting}")

    def line(self, _: Look, width: int) -> str:
        """The line at the bottom of a terminal."""
        from sparkdoctor.render.build import text  # noqa: PLC0415 (rich, for a terminal alone)

        return text(width, self._ledger.moment, self._bounds.budget)

    @property
    def toolkit(self) -> str | None:
        """The version of the CUDA toolkit that has compiled."""
        if self._nvcc is None:
            return None
        try:
            said = process.run([self._nvcc, "--version"], timeout=_SECONDS, env={**os.environ, "LC_ALL": "C"}).stdout
        except OSError:
            return None
        found = re.search(r"release [\d.]+, V([\d.]+)", said)
        return found[1] if found else None


def nvcc_of(argv: Sequence[str]) -> str | None:
    """The nvcc that a program of a CUDA toolkit belongs to: nvcc itself, or one that it has called by its path."""
    if not argv or not argv[0].startswith("/"):
        return None
    place, name = os.path.split(argv[0])
    if name in ("cicc", "cudafe++", "ptxas"):
        place = os.path.join(os.path.dirname(os.path.dirname(place)), "bin") if place.endswith("/nvvm/bin") else place
    elif name != "nvcc":
        return None
    return os.path.join(place, "nvcc")


def _others(look: Look) -> tuple[str, ...]:
    """Who else has much memory, a line each."""
    strangers = [(pid, found) for pid, found in compiling.processes().items() if pid not in look.sight.processes]
    strangers.sort(key=lambda one: -one[1].memory)
    return tuple(f"{found.name} ({pid}) has {gib(found.memory)}" for pid, found in strangers[:_OTHERS] if found.memory >= _MUCH)


def _kills() -> int:
    """How many processes were killed for want of memory, here, until now."""
    machine = Machine(LocalHost(), Profile())
    group = machine.get(Cgroup)
    if not isinstance(group, Missing) and group.limit is not None:
        return group.oom_kills
    text = machine.read("/proc/vmstat")
    found = None if isinstance(text, Missing) else re.search(r"^oom_kill (\d{1,15})$", text, re.MULTILINE)
    return int(found[1]) if found else 0


def _tell(build: Build, report: str | None) -> None:
    """What it took: on stderr, in the file that was asked for, and for the next build of the same."""
    from sparkdoctor.building.diagnosis import conclude  # noqa: PLC0415 (after the build)
    from sparkdoctor.redact import Redactor  # noqa: PLC0415
    from sparkdoctor.render.build import as_json, document, shown  # noqa: PLC0415

    conclusion = conclude(build)
    if text := shown(build, conclusion):
        say(text.rstrip("\n"))
    found = document(build, conclusion, Redactor.local())
    past.keep(build.command, _directory(), build.account.peaks, found, whole=build.ending.status == 0)
    if report is not None:
        try:
            with open(report, "w", encoding="utf-8") as file:
                file.write(as_json(found))
        except OSError as error:
            say(f"sparkdoctor: {report}: {error.strerror}: the report is not written")


def _broken(error: Exception) -> None:
    say(f"sparkdoctor: this build is not watched any more, it goes on as without sparkdoctor: {_words(error)}")


def _words(error: Exception) -> str:
    return " ".join(printable(f"{type(error).__name__}: {error}").split())


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _end_alike(status: int) -> int:
    """End as the command has: by the same signal where it was one. PID 1 cannot, and says it as shells do."""
    if status >= 0:
        return status
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the command has left its own, if any
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    with contextlib.suppress(OSError, ValueError):
        signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
    return 128 - status
