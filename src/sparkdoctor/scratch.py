"""Private temporary directories, which are gone when we are, however we end."""

import atexit
import contextlib
import errno
import itertools
import os
import shutil
import threading
from collections.abc import Iterator

from sparkdoctor import process
from sparkdoctor.reading import CHUNK, ENTRIES_LIMIT, opened

MIRROR_LIMIT = 64 << 20
"""Bytes of a file that `mirror` copies at most."""
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


@contextlib.contextmanager
def scratch(*, roomy: bool = False) -> Iterator[str]:
    """A private temporary directory, gone afterwards: in memory, or where there is room and libraries can be loaded."""
    last: OSError | None = None
    bases = ["/dev/shm", os.environ.get("TMPDIR") or "/tmp"]
    if roomy:
        bases.sort(key=cramped)
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


def cramped(base: str) -> tuple[bool, bool]:
    """Sorts places for compilers and their output: docker's /dev/shm holds 64 MiB, of which nothing can be executed."""
    try:
        found = os.statvfs(base)
    except OSError:
        return True, True
    return bool(found.f_flag & os.ST_NOEXEC), found.f_bavail * found.f_frsize < _ROOM


_ROOM = 1 << 30
"""Bytes that compiling a few small files can take without a thought."""


_WRITTEN_BY_NINJA = (".ninja_log", ".ninja_deps", "build.ninja")


def mirror(directory: str, place: str) -> None:
    """Links to a build's files, and copies of those that ninja writes to: it deletes logs of another version even with -n."""
    with os.scandir(directory) as entries:
        for entry in itertools.islice(entries, ENTRIES_LIMIT):
            if entry.name in _WRITTEN_BY_NINJA:
                with opened(entry.path) as source, open(f"{place}/{entry.name}", "xb") as copy:
                    if os.fstat(source).st_size > MIRROR_LIMIT:
                        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
                    while chunk := os.read(source, CHUNK):
                        copy.write(chunk)
            elif not entry.is_dir():
                os.symlink(os.path.abspath(entry.path), f"{place}/{entry.name}")
