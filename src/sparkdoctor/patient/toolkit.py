"""Whether an nvcc can make a loadable library for an architecture: the arguments are its path and a number such as 121."""

import os
import resource
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # PYTHONSAFEPATH leaves it out
from steps import attempt, learnt, main

SOURCE = r"""
__global__ void muladd(const float* x, const float* y, float* out, int n) {
  int place = blockIdx.x * blockDim.x + threadIdx.x;
  if (place < n) out[place] = x[place] * y[place] + x[place];
}
extern "C" int launch(const float* x, const float* y, float* out, int n) {
  muladd<<<(n + 255) / 256, 256>>>(x, y, out, n);
  return cudaGetLastError();
}
"""
SHOWN = 64 << 10
LARGEST = 64 << 20
"""Bytes of any file that a compiler writes here, what it prints among them: the kernel ends one that writes without end."""


def work(nvcc, number):
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    place = os.environ["TMPDIR"]
    source = os.path.join(place, "muladd.cu")
    with open(source, "w", encoding="utf-8") as file:
        file.write(SOURCE)
    with attempt("compile for sm_" + number):
        library = os.path.join(place, "libmuladd.so")
        code = "arch=compute_%s,code=sm_%s" % (number, number)
        command = [nvcc, "-gencode=" + code, "-shared", "-Xcompiler=-fPIC", source, "-o", library]
        # Into a file: whoever holds a pipe open after it has ended would be waited for.
        with open(os.path.join(place, "said"), "w+b") as said:
            ran = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False, cwd=place)
            said.seek(0)
            told = said.read(SHOWN).decode(errors="backslashreplace").strip()
        if ran.returncode:
            raise RuntimeError(told or "status %d" % ran.returncode)
        learnt(bytes=size(library))


def size(library):
    try:
        with open(library, "rb") as file:
            magic = file.read(4)
    except FileNotFoundError:
        magic = b""
    if magic != b"\x7fELF":
        raise RuntimeError("it ended with status 0 and wrote no library")
    return os.path.getsize(library)


if __name__ == "__main__":
    main(work)
