"""`sparkdoctor smoke`."""

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any, Self

import click
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from sparkdoctor import process
from sparkdoctor.cli import NO_VERDICT, Broke, emit, say
from sparkdoctor.cli.options import find_file, find_python, load_profile, profile_option, watching
from sparkdoctor.facts import gib
from sparkdoctor.files import without_waiting
from sparkdoctor.host import LocalHost
from sparkdoctor.machine import Machine
from sparkdoctor.profiles import Profile
from sparkdoctor.query import LIMIT, Query, read
from sparkdoctor.render import printable
from sparkdoctor.render import smoke as render
from sparkdoctor.smoke.examination import POST_MORTEM, Outcome, Wish, examine, examine_output
from sparkdoctor.smoke.kernels import check_kernels
from sparkdoctor.smoke.run import Moment

_CODES = {"believed": 0, "refused": 1, "unknown": NO_VERDICT}
_SECONDS, _KERNEL_SECONDS = 1800.0, 600.0
_LOOKING = 60.0
"""Seconds for what is looked up before and after a prediction."""


@click.command(
    "smoke",
    epilog="Examples: sparkdoctor smoke | sparkdoctor smoke --kernels | sparkdoctor smoke --judge predictions/",
)
@click.option("--weights", metavar="PATH", help="The checkpoint, instead of the one that OpenFold3 would find by itself.")
@click.option("--runner-yaml", metavar="FILE", help="Settings for OpenFold3, as its own --runner-yaml.")
@click.option("--output", metavar="DIR", help="Where to write, and keep, the prediction: a new or an empty directory.")
@click.option("--samples", type=click.IntRange(1, 1000), metavar="N", help="Structures to predict.  [default: 1]")
@click.option(
    "--timeout",
    type=click.FloatRange(0, 86400, min_open=True),
    metavar="SECONDS",
    help=f"After that the run is killed.  [default: {_SECONDS:g}; kernels: {_KERNEL_SECONDS:g}]",
)
@click.option("--kernels", is_flag=True, help="Compare the attention kernels with float64 instead; needs no weights.")
@click.option("--judge", metavar="DIR", help="Judge what a prediction has written before, here or elsewhere.")
@click.option("--query", metavar="FILE", help="With --judge: what was predicted, where it was not ubiquitin.")
@profile_option
@click.option("--python", metavar="PATH", help="The Python that has OpenFold3.")
@click.option(
    "--format", "form", type=click.Choice(("terminal", "json")), default="terminal", show_default=True, help="How to report."
)
def command(**options: Any) -> int:
    """Predict ubiquitin with the installed OpenFold3, and judge the structure; nothing is downloaded or asked.

    Exit codes: 0 the prediction can be believed, 1 it cannot, 2 wrong usage, 3 it could not be judged.
    """
    _sensible(options)
    for name in ("weights", "runner_yaml", "output", "judge", "query"):
        options[name] = options[name] and os.path.expanduser(options[name])  # a shell leaves --output=~/here as it is
    began = time.monotonic()
    if options["kernels"]:
        return _kernels(options, began)
    if options["judge"] is not None:
        place = os.path.abspath(options["judge"])
        if not os.path.isdir(place):
            raise click.ClickException(f"--judge {options['judge']}: no such directory")
        outcome = examine_output(place, _queries(options["query"]))
        return _report(outcome, "judge", options["form"], began, kept=False)
    return _predict(options, began)


def _sensible(options: dict[str, Any]) -> None:
    """Refuse options that do not go together.

    Raises:
        click.ClickException: they do not.
    """
    given = [name for name in ("weights", "runner_yaml", "output", "samples", "timeout", "python") if options[name] is not None]
    for mode, fitting in (("judge", ()), ("kernels", ("timeout", "python"))):
        chosen = options[mode] is not None and options[mode] is not False
        wrong = [name for name in given if name not in fitting]
        if chosen and wrong:
            raise click.ClickException(f"--{wrong[0].replace('_', '-')} does not go with --{mode}")
    if options["kernels"] and options["judge"] is not None:
        raise click.ClickException("--kernels does not go with --judge")
    if options["query"] is not None and options["judge"] is None:
        raise click.ClickException("--query goes with --judge: what is predicted here is ubiquitin")


def _queries(path: str | None) -> tuple[Query, ...] | None:
    if path is None:
        return None
    file = find_file("--query", path)
    assert file is not None  # noqa: S101 (for the type checker)
    try:
        with open(file, "rb", opener=without_waiting) as stream:
            found = read(stream.read(LIMIT + 1))
    except OSError as error:
        raise click.ClickException(f"--query {path}: {error.strerror}") from None
    if wrong := [problem for problem in found.problems if problem.fatal]:
        again = f"sparkdoctor check query-invalid --query {path}"
        raise click.ClickException(f"--query {path}: {wrong[0].where}: {wrong[0].text}; see {again}")
    return found.queries


