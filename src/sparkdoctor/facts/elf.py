"""What an ELF file was built for."""

from sparkdoctor.model import Missing

HEAD = 20
WHOLE_HEAD = 64
_MACHINES = {3: "i386", 40: "arm", 62: "x86_64", 183: "aarch64", 21: "ppc64", 243: "riscv64"}


def machine_of(head: bytes | Missing) -> str | None:
    """The processor that a file's first 20 bytes name, as uname calls it; None where it is no ELF file.

    Source: the field e_machine of the System V ABI's ELF header; GB10, x86-64 and Grace are all little-endian.
    """
    if isinstance(head, Missing) or len(head) < HEAD or head[:4] != b"\x7fELF":
        return None
    number = int.from_bytes(head[18:20], "little")
    return _MACHINES.get(number, f"ELF machine {number}")


def size_stated(head: bytes | Missing) -> int | None:
    """The least size of the file that a 64-bit header of 64 bytes speaks of: where its section table ends.

    None where it is no such file. One that is shorter was cut off, and kills with SIGBUS whoever loads it.
    """
    if isinstance(head, Missing) or len(head) < WHOLE_HEAD or head[:6] != b"\x7fELF\x02\x01":
        return None
    table, size, count = (int.from_bytes(head[at : at + length], "little") for at, length in ((40, 8), (58, 2), (60, 2)))
    return table + size * count
