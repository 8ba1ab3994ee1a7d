"""ELF files read through a descriptor, in bounded memory and trusting no length that they state.

Sources: System V ABI, chapter 4, for sections; for NVIDIA's fat binaries there is no public document: their headers are those
that nvcc 13.0.88 writes, compared with what it was asked for (tests/test_real_extensions.py).
"""

import os
import struct
from collections.abc import Iterator

_CHUNK = 1 << 20
_FATBIN = 0xBA55ED50
_PTX, _CUBIN = 1, 2
_SUFFIXES = {0: "", 1: "a", 2: "f"}
ENTRIES_LIMIT = 4096
"""Containers and entries that are walked at most, together: evoformer_attn has a dozen."""


_MACHINES = {3: "i386", 21: "ppc64", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
_INTERPRETER = 3
_PATH_LIMIT = 4096


def machine(head: bytes) -> str | None:
    """The processor that a file's first 20 bytes name, as uname calls it; None where it is no ELF file.

    Source: the field e_machine of the System V ABI's ELF header; GB10, x86-64 and Grace are all little-endian.
    """
    if len(head) < 20 or head[:4] != b"\x7fELF":  # noqa: PLR2004
        return None
    number = int.from_bytes(head[18:20], "little")
    return _MACHINES.get(number, f"ELF machine {number}")


def interpreter(descriptor: int) -> str | None:
    """The loader that a 64-bit little-endian program asks for (PT_INTERP); None where it asks for none."""
    head = os.pread(descriptor, 64, 0)
    if len(head) < 64 or head[:6] != b"\x7fELF\x02\x01":  # noqa: PLR2004
        return None
    table, (size, count) = struct.unpack_from("<Q", head, 32)[0], struct.unpack_from("<HH", head, 54)
    headers = os.pread(descriptor, min(size * count, _CHUNK), table) if table < 1 << 62 else b""
    if size != 56 or len(headers) < size * count:  # noqa: PLR2004
        return None
    for number in range(count):
        kind, offset, length = struct.unpack_from("<I4xQ16xQ", headers, number * size)
        if kind == _INTERPRETER and offset < 1 << 62:
            return os.fsdecode(os.pread(descriptor, min(length, _PATH_LIMIT), offset).partition(b"\0")[0]) or None
    return None


def section(descriptor: int, name: str) -> tuple[int, int] | None:
    """Where a section of a 64-bit little-endian ELF file begins and ends."""
    head = os.pread(descriptor, 64, 0)
    if len(head) < 64 or head[:6] != b"\x7fELF\x02\x01":  # noqa: PLR2004
        return None
    table, (size, count, names) = struct.unpack_from("<Q", head, 40)[0], struct.unpack_from("<HHH", head, 58)
    headers = os.pread(descriptor, min(size * count, _CHUNK), table)
    if size != 64 or len(headers) < size * count or names >= count:  # noqa: PLR2004
        return None
    # Of each header: the name's offset, the section's offset and size.
    sections = [struct.unpack_from("<I20xQQ", headers, number * size) for number in range(count)]
    texts = os.pread(descriptor, min(sections[names][2], _CHUNK), sections[names][1])
    for text, start, length in sections:
        if texts[text : text + len(name) + 1] == name.encode() + b"\0":
            return start, start + length
    return None


def gpu_code(descriptor: int) -> list[str]:
    """The GPU code in a file, `sm_121` for a cubin and `compute_121` for PTX, each once; empty where it has none.

    Raises:
        ValueError: it has a fat binary that this cannot walk.
    """
    place = section(descriptor, ".nv_fatbin")
    if place is None:
        return []
    offset, end = place[0], min(place[1], os.fstat(descriptor).st_size)
    found: dict[str, None] = {}
    steps = iter(range(ENTRIES_LIMIT))
    for _ in steps:
        if end - offset < 16:  # noqa: PLR2004
            break
        magic, _version, header, size = struct.unpack("<IHHQ", os.pread(descriptor, 16, offset).ljust(16, b"\0"))
        if magic != _FATBIN or header < 16 or offset + header + size > end:  # noqa: PLR2004
            raise ValueError(f".nv_fatbin cannot be understood at {offset}")
        found |= dict.fromkeys(_entries(descriptor, offset + header, offset + header + size, steps))
        offset += header + size + -(header + size) % 8
    if not found:
        raise ValueError(".nv_fatbin names no architecture")
    return list(found)


def _entries(descriptor: int, offset: int, end: int, steps: Iterator[int]) -> Iterator[str]:
    while offset < end and next(steps, None) is not None:
        entry = os.pread(descriptor, 48, offset).ljust(48, b"\0")
        kind, header, size, number, flags = struct.unpack("<H2xIQ12xI8xQ", entry)
        if header < 48 or offset + header + size > end:  # noqa: PLR2004
            raise ValueError(f".nv_fatbin cannot be understood at {offset}")
        suffix = _SUFFIXES.get(flags >> 20 & 3, "")
        if kind in (_PTX, _CUBIN) and 10 <= number < 1000:  # noqa: PLR2004
            yield f"{'compute' if kind == _PTX else 'sm'}_{number}{suffix}"
        offset += header + size
