"""The cache of extensions, on directories made by hand: no PyTorch, no GPU, a C compiler where there is one."""

import json
import os
import shlex
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor import elf
from sparkdoctor.architecture import Architecture, Capability
from sparkdoctor.facts import CacheAccess, Extensions, Ninja, TritonCache, extensions
from sparkdoctor.facts.cache_access import _opening
from sparkdoctor.facts.deepspeed import parse_prebuilt as parse_ops
from sparkdoctor.facts.elf import size_stated
from sparkdoctor.facts.extensions import (
    Build,
    State,
    Today,
    builders,
    mismatches,
    move_aside,
    parse_build,
    parse_cuobjdump,
    runtime,
    work_left,
)
from sparkdoctor.facts.places import Mount, home, locate, mount_of
from sparkdoctor.host import LocalHost, Question
from sparkdoctor.machine import FileStatus, Holder, Machine
from sparkdoctor.model import Broken, Missing
from sparkdoctor.process import Ran
from standins.hosts import Elsewhere, Paper, Witness, machine_of, nothing_written, script

# What PyTorch 2.13.0 wrote for an extension of one C++ file.
PLAIN = """\
ninja_required_version = 1.3
cxx = c++

cflags = -DTORCH_EXTENSION_NAME=op -DTORCH_API_INCLUDE_EXTENSION_H -isystem TORCH/include -isystem TORCH/include/torch/csrc/api/include -isystem /usr/include/python3.12 -fPIC -std=c++20
post_cflags = 
cuda_dlink_post_cflags = 
sycl_dlink_post_cflags = 
ldflags = -shared -LTORCH/lib -lc10 -ltorch_cpu -ltorch -ltorch_python

rule compile
  command = $cxx -MMD -MF $out.d $cflags -c $in -o $out $post_cflags
  depfile = $out.d
  deps = gcc





rule link
  command = $cxx $in $ldflags -o $out

build op.o: compile /src/op.cpp





build op.so: link op.o

default op.so
"""  # noqa: W291
# The same version's for one of two files, the second of them CUDA.
CUDA = """\
ninja_required_version = 1.3
cxx = c++
nvcc = NVCC

cflags = -DTORCH_EXTENSION_NAME=op -DTORCH_API_INCLUDE_EXTENSION_H -I'/home/me/a dir/cutlass' -isystem TORCH/include -isystem TORCH/include/torch/csrc/api/include -isystem /usr/local/cuda/include -isystem /usr/include/python3.12 -fPIC -std=c++20 -O3
post_cflags = 
cuda_cflags = -DTORCH_EXTENSION_NAME=op -DTORCH_API_INCLUDE_EXTENSION_H -I'/home/me/a dir/cutlass' -isystem TORCH/include -isystem TORCH/include/torch/csrc/api/include -isystem /usr/local/cuda/include -isystem /usr/include/python3.12 -D__CUDA_NO_HALF_OPERATORS__ -D__CUDA_NO_HALF_CONVERSIONS__ -D__CUDA_NO_BFLOAT16_CONVERSIONS__ -D__CUDA_NO_HALF2_OPERATORS__ --expt-relaxed-constexpr --compiler-options '-fPIC' -O3 -gencode=arch=compute_121,code=sm_121 -std=c++20
cuda_post_cflags = 
cuda_dlink_post_cflags = 
sycl_dlink_post_cflags = 
ldflags = -shared -lcurand -LTORCH/lib -lc10 -lc10_cuda -ltorch_cpu -ltorch_cuda -ltorch -ltorch_python -L/usr/local/cuda/lib64 -lcudart

rule compile
  command = $cxx -MMD -MF $out.d $cflags -c $in -o $out $post_cflags
  depfile = $out.d
  deps = gcc

rule cuda_compile
  depfile = $out.d
  deps = gcc
  command = $nvcc -MD -MF $out.d $cuda_cflags -c $in -o $out $cuda_post_cflags





rule link
  command = $cxx $in $ldflags -o $out

build op.o: compile /src/op.cpp
build gpu.cuda.o: cuda_compile /src/gpu.cu





build op.so: link op.o gpu.cuda.o

default op.so
"""  # noqa: W291
BATON = "    baton = FileBaton(os.path.join(build_directory, 'lock'))\n"  # 2.13.0
FLOCK = "    with FileLock(os.path.join(build_directory, 'lock')):\n"  # 2.14.1
DEFAULT_ROOT = "/.cache/torch_extensions/py312_cu130"