def _kernels(options: dict[str, Any], began: float) -> int:
    profile = load_profile(options["profile"])
    with watching(deep=True, title="kernels") as watch:
        report = check_kernels(find_python(options["python"]), profile, options["timeout"] or _KERNEL_SECONDS, watch)
    if options["form"] == "json":
        emit(render.as_json(render.kernel_document(report, time.monotonic() - began)))
    else:
        emit(render.shown_kernels(report))
    return _CODES[report.verdict]


def _predict(options: dict[str, Any], began: float) -> int:
    profile = load_profile(options["profile"])
    options["runner_yaml"] = find_file("--runner-yaml", options["runner_yaml"])
    if options["weights"] is not None and not os.path.isdir(options["weights"]):  # DeepSpeed's checkpoints are directories
        find_file("--weights", options["weights"])
    options["weights"] = options["weights"] and os.path.abspath(options["weights"])
    process.adopt()  # what OpenFold3 leaves behind becomes ours, and is ended
    with _directory(options["output"]) as place:
        outcome = _examined(options, profile, place.path)
        place.keep = place.keep or outcome.verdict == "refused"
        return _report(outcome, "predict", options["form"], began, kept=place.keep and bool(outcome.output))


def _examined(options: dict[str, Any], profile: Profile, output: str) -> Outcome:
    limit = options["timeout"] or _SECONDS
    profile = profile._replace(openfold3=profile.openfold3._replace(required=True))  # whatever else it asks for
    host = LocalHost(find_python(options["python"]), runner_yaml=options["runner_yaml"])
    # A machine keeps a part of its time for whoever judges; the prediction has its own.
    machine = Machine(host, profile, timeout=limit + 2 * POST_MORTEM + _LOOKING)
    wish = Wish(output, options["weights"], options["runner_yaml"], options["samples"] or 1, limit, options["python"])
    try:
        with _Display() as display:
            return examine(machine, wish, display.show)
    except OSError as error:
        raise Broke(f"{error.filename or output}: {error.strerror or error}") from None


class _Place:
    """An output directory, and whether it stays."""

    def __init__(self, path: str, *, keep: bool) -> None:
        self.path, self.keep = path, keep


@contextlib.contextmanager
def _directory(wanted: str | None) -> Iterator[_Place]:
    """The user's directory, which must be new or empty; else one of ours, which stays only for what cannot be believed."""
    if wanted is not None:
        path = os.path.abspath(wanted)
        if os.path.lexists(path) and (not os.path.isdir(path) or os.listdir(path)):
            raise click.ClickException(
                f"--output {wanted}: it is there and not empty; what lies in it could be taken for the result"
            )
        yield _Place(path, keep=True)
        return
    place = _Place(tempfile.mkdtemp(prefix="sparkdoctor-smoke-"), keep=False)
    try:
        yield place
    finally:
        if not place.keep:
            shutil.rmtree(place.path, ignore_errors=True)


def _report(outcome: Outcome, mode: str, form: str, began: float, *, kept: bool) -> int:
    if form == "json":
        emit(render.as_json(render.document(outcome, mode, time.monotonic() - began, kept)))
    else:
        emit(render.shown(outcome, kept))
    return _CODES[outcome.verdict]


class _Display:
    """Where the run is: on a terminal a line that changes, else a line for each stage; on stderr."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._spinner = Spinner("dots")
        self._said: set[str] = set()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if sys.stderr and sys.stderr.isatty() and not self._console.is_dumb_terminal:
            self._live = Live(self._spinner, console=self._console, transient=True, redirect_stdout=False, redirect_stderr=False)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, moment: Moment) -> None:
        """Take a moment."""
        if self._live:
            lines = [f"ubiquitin, {moment.seconds:.0f} s: {moment.stage}" + (f", {moment.detail}" if moment.detail else "")]
            lines += [f"  memory: {used}"] if (used := _memory(moment)) else []
            self._spinner.update(text=Text(printable("\n".join(lines)), overflow="ellipsis", no_wrap=True))
            return
        compiling = moment.detail if moment.detail.startswith("compiling") else ""
        words = f"{moment.stage}, {compiling}" if compiling else moment.stage
        if words not in self._said:
            self._said.add(words)
            used = _memory(moment)
            say(f"{moment.seconds:7.1f} s  {printable(words)}" + (f"  ({used})" if used else ""))


def _memory(moment: Moment) -> str:
    parts = [f"{gib(moment.tree)} in its processes"] if moment.tree is not None else []
    parts += [f"{gib(moment.used)} of {gib(moment.total)} on the machine"] if moment.used is not None and moment.total else []
    return ", ".join(parts)
