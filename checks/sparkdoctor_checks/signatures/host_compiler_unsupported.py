"""nvcc and the compiler that it works with."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

_OLDEST = 9
"""The oldest gcc that Ubuntu 24.04 has."""


@signature(
    "unsupported GNU version! gcc versions later than {newest:int}",
    "gcc versions later than {newest:int} are not supported!",
    "unsupported clang version! clang version must be less than {below:int}",
    "The current installed version of {compiler} ({version:number}) is greater than the maximum required version by CUDA",
    "The current installed version of {compiler} ({version:number}) is less than the minimum required version by CUDA",
    'error: exception specification is incompatible with that of previous function "{function:name}"',
    "error: parameter packs not expanded with '...'",
    checks=("nvcc-cannot-compile",),
)
def host_compiler_unsupported(found: Found) -> Verdict | None:
    """The C++ compiler is not one that this CUDA toolkit supports.

    Each toolkit takes compilers up to a certain version: CUDA 12.4 gcc 13, 12.8 gcc 14, 13.0 gcc 15. PyTorch compares before it
    starts nvcc. `-allow-unsupported-compiler` only silences it. A toolkit also knows the C and C++ libraries of its time only:
    glibc 2.41 and later declare cospi, rsqrt and others as CUDA's headers before them do not, and Ubuntu's nvcc 11.5 cannot read
    the headers of gcc 11.

    Sources:
    - crt/host_config.h of CUDA 13.0.88; torch/utils/cpp_extension.py, CUDA_GCC_VERSIONS
    - pytorch/extension-cpp #122, opencv/opencv #27111, ggml-org/llama.cpp #19100; NVIDIA/nccl #102, Dookoo2/CUDACyclone #10
    - ninja-build/ninja #2595, NVIDIA/cuda-samples #250, NVlabs/instant-ngp #1562
    """
    if "{" in found["compiler"]:
        return None
    if "parameter packs" in found.line:
        if "/include/c++/" not in found.line:
            return None
        return fail(
            "this nvcc is too old to read the headers of the C++ compiler",
            remedy="Build with a toolkit of CUDA 13, not with the distribution's nvidia-cuda-toolkit.",
            command="export CUDA_HOME=/usr/local/cuda PATH=/usr/local/cuda/bin:$PATH",
        )
    if function := found["function"]:
        if "math" not in found.line:
            return None
        return fail(
            f"this system's C library is newer than the CUDA toolkit: both declare {function}, and not alike",
            remedy="Build with a newer CUDA toolkit, or in a container of a system of its time (Ubuntu 24.04).",
        )
    if found["newest"]:
        newest = found["newest"]
        summary = f"nvcc takes gcc up to {newest}, and the one that it found is newer"
    elif found["below"]:
        newest = "13"
        summary = f"nvcc takes clang before {found['below']}, and the one that it found is newer"
    else:
        newest = "13"
        summary = f"PyTorch will not build with {found['compiler']} {found['version']}: nvcc does not support it"
    if int(newest) < _OLDEST:
        return fail(
            summary,
            remedy="Build with a toolkit of CUDA 13, which takes gcc up to 15.",
            command="export CUDA_HOME=/usr/local/cuda-13.0 PATH=/usr/local/cuda-13.0/bin:$PATH",
        )
    return fail(
        summary,
        remedy=f"Build with gcc {newest}; or with a toolkit of CUDA 13, which takes gcc up to 15.",
        command=f"sudo apt install g++-{newest} && export CC=gcc-{newest} CXX=g++-{newest} NVCC_CCBIN=g++-{newest}",
        needs_root=True,
    )
