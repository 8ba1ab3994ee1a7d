"""Whether an nvcc can make a loadable library for each architecture: the arguments are its path and numbers such as 121."""

import os
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


def work(nvcc, *numbers):
    place = os.environ["TMPDIR"]
    source = os.path.join(place, "muladd.cu")
    with open(source, "w", encoding="utf-8") as file:
        file.write(SOURCE)
    for number in numbers:
        with attempt("compile for sm_" + number, vital=False):
            library = os.path.join(place, "libmuladd_%s.so" % number)
            code = "arch=compute_%s,code=sm_%s" % (number, number)
            command = [nvcc, "-gencode=" + code, "-shared", "-Xcompiler=-fPIC", source, "-o", library]
            ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, cwd=place)
            if ran.returncode:
                raise RuntimeError(
                    (ran.stderr or ran.stdout).decode(errors="backslashreplace").strip() or "status %d" % ran.returncode
                )
            learnt(bytes=os.path.getsize(library))


if __name__ == "__main__":
    main(work)
