"""A directory in which extensions lie as PyTorch builds them, made by hand."""

import json
import os
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

from sparkdoctor.facts import Extensions
from sparkdoctor.facts.extensions import (
    State,
)
from sparkdoctor.machine import Machine
from standins.hosts import Elsewhere, machine_of

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
