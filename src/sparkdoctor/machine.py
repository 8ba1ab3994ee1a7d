"""A machine: a host plus the facts read from it so far."""

import threading
import time
from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple, Self, TypeVar, cast, dataclass_transform

from sparkdoctor.host import Host, Question
from sparkdoctor.model import Broken, Missing, words
from sparkdoctor.process import Ran, Worked
from sparkdoctor.profiles import Profile


@dataclass_transform(frozen_default=True)
class Fact:
    """Something true of a machine, read by `probe` and never changed.

    A subclass lists its fields as a dataclass does. It may be decorated as one, but need not: the two dozen of ours would
    spend a tenth of a quick check on what `@dataclass` compiles. `probe` asks a machine, a pure `parse` understands what
    it said. `deep` facts do real work in the patient's interpreter and are read only when asked for. A fact that is `part_of`
    another, which it needs and which does not need it, is not looked for where that one is missing.
    """

    deep: ClassVar[bool] = False
    part_of: "ClassVar[type[Fact] | None]" = None

    def __init__(self, *values: Any, **named: Any) -> None:
        """Take the fields in their order, or by name."""
        kind = type(self)
        fields = [name for name, hint in kind.__annotations__.items() if "ClassVar" not in str(hint)]
        defaults = {name: getattr(kind, name) for name in fields if hasattr(kind, name)}
        given = defaults | dict(zip(fields, values, strict=False)) | named
        if len(given) < len(fields) or len(values) > len(fields) or not named.keys() <= set(fields):
            raise TypeError(f"{kind.__name__} takes {', '.join(fields)}")
        vars(self).update((name, given[name]) for name in fields)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"

    @classmethod
    def probe(cls, machine: "Machine") -> Self | Missing:  # noqa: ARG003
        """Read this fact. Every subclass has its own; it may raise `Unavailable` through `Machine.need`."""
        raise TypeError(f"the fact {cls.__name__} has no probe")


F = TypeVar("F", bound=Fact)


class Unavailable(Exception):  # noqa: N818 (it carries a Missing, it is no error)
    """What a probe needed is not to be had."""

    def __init__(self, missing: Missing) -> None:
        """`missing` says what, and why."""
        super().__init__(missing.reason)
        self.missing = missing


class FileStatus(NamedTuple):
    """What `stat` and `access` say of a path, for this process. `size` in bytes, `real` without symbolic links.

    Owner, group and `mtime` (seconds of the epoch) are None on tapes of before they were asked for.
    """

    kind: str
    size: int
    mode: int
    real: str
    readable: bool
    writable: bool
    executable: bool
    uid: int | None = None
    gid: int | None = None
    mtime: int | None = None


class Holder(NamedTuple):
    """A live process, and a path that it has open or works in."""

    pid: int
    name: str
    what: str


class Holders(NamedTuple):
    """Who holds something below a directory, as seen at `now` (seconds of the epoch).

    `hidden` processes of other users could not be looked into.
    """

    now: int
    processes: tuple[Holder, ...]
    hidden: int


class Space(NamedTuple):
    """A file system's bytes, and its device number."""

    total: int
    free: int
    device: int


class _Slot:
    """A fact being read, or read."""

    def __init__(self) -> None:
        self.value: Fact | Missing | None = None
        self.done = threading.Event()
        self.waits_for: _Slot | None = None


