"""What facts make of texts: ELF."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor.facts import (
    elf,
)
from sparkdoctor.model import Missing


def head(machine: int) -> bytes:
    return b"\x7fELF\x02\x01\x01" + bytes(9) + (3).to_bytes(2, "little") + machine.to_bytes(2, "little")


@pytest.mark.parametrize(
    ("number", "name"), [(183, "aarch64"), (62, "x86_64"), (3, "i386"), (40, "arm"), (999, "ELF machine 999")]
)
def test_the_processor_of_an_elf_file(number: int, name: str) -> None:
    assert elf.machine_of(head(number)) == name


@given(st.one_of(st.binary(), st.binary().map(lambda rest: b"\x7fELF" + rest)))
def test_the_processor_of_any_bytes(data: bytes) -> None:
    found = elf.machine_of(data)
    assert (found is None) == (len(data) < elf.HEAD or not data.startswith(b"\x7fELF"))
    assert elf.machine_of(Missing("")) is None
