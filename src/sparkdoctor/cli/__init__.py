"""The command line: the only part that prints and exits. One module a command, imported when it is called."""

import contextlib
import gc
import importlib
import os
import signal
import sys
from typing import Any, NoReturn

import click

from sparkdoctor import __version__

UNUSABLE = 2
"""Exit code for wrong usage: an option, a profile, a tape or an id that cannot be used."""
NO_VERDICT = 3
"""Exit code where nothing was examined or the doctor itself broke."""
_COMMANDS = {
    "check": "Examine this machine.",
    "triage": "Say what an error log means, and what to do.",
    "fix": "Mend what the checks find; shown first, checked afterwards.",
    "undo": "Take a treatment back.",
    "preflight": "Examine this machine, then become a command: a container's ENTRYPOINT.",
    "build": "Run a build inside the memory there is.",
    "smoke": "Predict ubiquitin with OpenFold3, and judge it.",
    "list": "List all checks, fixes and signatures of logs.",
    "explain": "Explain one of them: what it wants, why, from what source.",
    "record": "Write down what this machine says, for a replay elsewhere.",
    "env": "Print what to export for this machine.",
}


class _Commands(click.Group):
    """Imports a command's module only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        found: click.Command = importlib.import_module(f"sparkdoctor.cli.{cmd_name}").command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: sparkdoctor check",
)
@click.version_option(__version__, prog_name="sparkdoctor")
def group() -> None:
    """The environment doctor for NVIDIA DGX Spark: CUDA, PyTorch, Triton, DeepSpeed, OpenFold3.

    Exit codes: 0 nothing at or above --fail-on, 1 something was, 2 wrong usage, 3 no verdict.
    """


def main() -> NoReturn:
    """Run a command and exit with a code of the contract; never a traceback."""
    gc.disable()  # a tenth of a second leaves nothing worth collecting, and the collector costs a twentieth of it
    _open_standard_streams()
    _end_on_signals()
    try:
        code = _run()
    except OSError as error:  # a disk that is full
        code = NO_VERDICT
        say(f"sparkdoctor could not finish: {error}")
    except Exception as error:
        code = NO_VERDICT
        if str(error) == "can't start new thread":  # Python has no kind of error of its own for this
            say("sparkdoctor could not finish: no thread can be started (the limit on processes: ulimit -u, --pids-limit)")
        else:
            say(f"sparkdoctor broke: {type(error).__name__}: {error}\nPlease report this bug, with a tape (sparkdoctor record).")
        if os.environ.get("SPARKDOCTOR_DEBUG"):
            raise
    _quiet_exit()
    gc.freeze()  # or Python would look through all that there is for cycles as it ends, for a twentieth of a check
    sys.exit(code)


def _run() -> int:
    try:
        code = group.main(prog_name="sparkdoctor", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        say(error.format_message())
        return UNUSABLE
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        say((f"{context.get_usage()}\n" if context else "") + f"sparkdoctor: {error.format_message()}")
        return error.exit_code if isinstance(error, Broke) else UNUSABLE
    except (click.Abort, KeyboardInterrupt):
        return 128 + signal.SIGINT
    except click.exceptions.Exit as error:
        return error.exit_code
    return code if isinstance(code, int) else 0


def _open_standard_streams() -> None:
    """A closed standard stream would be taken by the next file that is opened, and children would write into that."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _end_on_signals() -> None:
    """End in good order, children and temporary directories too; under nohup, SIGHUP stays ignored.

    Once: another Ctrl-C while we clean up must not keep us from it.
    """
    usual = (signal.SIG_DFL, signal.default_int_handler)
    numbers = [number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) in usual]

    def end(number: int, _: object) -> NoReturn:
        for other in numbers:
            signal.signal(other, lambda *_: None)  # SIG_IGN would complain of one that has come already
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    with contextlib.suppress(ValueError):  # not in the main thread
        for number in numbers:
            signal.signal(number, end)


class Broke(click.ClickException):
    """The doctor could not finish, through no fault of the command line."""

    exit_code = NO_VERDICT


def say(text: str) -> None:
    """A line for the person, on stderr. Where it cannot be said, on a full disk, that is no reason to end."""
    with contextlib.suppress(OSError):
        _write(sys.stderr, text + "\n")


def emit(text: str) -> None:
    """The result, on stdout. A reader who has gone (`| head`) is no error."""
    _write(sys.stdout, text)


_PLAIN = str.maketrans(
    {
        "✓": "+",
        "✗": "x",
        "→": ">",
        "×": "x",
        "…": "...",
        "│": "|",
        "·": "-",
        "–": "-",
        "•": "*",
        "Å": "A",
        "α": "A",
        "↳": ">",
        "“": '"',
        "”": '"',
    }
)


def _write(stream: Any, text: str) -> None:
    if stream is None:  # closed before we started
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        text = text.translate(_PLAIN).encode("ascii", "replace").decode("ascii")
    with contextlib.suppress(BrokenPipeError):
        stream.write(text)
        stream.flush()


def _quiet_exit() -> None:
    """What is left in a closed pipe's buffer must not complain when Python ends."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