class Lab:
    """A made-up environment on this machine: a directory of a PyTorch, and a cache to fill."""

    def __init__(self, place: Path, library: Path) -> None:
        self.place, self.library = place, library
        self.root = place / "root"
        self.torch = place / "site" / "torch"
        self.version = "3.12.3"
        self.abiflags: str | None = ""
        self.torch.joinpath("utils").mkdir(parents=True)
        self.torch.joinpath("include").mkdir()
        self.torch.joinpath("__init__.py").touch()
        self.of_torch("2.13.0+cu130", "13.0", BATON)
        self.root.mkdir()

    def of_torch(self, version: str, cuda: str | None, text: str) -> None:
        path = self.torch / "version.py"
        path.write_text(f"__version__ = {version!r}\ncuda = {cuda!r}\n")
        os.utime(path, (1_700_000_000, 1_700_000_000))
        self.torch.joinpath("utils", "cpp_extension.py").write_text(text)

    def add(self, name: str = "op", text: str = PLAIN, library: Path | None = None) -> Path:
        path = self.root / name
        path.mkdir()
        (path / "build.ninja").write_text(text.replace("TORCH/", f"{self.torch}/"))
        for file in ("op.o", "gpu.cuda.o", ".ninja_log", ".ninja_deps"):
            (path / file).write_text(file)
        shutil.copy(library or self.library, path / "op.so")
        return path

    def machine(self, **answers: Any) -> Machine:
        said: dict[str, Any] = {"version": self.version, "include": "/usr/include/python3.12", "distributions": []}
        if self.abiflags is not None:
            said["abiflags"] = self.abiflags
        said["modules"] = {"torch": {"origin": os.path.realpath(self.torch / "__init__.py")}}
        ran = {"code": 0, "stdout": f"sparkdoctor-interpreter:{json.dumps(said)}\n", "stderr": ""}
        return machine_of(Elsewhere({"script /lab/python": ran, **answers}))

    def look(self, **answers: Any) -> Extensions:
        found = self.machine(**answers).get(Extensions)
        assert isinstance(found, Extensions), found
        return found

    def state(self) -> tuple[State, str]:
        (found,) = self.look().found
        return found.state, "; ".join(found.reasons)


def built(compiler: str, path: Path, source: str, *flags: str) -> Path:
    path.with_suffix(".c").write_text(source)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(path), str(path.with_suffix(".c")), *flags], check=True)
    return path


@pytest.fixture(scope="session")
def library(compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(compiler, tmp_path_factory.mktemp("library") / "op.so", "int op;\n")


@pytest.fixture
def lab(tmp_path: Path, library: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    for name in ("XDG_CACHE_HOME", "TRITON_CACHE_DIR", "TRITON_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SPARKDOCTOR_PYTHON", "/lab/python")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "root"))
    # A ninja that is content, and that writes as badly as one could where it is sent to.
    ninja = 'case "$*" in --version) echo 1.99; exit;; esac\necho x > "$2/.ninja_log"; rm -f "$2/.ninja_deps"\n'
    script(tmp_path / "bin" / "ninja", f"#!/bin/sh\n{ninja}echo 'ninja: no work to do.'\n")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    (tmp_path / "lab").mkdir()
    return Lab(tmp_path, library)


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


def fatbin(*entries: tuple[int, int, int], size: int | None = None) -> bytes:
    """A container of (kind, architecture, flags), as nvcc 13.0 writes it."""
    body = b"".join(
        struct.pack("<HHIQIIHHIIIQ", kind, 257, 64, 8, 0, 0, 8, 1, number, 0, 0, flags).ljust(64, b"\0") + b"\x7fELF\0\0\0\0"
        for kind, number, flags in entries
    )
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(body) if size is None else size) + body


