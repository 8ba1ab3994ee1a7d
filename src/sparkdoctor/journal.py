"""What a treatment does, on disk before it does it.

A treatment is a directory. Each of its steps has a record `0000.do`, written before the step is begun, with all that it takes to
take the step back, `0000.saved` with the content of the file that it replaces, and afterwards `0000.done`. When the step was
taken back, its record is renamed to `0000.undone`, which takes no room on a full disk. A record is complete or not there,
whenever we are killed; one that is neither was damaged by somebody else, and its first line, a SHA-256, tells.
"""

import contextlib
import fcntl
import json
import os
import re
import stat
import time
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, NamedTuple

from sparkdoctor.files import fill, sync

VARIABLE = "SPARKDOCTOR_STATE"
_ID = re.compile(r"[1-9]\d{0,8}")
_RECORD = re.compile(r"(\d{4})\.(do|done|undone|saved)")


class Busy(Exception):  # noqa: N818 (it is an answer, not an accident)
    """Another treatment is going on."""


class Unsafe(Exception):  # noqa: N818
    """There is no place for a journal, or others could write what we would believe."""


class Record(NamedTuple):
    """A step of a treatment. `about` is what was written down of it; `damage` says why that cannot be read."""

    number: int
    about: dict[str, Any]
    done: dict[str, Any] | None
    undone: bool
    damage: str = ""

    @property
    def fix(self) -> str:
        """The fix that it belongs to."""
        return str(self.about.get("fix", "?"))

    @property
    def paths(self) -> tuple[str, ...]:
        """What it has changed."""
        return tuple(str(self.about[name]) for name in ("path", "to") if name in self.about)


class Entry(NamedTuple):
    """A treatment at a glance.

    `began` in UTC, by the clock of then; `state` is done, undone, interrupted or damaged, of which `note` tells.
    """

    id: str
    began: str
    fixes: tuple[str, ...]
    steps: int
    state: str
    note: str = ""


def place() -> str:
    """Where treatments are written down: $SPARKDOCTOR_STATE, else sparkdoctor below $XDG_STATE_HOME or ~/.local/state.

    Source: XDG Base Directory Specification (a relative path is to be ignored).

    Raises:
        Unsafe: there is no home directory.
    """
    if own := os.environ.get(VARIABLE):
        return os.path.abspath(own)
    base = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):
        home = os.path.expanduser("~") if os.environ.get("HOME") else _home()
        if not os.path.isabs(home):  # never "~" or a name below wherever we are
            raise Unsafe(f"there is no home directory to keep a journal in: set HOME, or {VARIABLE}")
        base = os.path.join(home, ".local", "state")
    return os.path.join(base, "sparkdoctor")


def _home() -> str:
    """The home directory that /etc/passwd gives this user."""
    import pwd  # noqa: PLC0415 (HOME is set nearly everywhere)

    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return ""


