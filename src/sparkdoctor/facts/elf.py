"""What an ELF file was built for."""

from sparkdoctor.model import Missing

HEAD = 20
_MACHINES = {3: "i386", 40: "arm", 62: "x86_64", 183: "aarch64", 21: "ppc64", 243: "riscv64"}


def machine_of(head: bytes | Missing) -> str | None:
    """The processor that a file's first 20 bytes name, as uname calls it; None where it is no ELF file.

    Source: the field e_machine of the System V ABI's ELF header; GB10, x86-64 and Grace are all little-endian.
    """
    if isinstance(head, Missing) or len(head) < HEAD or head[:4] != b"\x7fELF":
        return None
    number = int.from_bytes(head[18:20], "little")
    return _MACHINES.get(number, f"ELF machine {number}")