class Machine:
    """Questions to a host, with types and a deadline; facts by type, each probed once.

    `read` and its siblings return `Missing` where the host has no answer. A question that is not on a replayed tape
    raises `Unavailable`, so that the whole fact is missing rather than half-guessed.
    """

    def __init__(
        self, host: Host, profile: Profile, *, timeout: float = 10.0, deep: bool = False, thorough: bool = False
    ) -> None:
        """Examine `host` against `profile`; all questions together may take `timeout` seconds.

        Without `deep`, deep facts are missing. `thorough` asks what another profile would want to know too: a tape can
        then be replayed against that.
        """
        self.profile = profile
        self.deep = deep
        self.thorough = thorough
        self._host = host
        self._ends = time.monotonic() + timeout
        self._timeout = timeout
        self._slots: dict[type[Fact], _Slot] = {}
        self._lock = threading.Lock()
        self._local = threading.local()

    # --- facts

    def get(self, kind: type[F]) -> F | Missing:
        """The fact, probed now if it was not yet; `Broken` where the probe failed or time ran out.

        Raises:
            Unavailable: in a probe, where the fact is not on the tape that is replayed.
        """
        if kind.deep and not self.deep:
            return Missing("read with --deep only")
        with self._lock:
            slot = self._slots.get(kind)
            mine = slot is None
            if slot is None:
                slot = self._slots[kind] = _Slot()
        if mine:
            self._probe(kind, slot)
        else:
            self._wait(kind, slot)
        value = slot.value
        if value is None:
            return Broken(f"{kind.__name__}: not read within {self._timeout:g} s")
        if isinstance(value, Untaped) and getattr(self._local, "slot", None) is not None:
            raise Unavailable(value)  # to a probe, what was not asked is not the same as what is not there
        return cast("F | Missing", value)

    def need(self, kind: type[F]) -> F:
        """The fact, for another fact's probe.

        Raises:
            Unavailable: it is missing.
        """
        value = self.get(kind)
        if isinstance(value, Missing):
            raise Unavailable(value)
        return value

    def start(self, kinds: Iterable[type[Fact]]) -> None:
        """Begin to probe facts, all at once, but parts of another after that; `get` waits for each."""
        begun: dict[type[Fact], _Slot] = {}
        for kind in kinds:
            if kind.deep and not self.deep:
                continue
            with self._lock:
                if kind in self._slots:
                    continue
                # Taken here, so that whoever asks next waits, and is not held by a probe that hangs in the kernel.
                begun[kind] = self._slots[kind] = _Slot()
        parts = {kind for kind in begun if kind.part_of in begun and kind.part_of.part_of not in begun}
        for kind in begun.keys() - parts:
            self._begin(kind, {part: begun[part] for part in parts if part.part_of is kind})

    def _begin(self, kind: type[Fact], parts: "dict[type[Fact], _Slot]") -> None:
        # Daemons: a probe that hangs in the kernel must not keep the process alive either.
        threading.Thread(target=self._lead, args=(kind, parts), daemon=True).start()

    def _lead(self, kind: type[Fact], parts: "dict[type[Fact], _Slot]") -> None:
        slot = self._slots[kind]
        self._probe(kind, slot)
        for part, waiting in parts.items():
            if isinstance(slot.value, Missing):  # as its probe would find; a thread costs more than that
                waiting.value = slot.value
                waiting.done.set()
            else:
                self._begin(part, {})

    def elapsed(self) -> float:
        """Seconds since the examination began."""
        return self._timeout - self.remaining()

    def remaining(self) -> float:
        """Seconds left for questions."""
        return self._ends - time.monotonic()

    def _probe(self, kind: type[F], slot: _Slot) -> None:
        outer = getattr(self._local, "slot", None)
        self._local.slot = slot
        if outer is not None:
            outer.waits_for = slot
        try:
            slot.value = kind.probe(self)
        except Unavailable as unavailable:
            slot.value = unavailable.missing
        except BaseException as error:  # (a probe is a plugin: whatever it raises is its finding)
            if not isinstance(error, Exception) and threading.current_thread() is threading.main_thread():
                raise  # Ctrl-C, or SIGTERM's SystemExit
            slot.value = Broken(f"{kind.__name__} could not be read: {words(error)}")
        finally:
            self._local.slot = outer
            if outer is not None:
                outer.waits_for = None
            slot.done.set()

    def _wait(self, kind: type[Fact], slot: _Slot) -> None:
        outer = getattr(self._local, "slot", None)
        if outer is not None:
            with self._lock:
                awaited: _Slot | None = slot
                while awaited is not None and awaited is not outer:
                    awaited = awaited.waits_for
                if awaited is outer and not slot.done.is_set():
                    raise Unavailable(Broken(f"{kind.__name__} needs itself"))
                outer.waits_for = slot
        slot.done.wait(max(0.0, self.remaining()))
        if outer is not None:
            outer.waits_for = None

    # --- questions

    def _ask(self, kind: str, *args: Any, timeout: float = 5.0) -> Any:
        left = self.remaining()
        if left <= 0:
            raise Unavailable(Broken(f"no time left of {self._timeout:g} s"))
        # Never all the time that is left: what hangs must still be judged.
        answer = self._host.answer(Question(kind, args), min(timeout, 0.7 * left))
        if isinstance(answer, Untaped):
            raise Unavailable(answer)
        return answer

    def env(self, name: str) -> str | None:
        """An environment variable."""
        return cast("str | None", _typed(self._ask("env", name), str, optional=True))

    def read(self, path: str) -> str | Missing:
        """A text file, at most 4 MiB of it; bytes that are not UTF-8 appear as backslash escapes."""
        return cast("str | Missing", _or_missing(self._ask("read", path), str))

    def entries(self, path: str) -> tuple[str, ...] | Missing:
        """The sorted names in a directory."""
        found = _or_missing(self._ask("entries", path), list)
        return found if isinstance(found, Missing) else tuple(map(str, found))

    def stat(self, path: str) -> FileStatus | Missing:
        """Kind, size, mode and access of a path, links followed."""
        found = _or_missing(self._ask("stat", path), dict)
        return found if isinstance(found, Missing) else FileStatus(**found)

    def lineage(self, path: str) -> dict[str, FileStatus]:
        """What exists of an absolute path and of the directories over it, the nearest first; then those behind links."""
        found = _typed(self._ask("lineage", path), list)
        return {entry["path"]: FileStatus(**{name: entry[name] for name in entry if name != "path"}) for entry in found}

    def space(self, path: str) -> Space | Missing:
        """The file system that holds a path."""
        found = _or_missing(self._ask("space", path), dict)
        return found if isinstance(found, Missing) else Space(**found)

    def records(self, path: str, needle: str, delimiter: str, section: str | None = None) -> tuple[str, ...] | Missing:
        """The parts of a (large, binary) file between delimiters that hold `needle`; at most 64 of at most 8 KiB.

        `section` names the part of an ELF file that is searched.
        """
        found = _or_missing(self._ask("records", path, needle, delimiter, section), list)
        return found if isinstance(found, Missing) else tuple(map(str, found))

    def head(self, path: str, size: int) -> bytes | Missing:
        """The first `size` bytes of a file."""
        found = _or_missing(self._ask("head", path, size), str)
        return found if isinstance(found, Missing) else bytes.fromhex(found)

    def digest(self, path: str) -> str | Missing:
        """The SHA-256 of a file, in hexadecimal."""
        return cast("str | Missing", _or_missing(self._ask("digest", path), str))

    def archived(self, path: str, member: str, texts: tuple[str, ...]) -> tuple[str, ...] | Missing:
        """Which of these texts stand in a member of a ZIP archive; `Broken` where that is truncated, or no archive."""
        found = _or_missing(self._ask("archived", path, member, list(texts)), list)
        return found if isinstance(found, Missing) else tuple(map(str, found))

    def rows(self, path: str, category: str) -> int | Missing:
        """How many rows a category of a BinaryCIF file has; `Broken` where that is truncated, or no such file."""
        return cast("int | Missing", _or_missing(self._ask("rows", path, category), int))

    def gpu_code(self, path: str) -> tuple[str, ...] | Missing:
        """The GPU code in an ELF file, `sm_121` or `compute_121`; `Broken` where there is some that cannot be read."""
        found = _or_missing(self._ask("gpu_code", path), list)
        return found if isinstance(found, Missing) else tuple(map(str, found))

    def holders(self, directory: str) -> Holders | Missing:
        """Live processes that hold something below a directory."""
        found = _or_missing(self._ask("holders", directory), dict)
        if isinstance(found, Missing):
            return found
        return Holders(found["now"], tuple(Holder(**holder) for holder in found["processes"]), found["hidden"])

    def members(self, gid: int) -> int | Missing:
        """How many users but this one and root are in a group; `Missing` where /etc/group does not have it."""
        return cast("int | Missing", _or_missing(self._ask("members", gid), int))

    def which(self, name: str) -> str | None:
        """Where PATH finds a command."""
        return cast("str | None", _typed(self._ask("which", name), str, optional=True))

    def limits(self) -> dict[str, list[int | None]]:
        """Resource limits of this process: name to [soft, hard], None for unlimited."""
        return cast("dict[str, list[int | None]]", _typed(self._ask("limits"), dict))

    def itself(self) -> dict[str, Any]:
        """What the examining process is: kernel, processors, interpreter, search path."""
        return cast("dict[str, Any]", _typed(self._ask("self"), dict))

    def run(
        self, *argv: str, timeout: float = 5.0, text: str | None = None, scratch: bool = False, mirror: str | None = None
    ) -> Ran | Missing:
        """Run a command, never through a shell, with the locale C and no standard input.

        `{input}` in `argv` is a file in memory that holds `text`, `{output}` an empty one. `scratch` gives the command
        a temporary directory of its own. `{mirror}` is a stand-in for the build directory `mirror`, for ninja to look at.
        """
        options: dict[str, Any] = {}
        if mirror is not None:
            options["mirror"] = mirror
        if text is not None:
            options["input"] = text
        if scratch:
            options["scratch"] = True
        return _ran(self._ask("run", list(argv), options, timeout=timeout))

    def script(self, python: str, name: str, *args: str, timeout: float = 5.0) -> Ran | Missing:
        """Run one of our own scripts (`patient/NAME.py`) in another interpreter."""
        return _ran(self._ask("script", python, name, *args, timeout=timeout))

    def work(self, python: str, name: str, *args: str, timeout: float) -> Worked | Missing:
        """Run one of our own scripts (`patient/NAME.py`) in another interpreter, to do there what may end badly."""
        found = _or_missing(self._ask("work", python, name, *args, timeout=timeout), dict)
        return found if isinstance(found, Missing) else Worked(**{**found, "left": tuple(found["left"])})

    def nvml(self, timeout: float = 4.0) -> Ran | Missing:
        """What NVML says, as JSON lines (see `patient/nvml.py`), from a child process."""
        return _ran(self._ask("nvml", timeout=timeout))


class Untaped(Missing):
    """A question that is not on the tape being replayed."""


def _typed(answer: Any, kind: type, *, optional: bool = False) -> Any:
    if isinstance(answer, Missing):
        raise Unavailable(answer)
    if isinstance(answer, kind) or (optional and answer is None):
        return answer
    raise TypeError(f"an answer of type {type(answer).__name__} where {kind.__name__} was due")


def _or_missing(answer: Any, kind: type) -> Any:
    return answer if isinstance(answer, Missing) else _typed(answer, kind)


def _ran(answer: Any) -> Ran | Missing:
    found = _or_missing(answer, dict)
    return found if isinstance(found, Missing) else Ran(found["code"], found["stdout"], found["stderr"])
