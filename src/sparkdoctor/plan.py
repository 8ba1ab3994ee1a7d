"""What a fix would do: steps as data, each of which can be shown, performed once and taken back."""

from collections.abc import Iterator
from types import UnionType
from typing import Any

from sparkdoctor.record import NamedTuple


class WriteFile(NamedTuple):
    """Create or replace a text file. `before` is what it holds now, None where there is none.

    A file that is replaced keeps its mode and owner; a new one gets `mode`.
    """

    path: str
    text: str
    before: str | None = None
    mode: int = 0o644


class RemoveFile(NamedTuple):
    """Remove a file that holds `before` and was last modified at `modified` (seconds of the epoch)."""

    path: str
    before: str
    modified: int


class Move(NamedTuple):
    """Rename a file or directory within its file system; nothing may lie at `to`."""

    path: str
    to: str


class SetMode(NamedTuple):
    """Change the permission bits of a file or directory."""

    path: str
    mode: int
    before: int


class MakeDirectory(NamedTuple):
    """Make a directory. Taken back, it is removed; with all that came into it where it is there to be `filled`."""

    path: str
    mode: int = 0o755
    filled: bool = False


class Run(NamedTuple):
    """Run a command, never through a shell, for `seconds` at most; `env` is added to the environment.

    `why` says what it is for. `undo` is the command that takes it back, empty where there is nothing to take back and None
    where that cannot be done.
    """

    argv: tuple[str, ...]
    why: str
    undo: tuple[str, ...] | None = None
    seconds: float = 600.0
    env: tuple[tuple[str, str], ...] = ()


class Work(NamedTuple):
    """Run one of our scripts (`patient/NAME.py`) in another interpreter, to fill a directory.

    That is one that an earlier step has made to be filled, or `fills`: what comes into that meanwhile is taken away again where
    the step is taken back, what lay there before stays. The script is shown while it goes on, and ended where less than
    `reserve` bytes of memory are left to the machine. The step fails where a step of the script does. It leaves nothing else
    behind that would have to be taken back.
    """

    python: str
    name: str
    args: tuple[str, ...]
    why: str
    seconds: float = 3600.0
    env: tuple[tuple[str, str], ...] = ()
    reserve: int = 0
    fills: str | None = None


Step = WriteFile | RemoveFile | Move | SetMode | MakeDirectory | Run | Work


class Plan(NamedTuple):
    """What to do, in order.

    `notes` are what else a user should know before saying yes. `environment` is what a file that it writes sets (None: unsets)
    for the programs that read it: the cure is looked for with these variables. `cures` narrows what the fix promises to what
    this plan will cure; empty where that is all of it that was ill. `then` is the command by which the user makes it take effect.
    """

    summary: str
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()
    environment: tuple[tuple[str, str | None], ...] = ()
    cures: tuple[str, ...] = ()
    then: str | None = None


class Refused(NamedTuple):
    """Why a fix will not touch what it found, with what the user can do instead."""

    reason: str
    command: str | None = None


class NotNeeded(NamedTuple):
    """Why there is nothing to do; `command` is what the user still has to do, where that is so."""

    reason: str
    command: str | None = None


Answer = Plan | Refused | NotNeeded


def flaw(answer: Any) -> str:
    """What makes a stranger's answer none that can be shown and performed; empty where nothing does."""
    if not isinstance(answer, Plan | Refused | NotNeeded):
        return f"{type(answer).__name__} and no plan"
    return next(_flaws(type(answer).__name__, answer, type(answer)), "")


def _flaws(name: str, value: Any, hint: Any) -> Iterator[str]:
    """Where a value is not of its declared type, or a text that no file system and no command can take."""
    from typing import get_args, get_type_hints  # noqa: PLC0415 (only where a fix is asked)

    kinds = get_args(hint)
    if hasattr(hint, "_fields") and isinstance(value, hint):
        for field, kind in get_type_hints(hint).items():
            yield from _flaws(f"{name}.{field}", getattr(value, field), kind)
    elif isinstance(hint, UnionType):
        kind = type(value) if type(value) in kinds else next((one for one in kinds if get_args(one)), None)
        yield from _flaws(name, value, kind) if kind else (f"{name} of type {type(value).__name__}",)
    elif kinds and isinstance(value, tuple) and (kinds[-1] is Ellipsis or len(kinds) == len(value)):
        for number, one in enumerate(value):
            yield from _flaws(f"{name}[{number}]", one, kinds[0] if kinds[-1] is Ellipsis else kinds[number])
        if name.endswith(".argv") and not value:
            yield f"{name} without a command"
    elif kinds or not isinstance(value, (int, float) if hint is float else hint):
        yield f"{name} of type {type(value).__name__}"
    elif isinstance(value, str) and (_unwritable(value) or ("\0" in value and not name.endswith((".text", ".before")))):
        yield f"{name} with characters that cannot be written"


def _unwritable(text: str) -> bool:
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return True
    return False


def shown(step: Step) -> str:
    """A step as text: what would be typed, or a unified diff."""
    from shlex import join, quote  # noqa: PLC0415 (only where a plan is shown)

    match step:
        case WriteFile(path, text, before):
            return _diff(path if before is not None else "/dev/null", path, before or "", text)
        case RemoveFile(path):
            return f"rm {quote(path)}"
        case Move(path, to):
            return f"mv {quote(path)} {quote(to)}"
        case SetMode(path, mode, before):
            return f"chmod {mode:04o} {quote(path)}  # was {before:04o}"
        case MakeDirectory(path, mode):
            return f"mkdir -m {mode:04o} {quote(path)}"
        case Run(argv, _, _, _, env):
            return " ".join((*(f"{name}={quote(value)}" for name, value in env), join(argv)))
        case Work(python, name, args, _, _, env):
            return " ".join((*(f"{name}={quote(value)}" for name, value in env), join((python, f"{name}.py", *args))))


def _diff(old_path: str, new_path: str, old: str, new: str) -> str:
    from difflib import unified_diff  # noqa: PLC0415

    lines = unified_diff(old.splitlines(keepends=True), new.splitlines(keepends=True), old_path, new_path)
    whole = "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
    return whole.removesuffix("\n")