def with_gpu_code(compiler: str, place: Path, data: bytes, cuda: int = 13) -> Path:
    """A library with this fat binary that wants a CUDA runtime."""
    stub = built(compiler, place / "libcudart.so", "void cudaMalloc(void) {}\n", f"-Wl,-soname,libcudart.so.{cuda}")
    values = ",".join(map(str, data))
    source = f'__attribute__((section(".nv_fatbin"), aligned(8))) unsigned char fat[] = {{{values}}};\n'
    source += "void cudaMalloc(void);\nvoid op(void) { cudaMalloc(); }\n"
    return built(compiler, place / "gpu.so", source, str(stub))


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


# --- parsers


def test_build_ninja_of_pytorch() -> None:
    plain, cuda = parse_build(PLAIN), parse_build(CUDA.replace("NVCC", "/usr/local/cuda/bin/nvcc").replace("TORCH", "/v/torch"))
    assert plain == Build(
        "op.so", ("op.o",), None, ("TORCH/include", "TORCH/include/torch/csrc/api/include", "/usr/include/python3.12")
    )
    assert cuda is not None
    assert (cuda.objects, cuda.nvcc) == (("op.o", "gpu.cuda.o"), "/usr/local/cuda/bin/nvcc")
    assert (cuda.torch, cuda.python, cuda.includes[0]) == ("/v/torch", "3.12", "/home/me/a dir/cutlass")


@pytest.mark.parametrize("text", [PLAIN, CUDA])
def test_a_build_ninja_that_breaks_off_anywhere_is_no_build(text: str) -> None:
    assert [size for size in range(len(text) - 1) if parse_build(text[:size])] == []


def test_names_are_escaped_as_ninja_wants_it() -> None:
    text = "build a$ b$:c$$.so: $\n link x$ y.o z.o | waited || for\nbuild other: phony\ndefault a$ b$:c$$.so\n"
    found = parse_build(text)
    assert found is not None
    assert (found.library, found.objects) == ("a b:c$.so", ("x y.o", "z.o"))


@given(st.text() | st.text("build link:$ |\n=default.so'\"-I").map(lambda text: f"build a.so: link b\ndefault a.so\n{text}"))
def test_no_build_ninja_makes_us_stumble(text: str) -> None:
    found = parse_build(text)
    if found is not None:
        assert found.library
        assert isinstance(found.torch, str | None)
        assert isinstance(found.python, str | None)


@given(st.binary(max_size=200))
def test_no_library_s_head_makes_us_stumble(head: bytes) -> None:
    for data in (head, b"\x7fELF\x02\x01" + head):
        size = size_stated(data)
        assert size is None or size >= 0


@given(
    st.lists(
        st.tuples(st.sampled_from([1, 2, 3]), st.integers(10, 200), st.sampled_from([0, 0x11, 0x100011, 0x200011])), min_size=1
    ),
    st.binary(max_size=20),
)
def test_a_fat_binary_is_walked(entries: list[tuple[int, int, int]], rest: bytes) -> None:
    found = code_in(fatbin(*entries) + b"\0" * 16 * bool(rest))
    suffix = {0: "", 0x11: "", 0x100011: "a", 0x200011: "f"}
    names = [f"{'compute' if kind == 1 else 'sm'}_{number}{suffix[flags]}" for kind, number, flags in entries if kind < 3]
    if rest or not names:
        assert found is None  # what follows is no container
    else:
        assert found == list(dict.fromkeys(names))
        assert all(Architecture.parse(name) for name in names)


@given(st.binary(max_size=300), st.integers(0, 40), st.integers(0, 1 << 64 - 1))
def test_no_fat_binary_makes_us_stumble(noise: bytes, at: int, size: int) -> None:
    data = bytearray(fatbin((2, 121, 0x11), (1, 121, 0x11)))
    data[at : at + len(noise)] = noise
    code_in(bytes(data))
    code_in(fatbin((2, 90, 0), size=size))
    code_in(noise)


