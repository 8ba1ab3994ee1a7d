"""What a deep check costs beside what it cannot do without.

    python benchmarks/deep_check.py --runs 5 [--python PATH] [--profile hopper]

Wall time of `sparkdoctor check --deep`, and of the same Python importing PyTorch and touching the GPU, and compiling a Triton
kernel alone with an empty cache, by turns. Medians. The bound is 1.3 × the import + the compilation.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

TOUCH = "import torch; torch.zeros(1, device='cuda' if torch.cuda.is_available() else 'cpu')"
KERNEL = """
import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource


@triton.jit
def muladd(x_ptr, y_ptr, out_ptr, n, BLOCK: tl.constexpr):
    places = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x, y = tl.load(x_ptr + places, mask=places < n), tl.load(y_ptr + places, mask=places < n)
    tl.store(out_ptr + places, x * y + x, mask=places < n)


signature = {"x_ptr": "*fp32", "y_ptr": "*fp32", "out_ptr": "*fp32", "n": "i32", "BLOCK": "constexpr"}
triton.compile(ASTSource(muladd, signature=signature, constexprs={"BLOCK": 1024}), target=GPUTarget("cuda", 90, 32))
"""


def seconds(*command: str, **variables: str) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=os.environ | variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--profile", default="dgx-spark")
    options = parser.parse_args()
    doctor = shutil.which("sparkdoctor") or sys.exit("sparkdoctor is not on PATH")
    times: dict[str, list[float]] = {"import": [], "compile": [], "check": []}
    with tempfile.TemporaryDirectory() as place:
        script = os.path.join(place, "kernel.py")
        with open(script, "w", encoding="utf-8") as file:
            file.write(KERNEL)
        seconds(options.python, "-c", TOUCH)  # files into memory
        for run in range(options.runs):
            times["import"].append(seconds(options.python, "-c", TOUCH))
            times["compile"].append(seconds(options.python, script, TRITON_CACHE_DIR=os.path.join(place, f"cache-{run}")))
            times["check"].append(seconds(doctor, "check", "--deep", "--profile", options.profile, "--python", options.python))
    middle = {name: statistics.median(values) for name, values in times.items()}
    for name, values in times.items():
        print(f"{name:8} {middle[name]:6.2f} s  ({min(values):.2f} to {max(values):.2f})")
    bound = 1.3 * middle["import"] + middle["compile"]
    print(f"{middle['check'] / bound:.2f} of the bound of {bound:.2f} s")


if __name__ == "__main__":
    main()
