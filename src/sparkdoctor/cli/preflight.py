"""`sparkdoctor preflight`.

What the command is given is what we were given: its arguments, environment, descriptors, directory, umask and signal mask.
Python has ignored SIGPIPE and SIGXFSZ before we run, and nothing tells whether they were ignored before that: they go back to
their defaults, as `subprocess` has it.
"""

import atexit
import contextlib
import os
import signal
import stat
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, NoReturn

import click

from sparkdoctor.cli import say
from sparkdoctor.command import CommandError, find, given
from sparkdoctor.model import Missing, Report, Result, Status
from sparkdoctor.render import headline, printable

REFUSED = 78
"""Exit code where the command was not started. Source: sysexits.h, EX_CONFIG."""
MODE = "SPARKDOCTOR_PREFLIGHT"
MODES = ("enforce", "warn", "off")
TERMINATION_LOG = "/dev/termination-log"
"""Where Kubernetes looks for the reason. Source: its documentation, "Determine the Reason for Pod Failure"."""
LOG_LIMIT = 4096
"""Bytes that it keeps."""
FIRST_PAUSE, LAST_PAUSE = 1.0, 10.0
"""Seconds between two examinations with --wait."""
_DYING = 0.3
"""Seconds in which what we have killed is gone."""


class _Command(click.Command):
    """Knows whether `--` stood there with nothing behind it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ends = args[-1:] == ["--"]
        rest = super().parse_args(ctx, args)
        if ends and not ctx.params.get("argv"):
            raise click.ClickException("preflight --: no command stands behind it")
        return rest


@click.command(
    "preflight",
    cls=_Command,
    context_settings={"allow_interspersed_args": False},
    options_metavar="[OPTIONS] [--]",
    epilog='Examples: sparkdoctor preflight -- python train.py | ENTRYPOINT ["sparkdoctor", "preflight", "--"] |'
    " sparkdoctor preflight --wait 5m",
)
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND]...")
@click.option("--profile", metavar="NAME|FILE", help="What is demanded.  [default: $SPARKDOCTOR_PROFILE, else dgx-spark]")
@click.option("--python", metavar="PATH", help="The Python whose packages are examined.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, 86400, min_open=True),
    metavar="SECONDS",
    help="Time for one examination.  [default: 10]",
)
@click.option("--ignore", multiple=True, metavar="ID", help="Leave a check out (repeatable).")
@click.option(
    "--fail-on",
    type=click.Choice(("failed", "warning", "never")),
    default="failed",
    show_default=True,
    help="The mildest result for which the command is not started.",
)
@click.option("--wait", metavar="DURATION", help="Examine again until healthy, for so long at most (90, 30s, 1.5m, 1h30m).")
def command(argv: tuple[str, ...], wait: str | None, fail_on: str, **options: Any) -> int:
    """Examine this machine, set the process up, and become COMMAND.

    With a healthy machine that is one line on stderr; then COMMAND runs in place of this process. Without COMMAND, only examine.

    SPARKDOCTOR_PREFLIGHT=warn starts COMMAND whatever is found, also where nothing can be examined (a profile that cannot be
    read), off without looking; the default is enforce.

    Exit codes: COMMAND's own; 78 it was not started, 2 wrong usage, 3 the doctor broke.
    """
    try:
        return _preflight(argv, wait, fail_on, options)
    except Exception as error:
        leave(f"sparkdoctor: {_trouble(error)}\n")
        raise


def _preflight(argv: tuple[str, ...], wait: str | None, fail_on: str, options: dict[str, Any]) -> int:
    mode = _mode()
    patience = duration(wait) if wait is not None else 0.0
    before = children()
    environment = given()
    file = _find(argv, environment)
    if mode == "off":
        return become(file, argv, environment, before) if argv else 0
    try:
        found = _healthy(_Examiner(environment, **options), fail_on, patience)
    except Exception as error:
        if mode == "enforce":
            raise
        say(f"sparkdoctor: nothing was examined, by {MODE}=warn: {_trouble(error)}")
        return become(file, argv, environment, before) if argv else 0
    if not found.refused:
        for line in found.lines(argv):
            say(line)
    else:
        conclusion = found.conclusion(argv, mode)
        _tell(found, conclusion)
        if mode == "enforce":
            leave(reasons(found.report, conclusion))
            return REFUSED
        for line in found.mended if argv else ():
            say(line)
    return become(file, argv, {**environment, **found.variables}, before) if argv else 0


# --- what is asked for


def _mode() -> str:
    mode = os.environ.get(MODE) or "enforce"
    if mode not in MODES:
        raise click.ClickException(f"{MODE}={printable(mode)}: {', '.join(MODES[:-1])} or {MODES[-1]} is due")
    return mode


def duration(text: str) -> float:
    """Seconds: `90`, `30s`, `1.5m`, `1h30m`; a usage error that shows these forms for anything else."""
    import re  # noqa: PLC0415 (only with --wait)

    number = r"(\d{1,6}(?:\.\d{1,6})?)"
    match = re.fullmatch(rf"{number}|(?:{number}h)?(?:{number}m)?(?:{number}s)?", text, re.ASCII) if text else None
    if match is None:
        raise click.ClickException(f"--wait {printable(text)}: a duration is due: 90 (seconds), 30s, 1.5m, 1h30m")
    return sum(float(value) * size for value, size in zip(match.groups(), (1, 3600, 60, 1), strict=True) if value)


def _trouble(error: Exception) -> str:
    """What went wrong, in one line."""
    if isinstance(error, click.ClickException):
        return printable(error.format_message())
    return f"the doctor broke: {type(error).__name__}: {printable(str(error))}"


def _find(argv: tuple[str, ...], environment: Mapping[str, str]) -> str:
    if not argv:
        return ""
    try:
        return find(argv[0], environment.get("PATH"))
    except CommandError as error:
        raise click.ClickException(str(error)) from None


# --- examining


class _Found(NamedTuple):
    """An examination, and what was mended for the process: in words, and the variables for the command."""

    report: Report
    refused: bool
    mended: tuple[str, ...]
    wrong: tuple[str, ...]
    variables: dict[str, str]

    def lines(self, argv: tuple[str, ...]) -> Iterator[str]:
        """What is said before the command is started, or where there is none."""
        if argv:
            yield from (*self.mended, *self.wrong)
        for result in headline.problems_of(self.report):
            remedy = result.verdict.remedy
            yield f"sparkdoctor: {result.status}: {result.id}: {_one_line(result, remedy.text if remedy else '')}"
        passed = self.report.number(Status.OK)
        yield (
            f"sparkdoctor: {printable(headline.machine_line(self.report))}: {passed} check{'s' if passed != 1 else ''} passed"
            f" in {self.report.seconds:.2f} s"
        )

    def conclusion(self, argv: tuple[str, ...], mode: str) -> str:
        """The last line where it is ill."""
        what = "nothing could be examined" if self.report.verdict == "unknown" else headline.counts(self.report)
        if not argv:
            return f"Not ready: {what} ({printable(self.report.profile)})."
        name = printable(argv[0])
        if mode == "warn":
            return f"{name} is started all the same, by {MODE}=warn: {what}."
        return f"{name} was not started: {what} ({printable(self.report.profile)}). To start it all the same: {MODE}=warn"


def _one_line(result: Result, remedy: str) -> str:
    text = f"{result.verdict.summary} → {remedy}" if remedy else result.verdict.summary
    return printable(" ".join(text.split()))


class _Examiner:
    """Examines this process, as often as it is asked to."""

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        profile: str | None,
        python: str | None,
        timeout: float | None,
        ignore: tuple[str, ...],
    ) -> None:
        from sparkdoctor import mends  # noqa: PLC0415 (where nothing is examined, nothing of it is imported)
        from sparkdoctor.cli import options  # noqa: PLC0415
        from sparkdoctor.reading import limits  # noqa: PLC0415

        self._environment = environment
        self._profile = options.load_profile(profile)
        self._python = options.find_python(python)
        self._seconds = options.seconds(timeout, deep=False)
        self._ignore = ignore
        # Before anything is asked: what these cure is then not found.
        self.raised = [str(planned) for planned in mends.raises(self._profile, limits()) if mends.perform(planned)]

    def examine(self) -> tuple[Report, dict[str, tuple[str, str]], tuple[str, ...]]:
        """A report that counts what is mended as mended, the variables to set, and what is wrong with the user's own."""
        from sparkdoctor import doctor, mends  # noqa: PLC0415
        from sparkdoctor.cli.options import know_severities  # noqa: PLC0415
        from sparkdoctor.facts import Cgroup, Exports, System  # noqa: PLC0415
        from sparkdoctor.registry import OURS, Registry  # noqa: PLC0415

        machine = self._machine(self._environment)
        machine.start((*doctor.HEADER, Exports))
        registry = Registry.load()
        know_severities(registry, self._profile)
        try:
            checks = doctor.select(registry, (), self._ignore)
        except doctor.UnknownIdError as error:
            raise click.ClickException(f"--ignore: {error}") from None
        report = doctor.diagnose(machine, registry, checks)
        exports = machine.get(Exports)
        variables = mends.variables(self._environment, exports, machine.get(Cgroup), machine.get(System))
        ill = {result.id for result in report.results if result.status in doctor.ILL}
        curable = [
            check for check in checks if check.id in ill and mends.may_cure(check, registry.owners[check.id].distribution == OURS)
        ]
        if variables and curable:
            values = {name: value for name, (value, _) in variables.items()}
            again = self._machine({**self._environment, **values})
            again.start(doctor.facts_of(curable))
            report = _merged(report, doctor.judge(again, curable), machine.elapsed())
        wrong = () if isinstance(exports, Missing) else tuple(map(str, exports.wrong.values()))
        return report, variables, wrong

    def _machine(self, environment: Mapping[str, str]) -> Any:
        from sparkdoctor.host import LocalHost  # noqa: PLC0415
        from sparkdoctor.machine import Machine  # noqa: PLC0415

        return Machine(LocalHost(self._python, environment=environment), self._profile, timeout=self._seconds)