def code_in(data: bytes) -> list[str] | None:
    """`gpu_code` of an ELF file that is nothing but this section; None where it cannot be understood."""
    texts = b"\0.nv_fatbin\0"
    head = b"\x7fELF\x02\x01".ljust(40, b"\0") + struct.pack("<Q", 64) + b"\0" * 10 + struct.pack("<HHH", 64, 2, 1)
    start = 64 + 2 * 64 + len(texts)
    sections = struct.pack("<I20xQQ24x", 1, start, len(data)) + struct.pack("<I20xQQ24x", 0, 64 + 128, len(texts))
    descriptor = os.memfd_create("elf")
    try:
        os.write(descriptor, head + sections + texts + data)
        return elf.gpu_code(descriptor)
    except ValueError:
        return None
    finally:
        os.close(descriptor)


@given(st.text())
def test_no_words_make_us_stumble(text: str) -> None:
    parse_cuobjdump(text)
    runtime([text])
    parse_ops(f"installed_ops={text}")
    mount_of("/a", text)
    for code in (0, 1, None):
        work_left(Ran(code, text, text))


def test_words_of_tools() -> None:
    text = "ELF file    1: attention.1.sm_121.cubin\nELF file    2: a.2.sm_90a.cubin\nPTX file    1: a.1.sm_121.ptx\n"
    assert parse_cuobjdump(text) == ("sm_121", "sm_90a", "compute_121")
    assert runtime(["x", "libcudart.so.13"]) == 13
    assert runtime(["libcudart.so.11.0"]) == 11
    assert runtime(["libcudart.so.", "libcudart.so.x"]) is None
    ops = "version='0.18.7'\ninstalled_ops={'async_io': False, 'evoformer_attn': True}\ncompatible_ops={'x': True}\n"
    assert parse_ops(ops) == ("evoformer_attn",)
    assert parse_ops("nothing") == ()


TODAY = Today("3.12", "/torch", "2.13.0", None, 13, "aarch64", Capability(12, 1))


def test_mismatches() -> None:
    code = (Architecture.parse("sm_120"),)
    assert mismatches(TODAY, "3.12", "aarch64", 13, code) == mismatches(TODAY, None, None, None, ()) == ()
    assert len(mismatches(TODAY, "3.11", "x86_64", 12, (Architecture.parse("sm_90"),))) == 4
    assert mismatches(TODAY._replace(target=None), None, None, None, (Architecture.parse("sm_90"),)) == ()
    assert mismatches(TODAY._replace(cuda=None), None, None, 12, ())[0].endswith("PyTorch 2.13.0 has no CUDA")


def test_builders() -> None:
    held = [
        Holder(1, "python", "/r/op/lock"),
        Holder(2, "bash", "/r/op"),
        Holder(3, "x86_64-linux-gn", "/r/op"),
        Holder(4, "cc1plus", "/r/op"),
        Holder(5, "ninja", "/r/other"),
        Holder(6, "less", "/r/op/build.ninja"),
        Holder(7, "asciinema", "/r/op"),
    ]
    assert [holder.pid for holder in builders("/r/op", held)] == [1, 3, 4]


def test_what_is_moved_aside_is_quoted() -> None:
    extension = extensions.Extension("a b", "/r/a b", State.DAMAGED)
    assert move_aside([extension]) == "mv -T --backup=numbered '/r/a b' '/r/a b.aside'"


def test_what_is_moved_aside_twice_stays_and_is_seen_no_more(lab: Lab) -> None:
    for _ in range(3):
        lab.add()
        subprocess.run(shlex.split(move_aside(lab.look().found)), check=True)
        assert lab.look().found == ()
    assert len(list(lab.root.iterdir())) == 3


# --- places


MOUNTS = """\
22 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw
40 22 0:35 / /home rw,relatime shared:2 - nfs4 server:/home rw
41 40 0:36 / /home/me/a\\040b rw - tmpfs tmpfs rw
42 22 0:37 / /homes rw - fuse.sshfs x rw
nonsense
43 22
"""


