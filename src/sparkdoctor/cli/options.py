"""What commands share: options, the machine they make, completion of ids."""

import math
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import click

from sparkdoctor import doctor, process, profiles
from sparkdoctor.host import Watch
from sparkdoctor.registry import Registry

QUICK_SECONDS, DEEP_SECONDS = 10.0, 300.0
QUERY_SECONDS = 120.0
"""With a query: where OpenFold3's parser cannot be imported by itself, all of OpenFold3 is."""


def complete_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Shell completion: the ids of all checks."""
    return [name for name in Registry.load().checks if name.startswith(incomplete)]


PROFILE = "SPARKDOCTOR_PROFILE"
"""The variable that names the profile where no option does: an image demands the same of each of its commands."""
profile_option = click.option(
    "--profile", metavar="NAME|FILE", help=f"What is demanded.  [default: ${PROFILE}, else {profiles.DEFAULT}]"
)
_PYTHON = click.option("--python", metavar="PATH", help="The Python whose packages are examined.")
_DEEP = click.option("--deep", is_flag=True, help="Also do real work in that Python: import, compile, launch, compare.")


def _timeout(default: str) -> Callable[[Callable[..., Any]], Any]:
    return click.option(
        "--timeout",
        type=click.FloatRange(0, 86400, min_open=True),
        metavar="SECONDS",
        help=f"Time for everything.  [default: {default}]",
    )


def examination(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of commands that examine a machine."""
    timed: Callable[..., Any] = _timeout(f"{QUICK_SECONDS:g}; deep: {DEEP_SECONDS:g}")(command)
    return profile_option(_PYTHON(_DEEP(timed)))


def openfold(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name a user's files for OpenFold3."""
    query = click.option("--query", metavar="FILE", help="A query (JSON) for OpenFold3 to examine too; --timeout is then 120.")
    runner: Callable[..., Any] = click.option("--runner-yaml", metavar="FILE", help="The runner YAML that goes with it.")(command)
    return query(runner)


def quick(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of commands that look, and do no deep work."""
    timed: Callable[..., Any] = _timeout(f"{QUICK_SECONDS:g}")(command)
    return profile_option(_PYTHON(timed))


def load_profile(name: str | None) -> profiles.Profile:
    """The profile of the option, else of the variable, else the default; or a usage error that names file, line and key."""
    source = "" if name is not None else os.environ.get(PROFILE, "")
    try:
        return profiles.load(source or (profiles.DEFAULT if name is None else name))
    except profiles.ProfileError as error:
        raise click.ClickException(f"${PROFILE}: {error}" if source else str(error)) from None


def know_severities(registry: Registry, profile: profiles.Profile) -> None:
    """A usage error where the profile sets the severity of a check that there is not."""
    try:
        doctor.know(registry, profile.severity)
    except doctor.UnknownIdError as error:
        raise click.ClickException(f"profile {profile.name}: severity: {error}") from None


def find_python(path: str | None) -> str | None:
    """The interpreter that the user named; a bare name is looked for on PATH."""
    if path is None:
        return None
    import shutil  # noqa: PLC0415 (click has it loaded)

    found = shutil.which(path)
    if found is None:
        raise click.ClickException(f"--python {path}: no such interpreter")
    return os.path.abspath(found)


def find_file(option: str, path: str | None) -> str | None:
    """The absolute path of a file that the user named, or a usage error that says why it cannot be read."""
    if path is None:
        return None
    if os.path.isdir(path):
        raise click.ClickException(f"{option} {path}: a file is due, this is a directory")
    if not os.path.isfile(path):
        raise click.ClickException(f"{option} {path}: " + ("not a file" if os.path.exists(path) else "no such file"))
    if not os.access(path, os.R_OK):
        raise click.ClickException(f"{option} {path}: it may not be read")
    return os.path.abspath(path)


def watching(*, deep: bool, title: str = "deep checks") -> AbstractContextManager[Watch | None]:
    """Sees to it that deep work leaves nothing behind, and shows it while it goes on where there is somebody to see it."""
    if not deep:
        return nullcontext()
    process.adopt()
    from sparkdoctor.cli.progress import Progress  # noqa: PLC0415 (rich's live display, for deep work alone)

    return Progress(title)


def seconds(timeout: float | None, *, deep: bool, query: bool = False) -> float:
    """The time for everything."""
    if timeout is not None and math.isnan(timeout):
        raise click.ClickException("--timeout nan: a number of seconds is due")
    if timeout is not None:
        return timeout
    return DEEP_SECONDS if deep else QUERY_SECONDS if query else QUICK_SECONDS