def _merged(report: Report, again: list[Result], seconds: float) -> Report:
    """A report with the verdicts of a second look."""
    later = {result.id: result for result in again}
    results = [
        result._replace(verdict=later[result.id].verdict, fixes=result.fixes if later[result.id].status != Status.OK else ())
        if result.id in later
        else result
        for result in report.results
    ]
    return report._replace(results=tuple(results), seconds=round(seconds, 4))


def _healthy(examiner: _Examiner, fail_on: str, patience: float) -> _Found:
    """Examine until nothing is found that is to be refused, or patience is at its end."""
    from sparkdoctor.cli.check import exit_code  # noqa: PLC0415

    ends, pause, told = time.monotonic() + patience, FIRST_PAUSE, ""
    while True:
        report, variables, wrong = examiner.examine()
        refused = exit_code(report, fail_on) != 0
        left = ends - time.monotonic()
        if not refused or left <= 0:
            mended = (*examiner.raised, *(f"{name}={value}: {reason}" for name, (value, reason) in variables.items()))
            return _Found(
                report,
                refused,
                tuple(f"sparkdoctor: {printable(line)}" for line in mended),
                tuple(f"sparkdoctor: {printable(line)}" for line in wrong),
                {name: value for name, (value, _) in variables.items()},
            )
        problems = headline.problems_of(report)
        awaited = ", ".join(result.id for result in problems if fail_on == "warning" or result.status is Status.FAILED)
        awaited = awaited or ", ".join(result.id for result in problems) or "anything that can be examined"
        if awaited != told:
            say(f"sparkdoctor: waiting, for {left:.0f} s at most: {awaited}")
            told = awaited
        time.sleep(min(pause, left))
        pause = min(2 * pause, LAST_PAUSE)


