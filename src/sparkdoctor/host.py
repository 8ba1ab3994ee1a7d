"""Hosts: the only door to the outside world.

A host answers questions. A question is a kind and its arguments, an answer is plain JSON data or `Missing`; that is
what makes a machine recordable and replayable (see `tape`). Checks and facts never see a host: they see a `Machine`.
"""

import atexit
import contextlib
import errno
import importlib.util
import itertools
import os
import re
import resource
import shutil
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

from sparkdoctor import elf, process
from sparkdoctor.files import without_waiting
from sparkdoctor.model import Broken, Missing

PATIENT = os.path.join(os.path.dirname(__file__), "patient")
READ_LIMIT = 4 << 20
"""Bytes that `read` returns at most."""
RECORD_LIMIT = 8192
"""Bytes of one record that `records` returns at most."""
RECORDS_LIMIT = 64
ENTRIES_LIMIT = 20_000
HOLDERS_LIMIT = 256
MIRROR_LIMIT = 64 << 20
"""Bytes of a file that `mirror` copies at most."""
_CHUNK = 1 << 20


class Question(NamedTuple):
    """What a host is asked: a kind (`read`, `run`, …) and plain JSON arguments."""

    kind: str
    args: tuple[Any, ...]


Watch = Callable[[str, str | None], None]
"""Told the name of a worker and the step that it begins; None when it is over. Called from several threads."""


class Host(Protocol):
    """Anything that answers questions."""

    def answer(self, question: Question, timeout: float) -> Any:
        """The answer as plain JSON data, or `Missing`. Must not raise; may take `timeout` seconds."""
        ...


def missing(error: OSError, what: str) -> Missing:
    """An OSError in the user's words: absent is `Missing`, anything else `Broken`."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return Missing(f"{what} does not exist")
    return Broken(f"{what}: {error.strerror or error}")


class LocalHost:
    """The machine and process we run in. Reads only; never a shell, never the network."""

    def __init__(self, patient_python: str | None = None, watch: Watch | None = None) -> None:
        """`patient_python` is what the user asked for with `--python`; `watch` is told of each step of deep work."""
        self._patient_python = patient_python
        self._watch = watch
        self._kinds: dict[str, Callable[..., Any]] = {
            "env": os.environ.get,
            "read": _read,
            "entries": _entries,
            "stat": _stat,
            "lineage": _lineage,
            "space": _space,
            "records": _records,
            "head": _head,
            "digest": _digest,
            "gpu_code": _gpu_code,
            "holders": _holders,
            "members": _members,
            "which": shutil.which,
            "limits": _limits,
            "self": self._self,
        }

    def answer(self, question: Question, timeout: float) -> Any:
        """Answer one question; errors of the operating system become `Missing` or `Broken`."""
        kind, args = question
        try:
            match kind:
                case "run":
                    return _run(*args, timeout=timeout)
                case "script":
                    python, name, *rest = args
                    return _run([python, "-S", "-B", os.path.join(PATIENT, f"{name}.py"), *rest], {}, timeout=timeout)
                case "work":
                    return self._work(*args, timeout=timeout)
                case "nvml":
                    return _nvml(timeout)
                case _:
                    return self._kinds[kind](*args)
        except OSError as error:
            return missing(error, _subject(question))
        except (ValueError, OverflowError) as error:  # a path with a NUL byte, an ELF header that lies
            return Broken(f"{_subject(question)}: {error}")

    def _work(self, python: str, name: str, *args: str, timeout: float) -> dict[str, Any]:
        """Start one of our scripts as the user's own programs are started, with caches and temporary files of its own."""
        heard = bytearray()
        branches = {name}

        def hear(chunk: bytes) -> None:
            heard.extend(chunk)
            *lines, rest = heard.split(b"\n")
            heard[:] = rest
            for line in lines:
                if self._watch and (step := _STEP.match(line)):
                    branches.add(branch := f"{name}.{step[2].decode()}" if step[2] else name)
                    self._watch(branch, step[1].decode())

        with _scratch(roomy=True) as place:
            caches = {variable: f"{place}/{variable}" for variable in _CACHES}
            env = {**os.environ, "LC_ALL": "C.UTF-8", **caches, "TMPDIR": place, "SPARKDOCTOR_PYNVML": _pynvml() or ""}
            try:
                alone = ("-I", "-S") if name in _ALONE else ()
                argv = [python, *alone, "-B", os.path.join(PATIENT, f"{name}.py"), *args]
                worked = process.work(argv, timeout=timeout, env=env, hear=hear)
            finally:
                if self._watch:
                    for branch in branches:
                        self._watch(branch, None)
        return {**worked._asdict(), "left": list(worked.left)}

    def _self(self) -> dict[str, Any]:
        """What this process is: where it runs and what it was asked to examine."""
        system = os.uname()
        try:
            cwd = os.getcwd()
        except OSError:  # it was deleted
            cwd = ""
        return {
            "sysname": system.sysname,
            "release": system.release,
            "machine": system.machine,
            "page_size": os.sysconf("SC_PAGESIZE"),
            "cpus": os.cpu_count() or 1,
            "usable_cpus": len(os.sched_getaffinity(0)),
            "uid": os.getuid(),
            "cwd": cwd,
            "executable": sys.executable,
            "path": [entry for entry in sys.path if entry],
            "patient_python": self._patient_python,
        }


