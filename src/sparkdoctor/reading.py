"""What a host reads: files, directories and /proc, as plain JSON data. Nothing of it waits, all of it has bounds."""

import contextlib
import errno
import itertools
import os
import resource
import stat
import time
from collections.abc import Iterator
from typing import Any

from sparkdoctor import elf
from sparkdoctor.files import without_waiting

READ_LIMIT = 4 << 20
"""Bytes that `read` returns at most."""
RECORD_LIMIT = 8192
"""Bytes of one record that `records` returns at most."""
RECORDS_LIMIT = 64
ENTRIES_LIMIT = 20_000
HOLDERS_LIMIT = 256
CHUNK = 1 << 20


@contextlib.contextmanager
def opened(path: str) -> Iterator[int]:
    """A regular file, opened so that a FIFO or a device cannot make us wait."""
    descriptor = without_waiting(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        yield descriptor
    finally:
        os.close(descriptor)


def read(path: str) -> str:
    """A text file, at most READ_LIMIT of it."""
    with opened(path) as descriptor:
        parts: list[bytes] = []
        size = 0
        while size < READ_LIMIT and (chunk := os.read(descriptor, min(CHUNK, READ_LIMIT - size))):
            parts.append(chunk)
            size += len(chunk)
    return b"".join(parts).decode("utf-8", "backslashreplace")


def head(path: str, size: int) -> str:
    """The first bytes of a file, in hexadecimal."""
    with opened(path) as descriptor:
        return os.read(descriptor, size).hex()


def entries(path: str) -> list[str]:
    """The sorted names in a directory."""
    with os.scandir(path) as found:
        return sorted(printable(entry.name) for entry in itertools.islice(found, ENTRIES_LIMIT))


def printable(name: str) -> str:
    """A file's name as text, whatever its bytes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def status(path: str) -> dict[str, Any]:
    """What stat and access say, links followed."""
    found = os.stat(path)
    kind = next((name for name, is_kind in _KINDS if is_kind(found.st_mode)), "other")
    return {
        "kind": kind,
        "size": found.st_size,
        "mode": stat.S_IMODE(found.st_mode),
        "uid": found.st_uid,
        "gid": found.st_gid,
        "mtime": max(0, int(found.st_mtime)),
        "real": printable(os.path.realpath(path)),
        "readable": os.access(path, os.R_OK),
        "writable": os.access(path, os.W_OK),
        "executable": os.access(path, os.X_OK),
    }


def lineage(path: str) -> list[dict[str, Any]]:
    """What `status` says of an absolute path and of the directories over it, those that links lead to as well; what exists.

    One question, since a redacted tape does not know what lies over a home directory.
    """
    found: dict[str, dict[str, Any]] = {}
    given = os.path.normpath(path)
    for one in (given, *over(given)):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found[one] = status(one)
    there = next(iter(found))
    real = os.path.join(os.path.realpath(there), os.path.relpath(given, there)) if there != given else os.path.realpath(given)
    for one in over(real):
        if one not in found:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                found[one] = status(one)
    return [{"path": printable(one), **status} for one, status in found.items()]


def over(path: str) -> Iterator[str]:
    """The directories over an absolute path, the nearest first."""
    while path != "/":
        path = os.path.dirname(path)
        yield path


_KINDS = (("file", stat.S_ISREG), ("directory", stat.S_ISDIR), ("device", stat.S_ISCHR))


def space(path: str) -> dict[str, int]:
    """The file system that holds a path: bytes, and the device's number."""
    found = os.statvfs(path)
    return {"total": found.f_blocks * found.f_frsize, "free": found.f_bavail * found.f_frsize, "device": os.stat(path).st_dev}


def records(path: str, needle: str, delimiter: str, section: str | None = None) -> list[str]:
    """The records of a file (parts between delimiters) that hold `needle`, read in bounded memory.

    `section` names the part of an ELF file to search; a file without it is searched from end to end.
    """
    wanted, between = needle.encode(), delimiter.encode()
    reach = RECORD_LIMIT + len(between)
    found: dict[str, None] = {}
    with opened(path) as descriptor:
        size = os.fstat(descriptor).st_size
        first, end = (elf.section(descriptor, section) if section else None) or (0, size)
        end = min(end, size)
        offset = done = first
        while offset < end and len(found) < RECORDS_LIMIT:
            # Needles that begin in this chunk; what lies before and after it is read for their records' ends.
            base = max(first, offset - reach)
            chunk = os.pread(descriptor, min(offset + CHUNK + reach, end) - base, base)
            at = chunk.find(wanted, max(offset, done) - base)
            while 0 <= at < offset - base + CHUNK and len(found) < RECORDS_LIMIT:
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
            offset += CHUNK
    return list(found)


def gpu_code(path: str) -> list[str]:
    """The GPU code in an ELF file: `sm_121`, `compute_121`."""
    with opened(path) as descriptor:
        return elf.gpu_code(descriptor)


def holders(directory: str) -> dict[str, Any]:
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
        processes += [{"pid": int(entry), "name": _name(entry), "what": printable(path)} for path in below]
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


def members(gid: int) -> int:
    """How many users but ourselves and root are in a group, by /etc/group and /etc/passwd; names are nobody's business."""
    mine = {0, os.getuid()}
    users = {name: (int(uid), group) for name, uid, group in _columns("/etc/passwd", 0, 2, 3)}
    listed = [members for group, members in _columns("/etc/group", 2, 3) if group == str(gid)]
    if not listed:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    named = {users[name][0] if name in users else name for name in ",".join(listed).split(",") if name}
    return len((named | {uid for uid, group in users.values() if group == str(gid)}) - mine)


def _columns(path: str, *numbers: int) -> Iterator[tuple[str, ...]]:
    for line in read(path).splitlines():
        fields = line.split(":")
        if len(fields) > max(numbers):
            yield tuple(fields[number] for number in numbers)


def digest(path: str) -> str:
    """SHA-256 of a file, in hexadecimal."""
    from hashlib import file_digest  # noqa: PLC0415 (only where a file was installed that can be patched)

    with opened(path) as descriptor, open(descriptor, "rb", closefd=False) as file:
        return file_digest(file, "sha256").hexdigest()


def archived(path: str, member: str, texts: list[str]) -> list[str]:
    """Which of these texts stand in a member of a ZIP archive."""
    from sparkdoctor.archive import found_in  # noqa: PLC0415 (only where there are weights)

    with opened(path) as descriptor:
        return found_in(descriptor, member, texts)


def rows(path: str, category: str) -> int:
    """How many rows a category of a BinaryCIF file has."""
    from sparkdoctor import bcif  # noqa: PLC0415 (only where there is an OpenFold3)

    with opened(path) as descriptor:
        return bcif.rows(descriptor, category)


def limits() -> dict[str, list[int | None]]:
    """Resource limits of this process as [soft, hard]; None is unlimited. Bytes, and a count for nofile."""
    names = {"stack": resource.RLIMIT_STACK, "memlock": resource.RLIMIT_MEMLOCK, "nofile": resource.RLIMIT_NOFILE}
    return {
        name: [None if value == resource.RLIM_INFINITY else value for value in resource.getrlimit(number)]
        for name, number in names.items()
    }