# --- saying why not


def _tell(found: _Found, conclusion: str) -> None:
    """The problems for a person, as check shows them."""
    from sparkdoctor.render import terminal  # noqa: PLC0415 (rich, only where there is something to show)

    say(terminal.problems(found.report, conclusion).rstrip("\n"))


def reasons(report: Report, conclusion: str) -> str:
    """The problems in few words, the conclusion first."""
    lines = [conclusion, printable(headline.machine_line(report))]
    for result in headline.problems_of(report):
        lines.append(f"{result.status}: {result.id}: {_one_line(result, '')}")
        if remedy := result.verdict.remedy:
            lines.append(f"  → {printable(remedy.text)}" + (f" {printable(remedy.command)}" if remedy.command else ""))
    if report.verdict == "unknown":
        lines += dict.fromkeys(_one_line(result, "") for result in report.results if result.status is Status.SKIPPED)
    return "\n".join(lines) + "\n"


def cut(text: str, limit: int = LOG_LIMIT) -> bytes:
    """UTF-8 of at most `limit` bytes: whole lines, and how many are left out."""
    whole = text.encode("utf-8", "backslashreplace")
    if len(whole) <= limit:
        return whole
    lines = whole.splitlines(keepends=True)
    for kept in range(len(lines) - 1, 0, -1):
        last = f"… {len(lines) - kept} more lines: see the container's log\n".encode()
        if sum(map(len, lines[:kept])) + len(last) <= limit:
            return b"".join(lines[:kept]) + last
    return whole[: limit - 4].decode("utf-8", "ignore").encode() + "…\n".encode()


