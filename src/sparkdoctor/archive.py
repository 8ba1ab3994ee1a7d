"""ZIP archives, read no further than to find one member: a checkpoint of PyTorch has thousands, and gigabytes.

Source: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12 and 4.3.14 to 4.3.16.
"""

import errno
import os
import struct
from collections.abc import Iterator

TAIL = (1 << 16) + 22
"""Bytes in which the record at an archive's end begins: it may carry a comment."""
CHUNK = 1 << 18
DIRECTORY_LIMIT = 32 << 20
MEMBER_LIMIT = 64 << 20
"""Bytes of the directory and of the unpacked member that are read at most."""
END, END_64, LOCATOR_64, ENTRY, LOCAL = b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\1\2", b"PK\3\4"
SAMPLES = 48
"""Members whose beginnings are looked at: what downloads in parts and breaks off has its end, and holes before."""
_BIG = 0xFFFFFFFF


def found_in(descriptor: int, member: str, texts: list[str]) -> list[str]:
    """Which of these texts stand in the first member of this name, in whatever directory of the archive.

    Raises:
        OSError: it is no archive, a truncated one, or has no such member; the message says which.
    """
    offset, length = _directory(descriptor)
    entry = _entry(descriptor, offset, length, member.encode())
    if entry is None:
        raise OSError(errno.EINVAL, f"an archive without {member}")
    if gaps := _gaps(descriptor, offset, length):
        raise OSError(errno.EINVAL, f"a damaged archive: {gaps} of {SAMPLES} members looked at are not where its directory says")
    wanted = [text.encode() for text in texts]
    reach = max(map(len, wanted), default=1) - 1
    seen: set[bytes] = set()
    before = b""
    for chunk in _content(descriptor, *entry):
        text = before + chunk
        seen.update(one for one in wanted if one not in seen and one in text)
        if len(seen) == len(wanted):
            break
        before = text[len(text) - reach :] if reach else b""
    return [text for text in texts if text.encode() in seen]


def _directory(descriptor: int) -> tuple[int, int]:
    """Where the central directory lies, and its length."""
    size = os.fstat(descriptor).st_size
    base = max(0, size - TAIL)
    tail = os.pread(descriptor, TAIL, base)
    at = tail.rfind(END)
    # What follows the archive is passed over, as PyTorch does.
    while at >= 0 and (at + 22 > len(tail) or at + 22 + int.from_bytes(tail[at + 20 : at + 22], "little") > len(tail)):
        at = tail.rfind(END, 0, at)
    if at < 0:
        raise OSError(errno.EINVAL, "a truncated archive: the record at its end is missing")
    length, offset = struct.unpack("<II", tail[at + 12 : at + 20])
    locator = os.pread(descriptor, 20, base + at - 20) if base + at >= 20 else b""  # noqa: PLR2004 (its length)
    if locator.startswith(LOCATOR_64):
        end = os.pread(descriptor, 56, int.from_bytes(locator[8:16], "little") & (1 << 63) - 1)
        if len(end) == 56 and end.startswith(END_64):  # noqa: PLR2004
            length, offset = struct.unpack("<QQ", end[40:56])
    if offset + length > size:
        raise OSError(errno.EINVAL, "a damaged archive: its directory lies beyond its end")
    return offset, length


def _entry(descriptor: int, offset: int, length: int, member: bytes) -> tuple[int, int, int] | None:
    """Method, packed size and place of a member, read from the directory as far as needed."""
    end, buffer = offset + min(length, DIRECTORY_LIMIT), b""
    while True:
        if len(buffer) < 46 or len(buffer) < 46 + sum(struct.unpack("<HHH", buffer[28:34])):  # noqa: PLR2004
            more = os.pread(descriptor, min(CHUNK, end - offset), offset) if offset < end else b""
            if not more:
                return None
            offset += len(more)
            buffer += more
            continue
        if not buffer.startswith(ENTRY):
            raise OSError(errno.EINVAL, "a damaged archive: its directory makes no sense")
        name_size, extra_size, comment_size = struct.unpack("<HHH", buffer[28:34])
        name, extra = buffer[46 : 46 + name_size], buffer[46 + name_size : 46 + name_size + extra_size]
        if name == member or name.endswith(b"/" + member):
            (method,) = struct.unpack("<H", buffer[10:12])
            packed, size = struct.unpack("<II", buffer[20:28])
            (place,) = struct.unpack("<I", buffer[42:46])
            numbers = iter(_large(extra))
            # The large ones stand in this order, each only where its field is full.
            size, packed, place = (next(numbers, value) if value == _BIG else value for value in (size, packed, place))
            return method, packed, place
        buffer = buffer[46 + name_size + extra_size + comment_size :]


def _gaps(descriptor: int, offset: int, length: int) -> int:
    """How many of some members, evenly spread over the directory, do not begin where it says."""
    directory = os.pread(descriptor, min(length, DIRECTORY_LIMIT), offset)
    gaps, at = 0, 0
    for number in range(SAMPLES):
        at = directory.find(ENTRY, max(at, len(directory) * number // SAMPLES))
        if at < 0 or at + 46 > len(directory):
            break
        place = int.from_bytes(directory[at + 42 : at + 46], "little")
        gaps += place != _BIG and os.pread(descriptor, 4, place) != LOCAL
        at += 4
    return gaps


def _large(extra: bytes) -> tuple[int, ...]:
    """The numbers of the ZIP64 field."""
    while len(extra) >= 4:  # noqa: PLR2004 (a field's head)
        kind, size = struct.unpack("<HH", extra[:4])
        if kind == 1:
            body = extra[4 : 4 + size]
            return struct.unpack(f"<{len(body) // 8}Q", body[: len(body) // 8 * 8])
        extra = extra[4 + size :]
    return ()


def _content(descriptor: int, method: int, packed: int, place: int) -> Iterator[bytes]:
    """The member's bytes, unpacked."""
    place &= (1 << 62) - 1
    head = os.pread(descriptor, 30, place)
    if len(head) < 30 or not head.startswith(LOCAL):  # noqa: PLR2004
        raise OSError(errno.EINVAL, "a damaged archive: a member is not where its directory says")
    place += 30 + sum(struct.unpack("<HH", head[26:30]))
    if method not in (0, 8):
        raise OSError(errno.EINVAL, f"an archive that is packed in a way that is not known ({method})")
    from zlib import decompressobj, error  # noqa: PLC0415 (PyTorch's own are not packed, but this is cheap)

    unpack = decompressobj(-15)
    left, room = min(packed, MEMBER_LIMIT), MEMBER_LIMIT
    while left > 0 and room > 0:
        chunk = os.pread(descriptor, min(CHUNK, left), place)
        if not chunk:
            raise OSError(errno.EINVAL, "a damaged archive: a member ends too early")
        place += len(chunk)
        left -= len(chunk)
        if method:
            try:
                chunk = unpack.decompress(chunk, room)
            except error as problem:
                raise OSError(errno.EINVAL, f"a damaged archive: {problem}") from None
        room -= len(chunk)
        yield chunk