def _subject(question: Question) -> str:
    first = question.args[0] if question.args else question.kind
    return str(first[0] if isinstance(first, list | tuple) else first)


@contextlib.contextmanager
def _open(path: str) -> Iterator[int]:
    """A regular file, opened so that a FIFO or a device cannot make us wait."""
    descriptor = without_waiting(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        yield descriptor
    finally:
        os.close(descriptor)


def _read(path: str) -> str:
    with _open(path) as descriptor:
        parts: list[bytes] = []
        size = 0
        while size < READ_LIMIT and (chunk := os.read(descriptor, min(_CHUNK, READ_LIMIT - size))):
            parts.append(chunk)
            size += len(chunk)
    return b"".join(parts).decode("utf-8", "backslashreplace")


def _head(path: str, size: int) -> str:
    with _open(path) as descriptor:
        return os.read(descriptor, size).hex()


def _entries(path: str) -> list[str]:
    with os.scandir(path) as entries:
        return sorted(_printable(entry.name) for entry in itertools.islice(entries, ENTRIES_LIMIT))


def _printable(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _stat(path: str) -> dict[str, Any]:
    found = os.stat(path)
    kind = next((name for name, is_kind in _KINDS if is_kind(found.st_mode)), "other")
    return {
        "kind": kind,
        "size": found.st_size,
        "mode": stat.S_IMODE(found.st_mode),
        "uid": found.st_uid,
        "gid": found.st_gid,
        "mtime": max(0, int(found.st_mtime)),
        "real": _printable(os.path.realpath(path)),
        "readable": os.access(path, os.R_OK),
        "writable": os.access(path, os.W_OK),
        "executable": os.access(path, os.X_OK),
    }


def _lineage(path: str) -> list[dict[str, Any]]:
    """What `_stat` says of an absolute path and of the directories over it, those that links lead to as well; what exists.

    One question, since a redacted tape does not know what lies over a home directory.
    """
    found: dict[str, dict[str, Any]] = {}
    given = os.path.normpath(path)
    for one in (given, *over(given)):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found[one] = _stat(one)
    there = next(iter(found))
    real = os.path.join(os.path.realpath(there), os.path.relpath(given, there)) if there != given else os.path.realpath(given)
    for one in over(real):
        if one not in found:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                found[one] = _stat(one)
    return [{"path": _printable(one), **status} for one, status in found.items()]


def over(path: str) -> Iterator[str]:
    """The directories over an absolute path, the nearest first."""
    while path != "/":
        path = os.path.dirname(path)
        yield path


_KINDS = (("file", stat.S_ISREG), ("directory", stat.S_ISDIR), ("device", stat.S_ISCHR))


def _space(path: str) -> dict[str, int]:
    found = os.statvfs(path)
    return {"total": found.f_blocks * found.f_frsize, "free": found.f_bavail * found.f_frsize, "device": os.stat(path).st_dev}


def _records(path: str, needle: str, delimiter: str, section: str | None = None) -> list[str]:
    """The records of a file (parts between delimiters) that hold `needle`, read in bounded memory.

    `section` names the part of an ELF file to search; a file without it is searched from end to end.
    """
    wanted, between = needle.encode(), delimiter.encode()
    reach = RECORD_LIMIT + len(between)
    found: dict[str, None] = {}
    with _open(path) as descriptor:
        size = os.fstat(descriptor).st_size
        first, end = (elf.section(descriptor, section) if section else None) or (0, size)
        end = min(end, size)
        offset = done = first
        while offset < end and len(found) < RECORDS_LIMIT:
            # Needles that begin in this chunk; what lies before and after it is read for their records' ends.
            base = max(first, offset - reach)
            chunk = os.pread(descriptor, min(offset + _CHUNK + reach, end) - base, base)
            at = chunk.find(wanted, max(offset, done) - base)
            while 0 <= at < offset - base + _CHUNK and len(found) < RECORDS_LIMIT:
                start = chunk.rfind(between, max(0, at - reach), at)
                if start >= 0:
                    start += len(between)
                elif base > first or at > RECORD_LIMIT:  # not the file's first record: one without a beginning in reach
                    start = at - RECORD_LIMIT // 2
                start = max(0, start)
                stop = chunk.find(between, at, start + reach)
                stop = stop if stop >= 0 else min(len(chunk), start + RECORD_LIMIT)
                found.setdefault(chunk[start:stop].decode("utf-8", "backslashreplace"))
                done = base + max(stop, at + 1)
                at = chunk.find(wanted, done - base)
            offset += _CHUNK
    return list(found)


def _gpu_code(path: str) -> list[str]:
    with _open(path) as descriptor:
        return elf.gpu_code(descriptor)


def _holders(directory: str) -> dict[str, Any]:
    """Live processes that have a file below a directory open, or work in it; `hidden` counts those we may not look into.

    `now` is the time of looking, in seconds of the epoch: a lock's age is told by it.
    """
    start = os.path.realpath(directory)
    processes: list[dict[str, Any]] = []
    hidden = 0
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            held = [os.readlink(f"/proc/{entry}/cwd")]
            held += [os.readlink(f"/proc/{entry}/fd/{number}") for number in os.listdir(f"/proc/{entry}/fd")]
        except PermissionError:
            hidden += _is_program(entry)
            continue
        except OSError:  # it has ended, or closed that file, meanwhile
            held = _still_held(entry)
        below = dict.fromkeys(path for path in held if path == start or path.startswith(start + "/"))
        processes += [{"pid": int(entry), "name": _name(entry), "what": _printable(path)} for path in below]
    now = int(time.time())  # the clock of file times
    return {"now": now, "processes": processes[:HOLDERS_LIMIT], "hidden": hidden}


def _still_held(process: str) -> list[str]:
    """What a process that changes under our eyes holds, one link at a time."""
    found = []
    with contextlib.suppress(OSError):
        for name in ("cwd", *(f"fd/{number}" for number in os.listdir(f"/proc/{process}/fd"))):
            with contextlib.suppress(OSError):
                found.append(os.readlink(f"/proc/{process}/{name}"))
    return found


def _name(process: str) -> str:
    with contextlib.suppress(OSError), open(f"/proc/{process}/comm", "rb") as file:
        return file.read(64).decode("utf-8", "backslashreplace").strip()
    return ""


def _is_program(process: str) -> bool:
    """Whether it is no thread of the kernel's: those have no command line."""
    with contextlib.suppress(OSError), open(f"/proc/{process}/cmdline", "rb") as file:
        return bool(file.read(1))
    return False


def _members(gid: int) -> int:
    """How many users but ourselves and root are in a group, by /etc/group and /etc/passwd; names are nobody's business."""
    mine = {0, os.getuid()}
    users = {name: (int(uid), group) for name, uid, group in _columns("/etc/passwd", 0, 2, 3)}
    listed = [members for group, members in _columns("/etc/group", 2, 3) if group == str(gid)]
    if not listed:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    named = {users[name][0] if name in users else name for name in ",".join(listed).split(",") if name}
    return len((named | {uid for uid, group in users.values() if group == str(gid)}) - mine)


def _columns(path: str, *numbers: int) -> Iterator[tuple[str, ...]]:
    for line in _read(path).splitlines():
        fields = line.split(":")
        if len(fields) > max(numbers):
            yield tuple(fields[number] for number in numbers)


def _digest(path: str) -> str:
    """SHA-256 of a file, in hexadecimal."""
    from hashlib import file_digest  # noqa: PLC0415 (only where a file was installed that can be patched)

    with _open(path) as descriptor, open(descriptor, "rb", closefd=False) as file:
        return file_digest(file, "sha256").hexdigest()


def _limits() -> dict[str, list[int | None]]:
    """Resource limits of this process as [soft, hard]; None is unlimited. Bytes, and a count for nofile."""
    names = {"stack": resource.RLIMIT_STACK, "memlock": resource.RLIMIT_MEMLOCK, "nofile": resource.RLIMIT_NOFILE}
    return {
        name: [None if value == resource.RLIM_INFINITY else value for value in resource.getrlimit(number)]
        for name, number in names.items()
    }


def _run(argv: list[str], options: dict[str, Any], *, timeout: float) -> dict[str, Any]:
    """Run a command. Options: `input` (text that stands at `{input}` in argv), `scratch` (a TMPDIR of its own).

    `mirror` is a directory of a build: a stand-in for it, in which ninja may write, stands at `{mirror}`.

    `{input}` and `{output}` are files in memory: a compiler can be asked without writing to any disk.
    """
    env = {**os.environ, "LC_ALL": "C"}
    with contextlib.ExitStack() as stack:
        places: dict[str, str] = {}
        descriptors: list[int] = []
        for name in ("input", "output"):
            if any(f"{{{name}}}" in argument for argument in argv):
                descriptor = os.memfd_create(f"sparkdoctor-{name}")
                stack.callback(os.close, descriptor)
                descriptors.append(descriptor)
                places[name] = f"/proc/self/fd/{descriptor}"
        if "input" in places:
            os.write(descriptors[0], options["input"].encode())
        if options.get("scratch"):
            env["TMPDIR"] = stack.enter_context(_scratch())
        if "mirror" in options:
            places["mirror"] = stack.enter_context(_scratch())
            _mirror(options["mirror"], places["mirror"])
        filled = [
            re.sub(r"\{(input|output|mirror)\}", lambda match: places.get(match[1], match[0]), argument) for argument in argv
        ]
        ran = process.run(filled, timeout=timeout, env=env, pass_fds=descriptors)
    return {"code": ran.code, "stdout": ran.stdout, "stderr": ran.stderr}


_WRITTEN_BY_NINJA = (".ninja_log", ".ninja_deps", "build.ninja")


def _mirror(directory: str, place: str) -> None:
    """Links to a build's files, and copies of those that ninja writes to: it deletes logs of another version even with -n."""
    with os.scandir(directory) as entries:
        for entry in itertools.islice(entries, ENTRIES_LIMIT):
            if entry.name in _WRITTEN_BY_NINJA:
                with _open(entry.path) as source, open(f"{place}/{entry.name}", "xb") as copy:
                    if os.fstat(source).st_size > MIRROR_LIMIT:
                        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
                    while chunk := os.read(source, _CHUNK):
                        copy.write(chunk)
            elif not entry.is_dir():
                os.symlink(os.path.abspath(entry.path), f"{place}/{entry.name}")


_STEP = re.compile(rb'\{"step": "([\x20\x21\x23-\x5b\x5d-\x7e]{1,200})"(?:, "at": [\d.]{1,20}, "in": "(\w{1,40})")?')
"""The beginning of a step in a worker's report; the patient's packages may have written there too."""
_ALONE = ("toolkit",)
"""Scripts that need no package of the interpreter that runs them: what that loads at its start is not examined."""
_serial = itertools.count()
_scratches: set[str] = set()
"""Directories to remove, whatever ends us: the threads that made them may not come to it."""
_making = threading.Lock()


@atexit.register
def _remove_scratches() -> None:
    process.end_all()  # who lives could write there again, and who is late makes none
    if _making.acquire(timeout=1.0):
        _making.release()
    for path in tuple(_scratches):
        _remove(path)


def _make(path: str) -> None:
    with _making:
        if process.is_over():
            raise OSError(errno.ECANCELED, os.strerror(errno.ECANCELED))
        os.mkdir(path, 0o700)
        _scratches.add(path)


def _remove(path: str) -> None:
    """Remove a directory and all in it, also where a program has taken its own rights away."""
    shutil.rmtree(path, ignore_errors=True)
    if os.path.isdir(path):
        with contextlib.suppress(OSError):
            os.chmod(path, 0o700)
            for base, folders, _ in os.walk(path):
                for folder in (os.path.join(base, name) for name in folders):
                    if not os.path.islink(folder):
                        os.chmod(folder, 0o700)
        shutil.rmtree(path, ignore_errors=True)
    _scratches.discard(path)


_CACHES = ("TRITON_CACHE_DIR", "TORCH_EXTENSIONS_DIR", "TORCHINDUCTOR_CACHE_DIR", "CUDA_CACHE_PATH")
"""Where the patient's packages keep what they compile: never the user's own while we look."""


@contextlib.contextmanager
def _scratch(*, roomy: bool = False) -> Iterator[str]:
    """A private temporary directory, gone afterwards: in memory, or where there is room and libraries can be loaded."""
    last: OSError | None = None
    bases = ["/dev/shm", os.environ.get("TMPDIR") or "/tmp"]
    if roomy:
        bases.sort(key=_cramped)
    for base in bases:
        path = f"{base}/sparkdoctor-{os.getpid()}-{next(_serial)}"
        try:
            _make(path)
        except OSError as error:
            last = error
            continue
        try:
            yield path
        finally:
            _remove(path)
        return
    raise OSError(errno.EROFS, "no temporary directory can be written") from last


def _cramped(base: str) -> tuple[bool, bool]:
    """Sorts places for compilers and their output: docker's /dev/shm holds 64 MiB, of which nothing can be executed."""
    try:
        found = os.statvfs(base)
    except OSError:
        return True, True
    return bool(found.f_flag & os.ST_NOEXEC), found.f_bavail * found.f_frsize < _ROOM


_ROOM = 1 << 30
"""Bytes that compiling a few small files can take without a thought."""


def _nvml(timeout: float) -> dict[str, Any]:
    """Ask NVML through pynvml in a child, where its crash or hang cannot reach us."""
    place = _pynvml()
    if place is None:
        raise OSError(errno.ENOENT, "pynvml is not installed")
    # -I -S: nothing of the user's and no site-packages but the directory of pynvml itself.
    return _run([sys.executable, "-I", "-S", "-B", os.path.join(PATIENT, "nvml.py"), place], {}, timeout=timeout)


def _pynvml() -> str | None:
    """The directory of pynvml, for scripts that run in other interpreters."""
    spec = importlib.util.find_spec("pynvml")
    return None if spec is None or spec.origin is None else os.path.dirname(spec.origin)
