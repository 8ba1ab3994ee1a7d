"""Whether a command can be started, with real files."""

import contextlib
import os
import stat
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor import command, elf
from sparkdoctor.command import CommandError, find

PLAIN = "/usr/bin:/bin"


def made(path: Path, content: bytes, mode: int = 0o755) -> str:
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


def refusal(name: str, path: str | None = PLAIN) -> str:
    with pytest.raises(CommandError) as caught:
        find(name, path)
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.fixture(autouse=True)
def no_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_HANDLERS", "/nowhere")


def test_what_execvp_would_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for place in (first, second):
        place.mkdir()
    made(first / "tool", b"#!/bin/sh\n", 0o644)  # passed over, as by execvp
    (first / "other").mkdir()
    tool, other = made(second / "tool", b"#!/bin/sh\n"), made(second / "other", b"#!/bin/sh\n")
    path = f"{first}:/nowhere:{second}"
    assert find("tool", path) == tool
    assert find("other", path) == other
    assert find(tool, "") == tool
    assert find("sh", None) in {"/bin/sh", "/usr/bin/sh"}
    monkeypatch.chdir(second)
    assert find("tool", f"{first}:") == "./tool"
    assert find("./tool", "/nowhere") == "./tool"
    assert find(sys.executable, PLAIN) == sys.executable
    assert (
        refusal("tool", str(first))
        == f"tool: no such command on PATH; {first}/tool is there, but it is not executable (chmod +x)"
    )


def test_what_cannot_be_started(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o755)
    (tmp_path / "link").symlink_to("nowhere")
    assert refusal(str(fifo)).endswith(": it is no file")
    assert refusal(str(tmp_path)).endswith(": it is a directory")
    assert refusal(str(tmp_path / "none")).endswith(": no such file")
    assert refusal(str(tmp_path / "link")).endswith(": it is a link to nothing")
    assert refusal(f"{sys.executable}/x").endswith(": not a directory")
    assert refusal("") == "the command's name is empty"
    assert refusal("no\nsuch") == "'no\\nsuch': no such command on PATH"
    assert refusal("/x\0y").endswith("null byte")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "neither a program nor a script"),
        (b"echo x\n", "neither a program nor a script"),
        (b"#!\n", "names no interpreter"),
        (b"#!/no/such/python3\n", "its interpreter /no/such/python3: no such file"),
        (b"#! /bin/sh\r\n", "its interpreter '/bin/sh\\r': no such file"),
        (b"#!/usr/bin/env no-such-python\n", "its interpreter no-such-python is not on PATH"),
        (b"#!/\n", "its interpreter /: it is a directory"),
        (b"#!/usr/bin/env -S no-such-python\n", ""),  # env itself will tell
        (b"#!/usr/bin/env sh\n", ""),
        (b"#! \t/bin/sh -e\nexit 0\n", ""),
    ],
)
def test_a_script(tmp_path: Path, content: bytes, words: str) -> None:
    file = made(tmp_path / "script", content)
    if not words:
        assert find(file, PLAIN) == file
        return
    assert words in refusal(file)
    # The kernel sees it as we do; env only when it has begun.
    if b"env" in content:
        assert subprocess.run([file], check=False, capture_output=True).returncode == 127
    else:
        with pytest.raises(OSError, match=r"Exec format error|No such file|Permission denied"):
            subprocess.run([file], check=False)


def test_a_program_for_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = bytearray(Path("/bin/true").read_bytes())
    here = elf.machine(bytes(program))
    assert here == os.uname().machine
    assert find("/bin/true", PLAIN) == "/bin/true"
    number, name = (183, "aarch64") if here == "x86_64" else (62, "x86_64")
    program[18:20] = struct.pack("<H", number)
    file = made(tmp_path / "true", bytes(program))
    assert refusal(file) == f"{file}: it is a program for {name}, and this is {here}"
    with pytest.raises(OSError, match="Exec format error"):
        subprocess.run([file], check=False)
    handlers = tmp_path / "handlers"
    handlers.mkdir()
    for entry in ("register", "status", "qemu-other"):
        (handlers / entry).touch()
    monkeypatch.setattr(command, "_HANDLERS", str(handlers))
    assert find(file, PLAIN) == file


def test_a_program_of_another_system(tmp_path: Path) -> None:
    program = Path("/bin/true").read_bytes()
    with open("/bin/true", "rb") as opened:
        loader = elf.interpreter(opened.fileno())
    assert loader is not None
    assert os.path.exists(loader)
    other = loader[:-4] + "none"
    file = made(tmp_path / "true", program.replace(loader.encode() + b"\0", other.encode() + b"\0", 1))
    assert refusal(file) == f"{file}: its loader {other} does not exist: it was built for another system"


def test_what_may_be_executed_and_not_read_is_left_to_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = made(tmp_path / "secret", b"nonsense", stat.S_IXUSR | stat.S_IXGRP)

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert find(file, PLAIN) == file


@given(st.binary(max_size=300), st.sampled_from([b"", b"#!", b"\x7fELF\x02\x01", b"\x7fELF\x02\x01" + b"\0" * 26 + b"\x40"]))
def test_any_content(tmp_path_factory: pytest.TempPathFactory, content: bytes, head: bytes) -> None:
    file = made(tmp_path_factory.getbasetemp() / "any", head + content)
    with contextlib.suppress(CommandError):
        assert find(file, PLAIN) == file
