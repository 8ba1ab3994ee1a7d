"""`sparkdoctor check`."""

import importlib
from typing import Any

import click

from sparkdoctor import doctor
from sparkdoctor.cli import NO_VERDICT, Broke, emit
from sparkdoctor.cli.options import (
    complete_ids,
    examination,
    find_file,
    find_python,
    know_severities,
    load_profile,
    openfold,
    seconds,
    watching,
)
from sparkdoctor.host import Host, LocalHost, Watch
from sparkdoctor.machine import Machine
from sparkdoctor.model import Report
from sparkdoctor.registry import Registry

FORMATS = ("terminal", "json", "junit", "markdown")


@click.command(
    "check",
    epilog="Examples: sparkdoctor check | sparkdoctor check --profile hopper --format json | sparkdoctor check shm-too-small |"
    " sparkdoctor check query-invalid --query my.json",
)
@click.argument("ids", nargs=-1, metavar="[IDS]...", shell_complete=complete_ids)
@examination
@openfold
@click.option("--replay", type=click.Path(), metavar="TAPE", help="Examine a recorded machine instead of this one.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="terminal", show_default=True, help="How to report.")
@click.option("--output", type=click.Path(), metavar="FILE", help="Write the report there instead of stdout.")
@click.option("--ignore", multiple=True, metavar="ID", shell_complete=complete_ids, help="Leave a check out (repeatable).")
@click.option(
    "--fail-on",
    type=click.Choice(("failed", "warning", "never")),
    default="failed",
    show_default=True,
    help="The mildest result that makes the exit code 1.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show every check, those that passed too.")
def command(ids: tuple[str, ...], ignore: tuple[str, ...], form: str, output: str | None, fail_on: str, **options: Any) -> int:
    """Examine this machine, or only what IDS name; nothing is changed.

    Exit codes: 0 nothing at or above --fail-on, 1 something was, 2 wrong usage, 3 no verdict.
    """
    deep, verbose, asked = options["deep"], options.pop("verbose"), options["query"] is not None
    profile = load_profile(options["profile"])
    with watching(deep=(deep or asked) and options["replay"] is None, title="deep checks" if deep else "query") as watch:
        host = _host(watch, **{name: options[name] for name in ("replay", "python", "query", "runner_yaml")})
        machine = Machine(host, profile, timeout=seconds(options["timeout"], deep=deep, query=asked), deep=deep)
        # What takes longest is begun first: plugins and the renderer are loaded while the answers come in.
        machine.start(doctor.HEADER)
        registry = Registry.load()
        know_severities(registry, profile)
        try:
            checks = doctor.select(registry, ids, ignore)
        except doctor.UnknownIdError as error:
            raise click.ClickException(str(error)) from None
        machine.start(doctor.facts_of(checks))
        render = importlib.import_module(f"sparkdoctor.render.{form}").render
        report = doctor.diagnose(machine, registry, checks)
    if output is None:
        emit(render(report, verbose=verbose, to_file=False))
    else:
        save(output, render(report, verbose=verbose, to_file=True))
    return exit_code(report, fail_on)


def exit_code(report: Report, fail_on: str) -> int:
    """0, 1 or 3, as the contract says; the same in every format."""
    if report.verdict == "unknown":
        return NO_VERDICT
    return int(reached(report.verdict, fail_on))


def reached(verdict: str, fail_on: str) -> bool:
    """Whether a verdict is at or above what --fail-on names."""
    return verdict in {"failed": ("failed",), "warning": ("failed", "warning"), "never": ()}[fail_on]


def _host(watch: Watch | None, *, replay: str | None, **named: str | None) -> Host:
    """This machine with what the user named of it, or a recorded one."""
    if replay is None:
        query, runner = find_file("--query", named["query"]), find_file("--runner-yaml", named["runner_yaml"])
        return LocalHost(find_python(named["python"]), watch, query=query, runner_yaml=runner)
    for name in [name for name, value in named.items() if value is not None]:
        option = f"--{name.replace('_', '-')}"
        raise click.ClickException(f"{option} cannot change what is on a tape: leave it out with --replay")
    from sparkdoctor import tape  # noqa: PLC0415 (only for a replay)

    try:
        return tape.Player(tape.load(replay))
    except tape.TapeError as error:
        raise click.ClickException(str(error)) from None


def save(path: str, text: str) -> None:
    """Write a report to the file that the user named."""
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Broke(f"{path}: {error.strerror}") from None
