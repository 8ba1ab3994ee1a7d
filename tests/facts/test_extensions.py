"""The cache of extensions, on directories made by hand: no PyTorch, no GPU, a C compiler where there is one."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab import BATON, CUDA, DEFAULT_ROOT, FLOCK, PLAIN, Lab, fatbin, with_gpu_code
from sparkdoctor.facts import Extensions, extensions
from sparkdoctor.facts.extensions import (
    State,
)
from sparkdoctor.host import Question
from standins.hosts import Elsewhere, Witness, nothing_written, script

# --- the root


@pytest.mark.parametrize(
    ("settings", "root"),
    [
        ({}, f"HOME{DEFAULT_ROOT}"),
        ({"TORCH_EXTENSIONS_DIR": "HOME/x"}, "HOME/x"),
        ({"TORCH_EXTENSIONS_DIR": "HOME/a/../x//"}, "HOME/x"),
        ({"TORCH_EXTENSIONS_DIR": "x"}, "CWD/x"),
        ({"TORCH_EXTENSIONS_DIR": ""}, "CWD"),
        ({"XDG_CACHE_HOME": "HOME/c"}, "HOME/c/torch_extensions/py312_cu130"),
        ({"XDG_CACHE_HOME": ""}, "CWD/torch_extensions/py312_cu130"),
        ({"HOME": ""}, DEFAULT_ROOT),
    ],
)
def test_the_root(lab: Lab, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], root: str) -> None:
    monkeypatch.delenv("TORCH_EXTENSIONS_DIR")
    (lab.place / "cwd").mkdir()
    monkeypatch.chdir(lab.place / "cwd")
    for name, value in settings.items():
        monkeypatch.setenv(name, value.replace("HOME", str(lab.place)))
    real = os.path.realpath(lab.place)
    assert lab.look().root.path == root.replace("HOME", real).replace("CWD", f"{real}/cwd")


@pytest.mark.parametrize(
    ("cuda", "version", "abiflags", "text", "name"),
    [
        ("13.0", "3.12.3", "", BATON, "py312_cu130"),
        (None, "3.9.1", "", BATON, "py39_cpu"),
        ("12.8", "3.13.1", "t", BATON + 'getattr(sys, "abiflags", "")', "py313t_cu128"),
        ("12.8", "3.13.1", "t", BATON, "py313_cu128"),
        ("12.8", "3.13.1", None, BATON, "py313_cu128"),  # a tape of before that was asked
    ],
)
def test_the_folder(lab: Lab, cuda: str | None, version: str, abiflags: str | None, text: str, name: str) -> None:
    lab.of_torch("2.13.0", cuda, text)
    lab.version, lab.abiflags = version, abiflags
    assert lab.look().usual.rpartition("/")[2] == name


def test_a_root_that_is_not_there_costs_nothing(lab: Lab) -> None:
    lab.root.rmdir()
    found = lab.look()
    assert (found.found, found.holders, found.root.status) == ((), None, None)
    assert found.root.above[0][0] == os.path.realpath(lab.place)


# --- the states


def test_a_whole_extension_is_ready_and_stays_as_it_is(lab: Lab) -> None:
    path = lab.add()
    before = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in path.iterdir()}
    with nothing_written(lab.root):
        assert lab.state() == (State.WHOLE, "")
    assert {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in path.iterdir()} == before
    assert lab.look().holders is None  # nobody had to be looked for


def locked_ruin(path: Path) -> None:
    (path / "lock").touch()
    (path / "op.so").unlink()


def directory_for_library(path: Path) -> None:
    (path / "op.so").unlink()
    (path / "op.so").mkdir()


BREAKS: dict[str, tuple[Callable[[Path], object], State, str]] = {
    "no build.ninja": (lambda path: (path / "build.ninja").unlink(), State.DAMAGED, "build.ninja does not exist"),
    "empty build.ninja": (lambda path: os.truncate(path / "build.ninja", 0), State.DAMAGED, "is empty"),
    "truncated build.ninja": (lambda path: os.truncate(path / "build.ninja", 300), State.DAMAGED, "breaks off"),
    "no object": (lambda path: (path / "op.o").unlink(), State.DAMAGED, "op.o does not exist"),
    "no library": (lambda path: (path / "op.so").unlink(), State.DAMAGED, "op.so does not exist"),
    "cut library": (lambda path: os.truncate(path / "op.so", 5000), State.DAMAGED, "is cut off: 5000 of at least"),
    "text as a library": (lambda path: (path / "op.so").write_text("hello"), State.DAMAGED, "is no library: 5 bytes"),
    "library that is a directory": (directory_for_library, State.DAMAGED, "op.so: not a regular file"),
    "huge build.ninja": (lambda path: (path / "build.ninja").write_text("# x\n" * (1 << 20) + "y"), State.DAMAGED, "too large"),
    "lock": (lambda path: (path / "lock").touch(), State.LOCKED, ""),
    "lock and no library": (locked_ruin, State.LOCKED, ""),
    "lock that is a directory": (lambda path: (path / "lock").mkdir(), State.WHOLE, ""),
}


@pytest.mark.parametrize("what", BREAKS)
def test_what_is_broken(lab: Lab, what: str) -> None:
    damage, state, words = BREAKS[what]
    damage(lab.add())
    found = lab.state()
    assert found[0] is state
    assert words in found[1]


def test_a_lock_of_the_kernel_s_means_nothing(lab: Lab) -> None:
    (lab.add() / "lock").touch()
    lab.of_torch("2.14.1", "13.0", FLOCK)
    assert lab.state() == (State.WHOLE, "")
    assert lab.look().flocks
    for version, flocks in (("2.13.9", False), ("2.14.0a0+git1", True)):  # whose text says nothing
        lab.of_torch(version, "13.0", "")
        assert lab.look().flocks is flocks


def test_what_is_no_extension_is_left_alone(lab: Lab) -> None:
    (lab.root / "py312_cu130").mkdir()
    (lab.root / "notes.txt").touch()
    (lab.root / "repository").mkdir()
    for name in ("lock", "README"):
        (lab.root / "repository" / name).touch()
    lab.add().rename(lab.root / "op.aside")
    assert lab.look().found == ()
    (lab.root / "killed").mkdir()
    (lab.root / "killed" / "lock").touch()
    assert lab.state() == (State.LOCKED, "")


def test_a_huge_cache_is_looked_at_in_part(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extensions, "LIMIT", 3)
    for number in range(5):
        (lab.root / f"op{number}").mkdir()
        (lab.root / f"op{number}" / "build.ninja").touch()
    found = lab.look()
    assert len(found.found) == 3
    assert found.but == f"; only 3 of the extensions in {found.root.path} were looked at"


def test_a_root_that_is_no_cache_is_looked_at_in_part(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extensions, "ENTRIES_LIMIT", 3)
    for number in range(5):
        (lab.root / f"a{number}").mkdir()
    assert lab.look().none == f"only 3 of the 5 names in {lab.look().root.path} were looked at"
    (lab.root / extensions.FIRST).mkdir()
    (lab.root / extensions.FIRST / "build.ninja").touch()
    assert lab.look().named(extensions.FIRST)  # it comes before all others


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_not_said_to_be_missing(lab: Lab) -> None:
    path = lab.add()
    (path / "op.so").chmod(0)
    assert "op.so: Permission denied" in lab.state()[1]
    (path / "op.so").chmod(0o755)
    path.chmod(0o555)
    assert not lab.look().found[0].writable
    path.chmod(0o755)
    lab.root.chmod(0)
    try:
        assert "Permission denied" in lab.look().none
    finally:
        lab.root.chmod(0o755)


HOLD = "import os, sys, time; os.open(sys.argv[1] + '/lock', os.O_CREAT); print(flush=True); time.sleep(60)"


@pytest.mark.parametrize("flocks", [False, True])
def test_a_live_builder_is_seen(lab: Lab, witness: Witness, flocks: bool) -> None:
    path = lab.add()
    (path / "op.so").unlink()
    lab.of_torch("2.14.1" if flocks else "2.13.0", "13.0", FLOCK if flocks else BATON)
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        state, words = lab.state()
        process.kill()
    assert state is State.BUILDING
    assert f"(pid {process.pid}) has {os.path.realpath(path)}/lock" in words
    assert lab.state()[0] is (State.DAMAGED if flocks else State.LOCKED)


@pytest.mark.parametrize(
    ("name", "locked", "state"),
    [
        ("ninja", True, State.LOCKED),
        ("cicc", False, State.BUILDING),
        ("bash", True, State.LOCKED),
        ("bash", False, State.DAMAGED),
    ],
)
def test_compilers_that_go_on_are_seen_and_shells_are_not_compilers(
    lab: Lab, witness: Witness, name: str, locked: bool, state: State
) -> None:
    path = lab.add()
    (path / "op.so").unlink()
    if locked:
        (path / "lock").touch()
    program = shutil.copy(shutil.which("sleep") or "/bin/sleep", lab.place / name)
    with subprocess.Popen([program, "60"], cwd=path) as process:
        (found,) = lab.look().found
        process.kill()
    assert found.state is state
    assert [holder.name for holder in found.holders] == ([] if name == "bash" else [name])
    assert found.builder is None


def test_a_lock_that_goes_while_we_look_was_none(lab: Lab) -> None:
    path = lab.add()
    (path / "lock").touch()
    host = Elsewhere()

    class Racing:
        def answer(self, question: Question, timeout: float) -> Any:
            answer = host.answer(question, timeout)
            if question.kind == "holders":
                (path / "lock").unlink()
            return answer

    machine = lab.machine()
    machine._host = _Both(machine._host, Racing())
    found = machine.get(Extensions)
    assert isinstance(found, Extensions)
    assert found.found[0].state is State.WHOLE


class _Both:
    """The first host for the interpreter, the second for all else."""

    def __init__(self, first: Any, second: Any) -> None:
        self.first, self.second = first, second

    def answer(self, question: Question, timeout: float) -> Any:
        return (self.first if question.kind == "script" else self.second).answer(question, timeout)


NINJAS = {
    "echo 'ninja explain: output op.o older than most recent input /x.h' >&2; echo '[1/2] c++'": "older than most recent input",
    "echo 'ninja: error: build.ninja:4: unexpected EOF' >&2; exit 1": "unexpected EOF",
    "echo '[1/2] c++'": "would build it anew",
    "exit 3": "ninja exited with status 3",
}


@pytest.mark.parametrize("text", NINJAS)
def test_what_ninja_says_counts(lab: Lab, text: str) -> None:
    lab.add()
    script(lab.place / "bin" / "ninja", f"#!/bin/sh\n{text}\n")
    state, words = lab.state()
    assert state is State.OUTDATED
    assert NINJAS[text] in words


def test_without_ninja_the_files_count(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.add()
    monkeypatch.setenv("PATH", str(lab.place / "lab"))
    found = lab.look()
    assert not found.asked
    assert found.found[0].state is State.WHOLE


def test_a_library_for_another_processor_python_or_torch(lab: Lab) -> None:
    path = lab.add()
    data = bytearray((path / "op.so").read_bytes())
    data[18:20] = (62 if os.uname().machine == "aarch64" else 183).to_bytes(2, "little")
    (path / "op.so").write_bytes(data)
    assert "its library is for" in lab.state()[1]
    shutil.copy(lab.library, path / "op.so")
    lab.version = "3.13.0"
    assert lab.state() == (State.FOREIGN, "it was compiled for Python 3.12; today's is 3.13")
    lab.version = "3.12.9"
    (lab.torch / "version.py").touch()
    os.utime(lab.torch / "version.py", (4_000_000_000, 4_000_000_000))
    assert "before this PyTorch (2.13.0+cu130) was installed" in lab.state()[1]
    (path / "build.ninja").write_text(PLAIN.replace("TORCH/", f"{lab.place}/other/torch/"))
    assert f"{lab.place}/other/torch is gone" in lab.state()[1]
    (lab.place / "other" / "torch").mkdir(parents=True)
    (found,) = lab.look().found
    assert (found.state, found.mild) == (State.FOREIGN, True)


def test_a_torch_that_is_reached_through_a_link_is_the_same(lab: Lab) -> None:
    (lab.place / "lib64").symlink_to("site")
    lab.add(text=PLAIN.replace("TORCH/", f"{lab.place}/lib64/torch/"))
    assert lab.state() == (State.WHOLE, "")


@pytest.mark.parametrize(
    ("entries", "cuda", "words"),
    [
        ([(2, 121, 0x11)], 13, None),
        ([(2, 120, 0x11), (1, 120, 0x8011)], 13, None),
        ([(2, 90, 0x11), (1, 90, 0x8011)], 13, None),  # the driver compiles the PTX
        ([(2, 90, 0x11)], 13, "its GPU code is sm_90; none of it runs on 12.1"),
        ([(2, 120, 0x100011)], 13, "its GPU code is sm_120a; none of it runs on 12.1"),
        ([(2, 121, 0x11)], 12, "it wants libcudart.so.12; PyTorch 2.13.0+cu130 has CUDA 13"),
    ],
)
def test_gpu_code(lab: Lab, compiler: str, entries: list[tuple[int, int, int]], cuda: int, words: str | None) -> None:
    nvcc = script(lab.place / "cuda" / "bin" / "nvcc", "#!/bin/sh\n")
    lab.add(text=CUDA.replace("NVCC", str(nvcc)), library=with_gpu_code(compiler, lab.place, fatbin(*entries), cuda))
    assert lab.state() == ((State.FOREIGN, words) if words else (State.WHOLE, ""))
    assert lab.look().found[0].cuda == cuda
    nvcc.unlink()
    assert f"{nvcc} is gone" in lab.state()[1]


def test_gpu_code_that_cannot_be_read_is_left_to_cuobjdump(lab: Lab, compiler: str) -> None:
    nvcc = script(lab.place / "cuda" / "bin" / "nvcc", "#!/bin/sh\n")
    lab.add(text=CUDA.replace("NVCC", str(nvcc)), library=with_gpu_code(compiler, lab.place, b"\1" * 64))
    assert lab.state() == (State.WHOLE, "")  # nobody to ask
    text = 'case $1 in --list-elf) echo "ELF file    1: a.1.sm_90.cubin";; esac\n'
    script(lab.place / "cuda" / "bin" / "cuobjdump", f"#!/bin/sh\n{text}")
    assert lab.state() == (State.FOREIGN, "its GPU code is sm_90; none of it runs on 12.1")