class Journal:
    """The treatments of this user, one directory each."""

    def __init__(self, directory: str | None = None) -> None:
        """Use `directory`, by default that of `place`."""
        self._directory = directory

    @property
    def directory(self) -> str:
        """Where they lie."""
        self._directory = self._directory or place()
        return self._directory

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other treatments out.

        Raises:
            Busy: one is going on.
            Unsafe: there is no place for a journal, or it belongs to somebody else, or others may write in it.
        """
        try:
            make(self.directory)
            self._trust()
            lock = os.path.join(self.directory, "lock")
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            place = f"set {VARIABLE} to a directory of your own"
            raise Unsafe(f"no journal can be kept in {self.directory}: {place} ({error})") from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                other = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
                raise Busy(f"another treatment is going on (process {other or 'unknown'}): wait for its end") from None
            with contextlib.suppress(OSError):  # a full disk must not keep anybody from an undo
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def _trust(self) -> None:
        """What is written here is believed when it is undone, commands too."""
        status = os.stat(self.directory)
        if status.st_uid != os.geteuid():
            raise Unsafe(f"{self.directory} belongs to uid {status.st_uid}: set {VARIABLE} to a directory of your own")
        if stat.S_IMODE(status.st_mode) & 0o022:
            raise Unsafe(f"others may write in {self.directory}: chmod go-w {self.directory}")

    def begin(self) -> "Treatment":
        """Open a new treatment. It is numbered: a clock may be set back."""
        number = max((int(one.id) for one in self._all()), default=0)
        while True:
            number += 1
            directory = os.path.join(self.directory, str(number))
            with contextlib.suppress(FileExistsError):
                os.mkdir(directory, 0o700)
                sync(self.directory)
                return Treatment(directory)

    def treatments(self) -> list["Treatment"]:
        """All that have a step, the oldest first."""
        return [treatment for treatment in self._all() if treatment.records()]

    def _all(self) -> list["Treatment"]:
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return []
        paths = [os.path.join(self.directory, name) for name in sorted((name for name in names if _ID.fullmatch(name)), key=int)]
        return [Treatment(path) for path in paths if os.path.isdir(path)]


def make(directory: str) -> None:
    """Make a directory and those over it for this user alone, whatever the umask, and for good.

    Raises:
        OSError: that cannot be done.
        Unsafe: we are root, and it would lie in the home of a user.
    """
    if os.path.isdir(directory):
        return
    over = os.path.dirname(directory)
    make(over)
    owner = os.stat(over).st_uid
    if owner and not os.geteuid():  # by sudo with a user's HOME: a ~/.local of root's would lock the user out of it
        raise Unsafe(f"{over} belongs to uid {owner}, who could not use what root makes there: set HOME, or {VARIABLE}")
    with contextlib.suppress(FileExistsError):
        os.mkdir(directory, 0o700)
    sync(over)


class Treatment:
    """One treatment's records."""

    def __init__(self, directory: str) -> None:
        """The treatment that is written down in `directory`."""
        self.directory = directory
        self.id = os.path.basename(directory)

    def path(self, number: int, kind: str) -> str:
        """Where a part of a step's record lies: `do`, `done`, `undone` or `saved`."""
        return os.path.join(self.directory, f"{number:04d}.{kind}")

    def records(self) -> list[Record]:
        """What is written down, in its order; a record that is gone or damaged says so."""
        kinds: dict[int, set[str]] = {}
        for name in os.listdir(self.directory):
            if match := _RECORD.fullmatch(name):
                kinds.setdefault(int(match[1]), set()).add(match[2])
        last = max((number for number, found in kinds.items() if found != {"saved"}), default=-1)
        return [self._record(number, kinds.get(number, set())) for number in range(last + 1)]

    def _record(self, number: int, kinds: set[str]) -> Record:
        undone = "undone" in kinds
        try:
            about = _load(self.path(number, "undone" if undone else "do"))
            done = _load(self.path(number, "done")) if "done" in kinds else None
        except (OSError, ValueError) as error:
            return Record(number, {}, None, undone, damage=f"the record {self.path(number, 'do')} cannot be read: {error}")
        return Record(number, about, done, undone)

    @property
    def over(self) -> bool:
        """Whether it came to its end."""
        return os.path.exists(os.path.join(self.directory, "end"))

    def entry(self) -> Entry:
        """A summary."""
        records = self.records()
        damaged = [record.damage for record in records if record.damage and not record.undone]
        if damaged:
            state = "damaged"
        elif all(record.undone for record in records):
            state = "undone"
        else:
            state = "done" if self.over else "interrupted"
        at = next((record.about["at"] for record in records if "at" in record.about), None)
        began = "unknown" if at is None else time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))
        fixes = tuple(dict.fromkeys(record.fix for record in records if not record.damage))
        return Entry(self.id, began, fixes, len(records), state, damaged[0] if damaged else "")

    def write(self, number: int, kind: str, about: dict[str, Any]) -> None:
        """Write a part of a step's record down, for good."""
        text = json.dumps(about).encode()
        self._put(self.path(number, kind), sha256(text).hexdigest().encode() + b"\n" + text)

    def undone(self, number: int) -> None:
        """Write down that the step was taken back."""
        os.rename(self.path(number, "do"), self.path(number, "undone"))
        sync(self.directory)

    def save(self, number: int, content: bytes) -> None:
        """Keep the content of a file that the step will replace."""
        self._put(self.path(number, "saved"), content)

    def saved(self, number: int) -> bytes:
        """What `save` has kept."""
        with open(self.path(number, "saved"), "rb") as file:
            return file.read()

    def end(self) -> None:
        """Nothing more will come. Where that cannot be written down, it will look interrupted, and loses nothing."""
        with contextlib.suppress(OSError):
            self._put(os.path.join(self.directory, "end"), b"")

    def _put(self, path: str, content: bytes) -> None:
        temporary = f"{path}.new"
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                fill(descriptor, content)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.rename(temporary, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise OSError(error.errno, error.strerror, path) from error  # which of two disks is full?
        sync(self.directory)


def _load(path: str) -> dict[str, Any]:
    with open(path, "rb") as file:
        digest, _, text = file.read().partition(b"\n")
    if sha256(text).hexdigest().encode() != digest:
        raise ValueError("it is damaged")
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("it is damaged")
    return found