@pytest.mark.parametrize(
    ("path", "mount"),
    [
        ("/", Mount("/", "ext4")),
        ("/root/.cache", Mount("/", "ext4")),
        ("/home", Mount("/home", "nfs4")),
        ("/home/me/x", Mount("/home", "nfs4")),
        ("/home/me/a b/c", Mount("/home/me/a b", "tmpfs")),
        ("/homestead", Mount("/", "ext4")),
    ],
)
def test_mounts(path: str, mount: Mount) -> None:
    assert mount_of(path, MOUNTS) == mount
    assert mount_of(path, MOUNTS + f"44 22 0:38 / {mount.point.replace(' ', chr(92) + '040')} rw - xfs x rw\n") == Mount(
        mount.point, "xfs"
    )
    assert mount_of(path, "") is None


def test_a_place_is_found_through_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    found = locate(machine_of(Elsewhere()), f"{tmp_path}/link/new/deep")
    real = os.path.realpath(tmp_path)
    assert (found.path, found.status) == (f"{real}/real/new/deep", None)
    assert [path for path, _ in found.above][:2] == [f"{real}/real", real]
    assert found.above[-1][0] == "/"
    assert found.mount is not None
    there = locate(machine_of(Elsewhere()), f"{tmp_path}/link")
    assert there.status is not None
    assert there.path == f"{real}/real"
    for path in ("/", "//", "///tmp/.."):
        assert locate(machine_of(Elsewhere()), path)[::2] == ("/", ())


def test_home() -> None:
    passwd = {"/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nx:x:1000:0:y:1000:z\nme:x:1000:1000:,,,:/home/me/:/bin/sh\n"}
    itself = {"self": {"uid": 1000, "cwd": "/"}}
    assert home(machine_of(Paper(passwd, answers={"self": {"uid": 0}}))) == "/root"
    assert home(machine_of(Paper({"/etc/passwd": passwd["/etc/passwd"].partition("x:x")[0]}, answers=itself))) == "~"
    assert home(machine_of(Paper(passwd, env={"HOME": "/h//"}))) == "/h"
    assert home(machine_of(Paper(passwd, env={"HOME": ""}))) == ""


# --- who may write


def mode(value: int, uid: int = 1000, gid: int = 1000) -> FileStatus:
    return FileStatus("directory", 0, value, "/x", True, True, True, uid, gid, 0)


@pytest.mark.parametrize(
    ("status", "members", "words"),
    [
        (mode(0o755), 0, None),
        (mode(0o755, uid=0), 0, None),
        (mode(0o755, uid=65534), 0, None),
        (mode(0o775), 0, None),  # Ubuntu's group of one
        (mode(0o775, gid=0), 0, None),
        (mode(0o775), 1, "may be written by 1 other of group 1000"),
        (mode(0o775, gid=100), 3, "may be written by 3 others of group 100"),
        (mode(0o775, gid=77), Missing("77"), "whose members are not known here"),
        (mode(0o777), 0, "may be written by everybody"),
        (mode(0o700, uid=1001), 0, "belongs to uid 1001"),
    ],
)
def test_who_may_write(status: FileStatus, members: Any, words: str | None) -> None:
    machine = machine_of(Paper(answers={f"members {status.gid}": members}))
    found = _opening(machine, "/x", status, 1000)
    assert (found is None) if words is None else (found is not None and words in found.words)
    assert _opening(machine, "/x", mode(0o1777, 0, 0), 1000, guarded=True) is None


def access(lab: Lab) -> list[str]:
    """What is open in the lab; who may write above it is not the lab's."""
    found = lab.machine().get(CacheAccess)
    assert isinstance(found, CacheAccess), found
    place = os.path.realpath(lab.place)
    return [
        f"{os.path.relpath(one.path, place)}: {one.words}" for one in found.openings if f"{one.path}/".startswith(f"{place}/")
    ]