def leave(text: str) -> None:
    """Leave the reasons where Kubernetes looks for them, if it does: in a file that is there."""
    with contextlib.suppress(OSError):
        descriptor = os.open(TERMINATION_LOG, os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, cut(text))
        finally:
            os.close(descriptor)


# --- becoming the command


def children() -> set[int]:
    """The processes that are ours now; none where the kernel does not tell."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for task in os.listdir("/proc/self/task"):
            with contextlib.suppress(OSError), open(f"/proc/self/task/{task}/children", "rb") as file:
                found.update(map(int, file.read().split()))
    return found


def become(file: str, argv: tuple[str, ...], environment: Mapping[str, str], before: set[int]) -> NoReturn:
    """Run the command in place of this process. `before` are children that were there when we began: they are the command's."""
    # What a signal raises would be lost in the functions that are called now.
    came: list[int] = []
    handlers: dict[int, Any] = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if callable(handler := signal.getsignal(number)):
            handlers[number] = handler
            signal.signal(number, lambda number, _: came.append(number))
    atexit._run_exitfuncs()  # noqa: SLF001 (exec runs none of them: our children end here, and our temporary directories)
    _bury(before)
    for caught in handlers:
        signal.signal(caught, signal.SIG_DFL)  # a signal that comes later is the command's
    if came:
        handlers[came[0]](came[0], None)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(file, argv, environment)  # noqa: S606 (that is the point)
    except OSError as error:
        raise click.ClickException(f"{printable(argv[0])}: it could not be started: {error.strerror}") from None


def _bury(before: set[int]) -> None:
    """End what a check has left running, and wait for what is dead: as process 1 we have the orphans of others, too."""
    ends = time.monotonic() + _DYING
    while left := children() - before:
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError, ChildProcessError):
                if os.getsid(pid) == os.getsid(0):  # not what was started beside us in our container
                    os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, os.WNOHANG)
        if time.monotonic() > ends:
            return
        time.sleep(0.005)
