"""Opening files that may be something else, and having on disk what was written."""

import os


def without_waiting(path: str, flags: int) -> int:
    """An opener for `open`: a FIFO that nobody fills must not make us wait; it reads as empty."""
    return os.open(path, flags | os.O_NONBLOCK)


def fill(descriptor: int, content: bytes) -> None:
    """Write all of it.

    Raises:
        OSError: it cannot be written; with the file's name, which `os.write` does not know.
    """
    left = memoryview(content)
    try:
        while left:
            left = left[os.write(descriptor, left) :]
    except OSError as error:
        error.filename = os.readlink(f"/proc/self/fd/{descriptor}")
        raise


def sync(directory: str) -> None:
    """Have the names in a directory on disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