def test_everything_that_is_loaded_is_looked_at(lab: Lab) -> None:
    path = lab.add()
    assert access(lab) == []
    for name in ("op.so", "build.ninja", "op.o", ".ninja_log"):
        (path / name).chmod(0o666)
    everybody = "may be written by everybody"
    assert access(lab) == [f"root/op/{name}: {everybody}" for name in ("op.so", "op.o", "build.ninja")]
    for name in ("op.so", "build.ninja", "op.o"):
        (path / name).chmod(0o644)
    lab.root.chmod(0o777)
    assert access(lab) == [f"root: {everybody}"]
    lab.root.chmod(0o755)
    lab.place.chmod(0o777)
    assert access(lab) == [f".: {everybody}"]
    lab.place.chmod(0o1777)
    assert access(lab) == []
    shutil.rmtree(lab.root)
    assert access(lab) == [f".: {everybody}"]  # the name is free
    lab.place.chmod(0o700)
    assert access(lab) == []


def test_owners_that_a_tape_does_not_tell_are_not_judged(lab: Lab) -> None:
    said = LocalHost().answer(Question("lineage", (str(lab.root),)), 1)
    old = [{name: value for name, value in one.items() if name not in ("uid", "gid", "mtime")} for one in said]
    assert isinstance(lab.machine(**{f"lineage {lab.root}": old}).get(CacheAccess), Missing)


# --- ninja, Triton's cache, DeepSpeed


def test_ninja_is_the_one_on_path_or_lies_aside(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lab.machine().get(Ninja) == Ninja(f"{lab.place}/bin/ninja", "1.99", None)
    monkeypatch.setenv("PATH", str(lab.place / "lab"))
    assert lab.machine().get(Ninja) == Ninja(Missing("PATH has no ninja"), "", None)
    script(lab.place / "lab" / "ninja", "#!/bin/sh\necho no >&2; exit 1\n")
    found = lab.machine().get(Ninja)
    assert isinstance(found, Ninja)
    assert isinstance(found.path, Broken)
    assert "exited with status 1: no" in found.path.reason


def triton_of(version: str, **env: str) -> TritonCache:
    said = {"version": "3.12.3", "include": "/i", "distributions": [], "modules": {"triton": {"origin": "/t/triton/__init__.py"}}}
    ran = {"code": 0, "stdout": f"sparkdoctor-interpreter:{json.dumps(said)}", "stderr": ""}
    files = {"/t/triton/__init__.py": f"__version__ = '{version}'\n", "/h/.triton/cache/ABC/x": "", "/h/.triton/cache/DEF/x": ""}
    host = Paper(
        files,
        env={"SPARKDOCTOR_PYTHON": "/p", "HOME": "/h", **env},
        answers={"script /p": ran, "self": {"uid": 1000, "cwd": "/w", "machine": "x", "patient_python": None}},
    )
    found = machine_of(host).get(TritonCache)
    assert isinstance(found, TritonCache), found
    return found


@pytest.mark.parametrize(
    ("version", "env", "variable", "path"),
    [
        ("3.7.1", {}, None, "/h/.triton/cache"),
        ("3.7.1", {"TRITON_CACHE_DIR": "/c"}, "TRITON_CACHE_DIR", "/c"),
        ("3.7.1", {"TRITON_CACHE_DIR": "c"}, "TRITON_CACHE_DIR", "/w/c"),
        ("3.7.1", {"TRITON_HOME": "/th"}, "TRITON_HOME", "/th/.triton/cache"),
        ("3.7.1", {"TRITON_HOME": "/th", "TRITON_CACHE_DIR": "/c"}, "TRITON_CACHE_DIR", "/c"),
        ("3.7.1", {"TRITON_CACHE_DIR": ""}, "TRITON_CACHE_DIR", None),
        ("3.3.1", {"TRITON_CACHE_DIR": ""}, None, "/h/.triton/cache"),
    ],
)
def test_triton_s_cache(version: str, env: dict[str, str], variable: str | None, path: str | None) -> None:
    found = triton_of(version, **env)
    assert found.variable == variable
    if path is None:
        assert isinstance(found.place, Broken)
    else:
        assert not isinstance(found.place, Missing)
        assert found.place.path == path
        assert found.kernels == (2 if path.startswith("/h") else 0)
