"""BinaryCIF, as far as to count rows: its MessagePack is walked, and what is large in it passed over.

Sources: the MessagePack specification; the BinaryCIF specification (molstar/BinaryCIF), "Encoded CIF data".
"""

import errno
import os
from typing import Any

CHUNK = 1 << 12
SHORT = 256
"""Bytes of a text that is kept; data is longer."""
VALUES_LIMIT = 200_000
DEPTH_LIMIT = 32
_SIZED = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4, 0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4}
"""How many bytes say the size of what follows."""
_FIXED = {0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_EXTENSIONS = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}


def rows(descriptor: int, category: str) -> int:
    """How many rows a category of the first block has, where the whole file is there.

    Raises:
        OSError: it is truncated, no BinaryCIF, or without that category; the message says which.
    """
    walk = _Walk(descriptor)
    try:
        root = walk.value(0)
        categories = root["dataBlocks"][0]["categories"]
        found = next(one["rowCount"] for one in categories if one["name"].lstrip("_") == category)
    except EOFError:
        raise OSError(errno.EINVAL, "a truncated file: it ends before its data do") from None
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise OSError(errno.EINVAL, "not a BinaryCIF file") from None
    except StopIteration:
        raise OSError(errno.EINVAL, f"a BinaryCIF file without {category}") from None
    if not isinstance(found, int) or not 0 <= found < 1 << 63:
        raise OSError(errno.EINVAL, "not a BinaryCIF file")
    return found


class _Walk:
    """The values of a file, one after the other; texts and data that are long come back as None."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self._base, self._buffer, self._at = 0, b"", 0
        self._values = 0

    def _take(self, count: int) -> bytes:
        if self._at + count > len(self._buffer):
            self._base += self._at
            self._buffer, self._at = os.pread(self._descriptor, CHUNK, self._base), 0
            if len(self._buffer) < count:
                raise EOFError
        self._at += count
        return self._buffer[self._at - count : self._at]

    def _skip(self, count: int) -> None:
        if self._base + self._at + count > self._size:
            raise EOFError
        self._at += count  # maybe past the buffer: the next look reads there

    def _number(self, count: int, *, signed: bool = False) -> int:
        return int.from_bytes(self._take(count), "big", signed=signed)

    def value(self, depth: int) -> Any:
        """The next value.

        Raises:
            EOFError: the file ends within it.
            ValueError: it is nested or numbered as no BinaryCIF is, or its keys are no texts.
        """
        self._values += 1
        if depth > DEPTH_LIMIT or self._values > VALUES_LIMIT:
            raise ValueError
        kind = self._number(1)
        if kind < 0x80:  # noqa: PLR2004 (the numbers of the specification)
            return kind
        if kind >= 0xE0:  # noqa: PLR2004
            return kind - 0x100
        if kind <= 0x8F:  # noqa: PLR2004
            return self._map(kind & 0x0F, depth)
        if kind <= 0x9F:  # noqa: PLR2004
            return self._array(kind & 0x0F, depth)
        if kind <= 0xBF:  # noqa: PLR2004
            return self._text(kind & 0x1F)
        return self._marked(kind, depth)

    def _marked(self, kind: int, depth: int) -> Any:
        """A value whose kind fills its first byte."""
        if kind in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[kind]
        if kind in _FIXED:
            return self._number(_FIXED[kind], signed=kind >= 0xD0)  # noqa: PLR2004 (a float is of no interest)
        if kind in _EXTENSIONS:
            self._skip(1 + _EXTENSIONS[kind])
            return None
        if kind not in _SIZED:
            raise ValueError
        size = self._number(_SIZED[kind])
        if kind in (0xD9, 0xDA, 0xDB):
            return self._text(size)
        if kind in (0xDC, 0xDD):
            return self._array(size, depth)
        if kind in (0xDE, 0xDF):
            return self._map(size, depth)
        self._skip(size + (kind in (0xC7, 0xC8, 0xC9)))
        return None

    def _text(self, size: int) -> str | None:
        if size > SHORT:
            self._skip(size)
            return None
        return self._take(size).decode("utf-8", "replace")

    def _array(self, size: int, depth: int) -> list[Any]:
        return [self.value(depth + 1) for _ in range(min(size, VALUES_LIMIT + 1))]

    def _map(self, size: int, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for _ in range(min(size, VALUES_LIMIT + 1)):
            key = self.value(depth + 1)
            if not isinstance(key, str):
                raise ValueError
            found[key] = self.value(depth + 1)
        return found
