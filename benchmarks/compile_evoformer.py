"""Compiles the forward file of evoformer_attn for 12.1, without a GPU, with exactly what the patient's DeepSpeed would give nvcc.

python benchmarks/compile_evoformer.py PYTHON [INCLUDE…]

PYTHON has a DeepSpeed and a PyTorch; CUTLASS_PATH and CPATH lead to CUTLASS, CUDA_HOME to a toolkit of CUDA 12.9 or later.
DeepSpeed's own `jit_load` is run with the device query answered for a 12.1 GPU, up to the call of PyTorch's `load`: its
arguments are what nvcc gets. PyTorch's headers are those of PYTHON, or, where that has a PyTorch without CUDA, those of the
first INCLUDE (`torch/include` of a CUDA wheel); further ones are searched too, for cusparse.h, cublas_v2.h, cusolverDn.h and
curand_kernel.h (of the wheels nvidia-cusparse, nvidia-cublas, nvidia-cusolver and nvidia-curand). It takes about 80 s of one
core and 3.3 GiB.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import sparkdoctor
from sparkdoctor.reading import gpu_code

PATIENT = Path(sparkdoctor.__file__).with_name("patient")
ASK = """\
import json, os, sys, sysconfig
sys.path.insert(0, sys.argv[1])
os.environ["SPARKDOCTOR_SAY"] = str(os.open(os.devnull, os.O_WRONLY))
import torch.utils.cpp_extension as extension
import deepspeed, torch
import deepspeed_builder as asked
asked.substitute(torch, (12, 1), os.environ["CUDA_HOME"], "13.0")
def load(**given):
    around = {"torch": extension.include_paths(), "python": sysconfig.get_path("include")}
    print("given:" + json.dumps({**given, **around, "common": extension.COMMON_NVCC_FLAGS}))
    sys.exit()
extension.load = load
asked.builder(*asked.EVOFORMER).jit_load(verbose=False)
"""


def main() -> int:
    python, *includes = sys.argv[1:]
    home = os.environ.setdefault("CUDA_HOME", "/usr/local/cuda")
    ran = subprocess.run([python, "-c", ASK, str(PATIENT)], check=False, capture_output=True, text=True)
    line = next((line for line in ran.stdout.splitlines() if line.startswith("given:")), None)
    if line is None:
        print(ran.stdout, ran.stderr, sep="\n")
        return 1
    given = json.loads(line.removeprefix("given:"))
    (source,) = [path for path in given["sources"] if path.endswith("attention_cu.cu")]
    system = [f"{includes[0]}", f"{includes[0]}/torch/csrc/api/include", *includes[1:]] if includes else given["torch"]
    print("flags:", *given["extra_cuda_cflags"])
    print("includes:", *given["extra_include_paths"], "CPATH:", os.environ.get("CPATH", ""))
    with tempfile.TemporaryDirectory() as place:
        command = [f"{home}/bin/nvcc", f"-DTORCH_EXTENSION_NAME={given['name']}", "-DTORCH_API_INCLUDE_EXTENSION_H"]
        command += [f"-I{path}" for path in given["extra_include_paths"]]
        for path in (*system, f"{home}/include", given["python"]):
            command += ["-isystem", path]
        command += [
            *given["common"],
            "--compiler-options",
            "-fPIC",
            *given["extra_cuda_cflags"],
            "-c",
            source,
            "-o",
            f"{place}/one.o",
        ]
        began = time.monotonic()
        code = subprocess.run(command, check=False).returncode
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(f"nvcc: {code}, {time.monotonic() - began:.0f} s, {used.ru_utime:.0f} CPU s, {used.ru_maxrss / (1 << 20):.2f} GiB")
        made = gpu_code(f"{place}/one.o") if code == 0 else []
    print("code:", *made)
    return 0 if made else 1


if __name__ == "__main__":
    sys.exit(main())
