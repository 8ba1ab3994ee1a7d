"""`sparkdoctor triage`."""

import os
import shlex
import signal
import sys
from typing import Any

import click

from sparkdoctor import doctor
from sparkdoctor.building import past
from sparkdoctor.cli import NO_VERDICT, Broke, emit, say
from sparkdoctor.cli.check import FORMATS, reached, save
from sparkdoctor.cli.options import examination, find_python, know_severities, load_profile, seconds, watching
from sparkdoctor.command import CommandError, NotStartedError, find, given
from sparkdoctor.host import LocalHost
from sparkdoctor.machine import Machine
from sparkdoctor.registry import Registry
from sparkdoctor.render import printable
from sparkdoctor.render import triage as render
from sparkdoctor.triage.finding import Log
from sparkdoctor.triage.listen import listen
from sparkdoctor.triage.reader import Reader

BUILDS = "build-jobs-unbounded"
"""The check that goes with builds which memory has ended: what `sparkdoctor build` has seen goes with it."""
_CHUNK = 1 << 20
_KILLED = 128
"""What shells add to the number of the signal that has ended a command."""


class _Triage(click.Command):
    """What stands behind `--` is a command, whatever it looks like."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            at = args.index("--")
            ctx.meta[__name__] = tuple(args[at + 1 :])
            args = args[:at]
        return super().parse_args(ctx, args)


@click.command(
    "triage",
    cls=_Triage,
    options_metavar="[OPTIONS]",
    epilog="Examples: sparkdoctor triage run.log | kubectl logs job/predict | sparkdoctor triage |"
    " sparkdoctor triage -- run_openfold predict --query-json my.json --output-dir out",
)
@click.argument("file", required=False, type=click.Path(), metavar="[FILE] [-- COMMAND...]")
@examination
@click.option("--no-check", is_flag=True, help="Do not look whether this machine has what was found.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="terminal", show_default=True, help="How to report.")
@click.option("--output", type=click.Path(), metavar="FILE", help="Write the report there.")
@click.option(
    "--fail-on",
    type=click.Choice(("failed", "warning", "never")),
    default="warning",
    show_default=True,
    help="The mildest finding that makes the exit code 1.",
)
def command(file: str | None, no_check: bool, form: str, output: str | None, fail_on: str, **options: Any) -> int:
    """Say what an error log means, which error caused the others, and what to do.

    The log is a FILE, stdin, or what COMMAND prints, which is passed on as it comes. Then the checks that go with it are made
    on this machine.

    Exit codes: 0 nothing known was found (a COMMAND's own status where it failed), 1 something was, 2 wrong usage, 3 there was
    nothing to read.
    """
    argv: tuple[str, ...] | None = click.get_current_context().meta.get(__name__)
    profile = load_profile(options["profile"])
    python = find_python(options["python"])
    limit = seconds(options["timeout"], deep=options["deep"])
    registry = Registry.load(signatures=True)
    know_severities(registry, profile)
    reader = Reader(registry.signatures.values())
    status = 0
    if argv is None:
        source = _read(file, reader)
    elif file is not None:
        raise click.ClickException("a FILE or a COMMAND is due, not both")
    else:
        source, status = _run(argv, reader, aside=form != "terminal" and output is None)
    log = reader.close()
    if not log.size and argv is None:
        say(f"sparkdoctor: {source}: it is empty: there is nothing to say of it")
        return NO_VERDICT
    log = log._replace(problems=(*(problem.verdict.summary for problem in registry.problems), *log.problems))
    report, names = None, _checks(log, registry)
    if names and not no_check:
        with watching(deep=options["deep"]) as watch:
            machine = Machine(LocalHost(python, watch), profile, timeout=limit, deep=options["deep"])
            report = doctor.diagnose(machine, registry, doctor.select(registry, names))
    built = past.told() if BUILDS in names and not no_check else None
    fixes = {name: tuple(fix.id for fix in doctor.fixes_for(registry, name)) for name in names}
    told = render.Told(source, log, report, argv, status, fixes, built)
    text = render.FORMS[form](told, to_file=output is not None)
    if output is not None:
        save(output, text)
    elif argv is not None and form == "terminal":
        say(text.rstrip("\n"))  # stdout is the command's
    else:
        emit(text)
    return 1 if reached(log.verdict, fail_on) else status if status >= 0 else _KILLED - status


_PACKED = {b"\x1f\x8b": "zcat", b"\x28\xb5\x2f\xfd": "zstdcat", b"\xfd7zXZ": "xzcat", b"BZh": "bzcat"}
"""How packed files begin, and what unpacks them."""


def _read(file: str | None, reader: Reader) -> str:
    """Read a log to its end; its name."""
    if file in (None, "-"):
        stream = getattr(sys.stdin, "buffer", None)
        if stream is None:
            raise click.ClickException("stdin is closed: name a FILE")
        if stream.isatty():
            say("Paste the log, then press Enter and Ctrl-D.")
        while data := stream.read1(_CHUNK):
            reader.feed(data)
        return "stdin"
    assert file is not None  # noqa: S101 (for the type checker)
    if os.path.isdir(file):
        raise click.ClickException(f"{file}: a file is due, this is a directory")
    try:
        with open(file, "rb", buffering=0) as log:
            data = log.read(_CHUNK)
            if tool := next((tool for mark, tool in _PACKED.items() if data.startswith(mark)), None):
                raise click.ClickException(f"{printable(file)} is packed: {tool} {shlex.quote(file)} | sparkdoctor triage")
            while data:
                reader.feed(data)
                data = log.read(_CHUNK)
    except FileNotFoundError:
        raise click.ClickException(f"{file}: no such file (a command stands behind --)") from None
    except OSError as error:
        raise Broke(f"{file}: {error.strerror}") from None
    return file


def _run(argv: tuple[str, ...], reader: Reader, *, aside: bool) -> tuple[str, int]:
    """Run a command and read along; its name and status. With `aside`, what it prints to stdout goes to stderr too."""
    if not argv:
        raise click.ClickException("a command is due: sparkdoctor triage -- COMMAND...")
    environment = given()
    try:
        file = find(argv[0], environment.get("PATH"))
        status = listen(file, argv, environment, reader.feed, out=2 if aside else 1)
    except CommandError as error:
        raise click.ClickException(str(error)) from None
    except NotStartedError as error:
        raise click.ClickException(f"{printable(argv[0])}: it could not be started: {error.strerror}") from None
    if status < 0:
        reader.feed(f"{signal.strsignal(-status) or f'Signal {-status}'}\n".encode())  # as a shell would have said
    return argv[0], status


def _checks(log: Log, registry: Registry) -> list[str]:
    """The checks that go with what was found, those of the root cause first."""
    names = dict.fromkeys(name for finding in log.ills for name in finding.signature.checks)
    return [name for name in names if name in registry.checks]  # a plugin may name what is not installed
