"""What an ELF file was built for."""

from sparkdoctor import elf
from sparkdoctor.model import Missing

HEAD = 20
WHOLE_HEAD = 64


def machine_of(head: bytes | Missing) -> str | None:
    """The processor that a file's first 20 bytes name, as uname calls it; None where it is no ELF file."""
    return None if isinstance(head, Missing) else elf.machine(head)


def size_stated(head: bytes | Missing) -> int | None:
    """The least size of the file that a 64-bit header of 64 bytes speaks of: where its section table ends.

    None where it is no such file. One that is shorter was cut off, and kills with SIGBUS whoever loads it.
    """
    if isinstance(head, Missing) or len(head) < WHOLE_HEAD or head[:6] != b"\x7fELF\x02\x01":
        return None
    table, size, count = (int.from_bytes(head[at : at + length], "little") for at, length in ((40, 8), (58, 2), (60, 2)))
    return table + size * count
