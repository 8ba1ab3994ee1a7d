"""The C++ standard that PyTorch's headers demand."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "#error {standard:path} or later compatible compiler is required to use {what:name}",
    "#error You need {standard:path} to compile PyTorch",
    "unrecognized command line option '-std={option:path}'",
    "unrecognized command-line option '-std={option:path}'",
    "Value '{option:path}' is not defined for option 'std'",
    checks=("deepspeed-version-conflict", "extension-cannot-build", "nvcc-cannot-compile"),
)
def cpp_standard_too_old(found: Found) -> Verdict | None:
    """An extension is compiled for an older C++ than PyTorch's headers.

    PyTorch 2.1 and later demand C++17, 2.14 and later C++20. DeepSpeed before 0.19.5 asks for C++17 itself, and the last one
    asked for wins; so do many packages in their setup.py. A compiler before gcc 10 does not know `-std=c++20`.

    Sources:
    - torch/all.h and ATen/ATen.h of PyTorch 2.14; DeepSpeed 0.15.4 compiled with it; deepspeedai/DeepSpeed #8238
    - pytorch/pytorch #102082, #103371; sgl-project/DeepGEMM #84
    """
    if option := found["option"]:
        if not option.startswith(("c++", "gnu++")):
            return None
        if "is not defined for option 'std'" in found.line:
            return fail(
                f"nvcc does not know -std={option}: it is too old for this source",
                remedy="Build with CUDA 13's nvcc.",
                command="export CUDA_HOME=/usr/local/cuda-13.0 PATH=/usr/local/cuda-13.0/bin:$PATH",
            )
        return fail(
            f"the compiler does not know -std={option}: it is too old for this source",
            remedy="Build with a newer compiler: gcc 13.",
            command="sudo apt install g++-13 && export CC=gcc-13 CXX=g++-13 NVCC_CCBIN=g++-13",
            needs_root=True,
        )
    standard = found["standard"]
    if not standard.startswith("C++") or not standard[3:].isdecimal():
        return None
    near = " ".join((*found.before, found.line, *found.after)).lower()
    if "deepspeed" in near:
        return fail(
            f"PyTorch's headers demand {standard}, and this DeepSpeed builds with an older one",
            remedy="Take a DeepSpeed that builds with it.",
            command="python3 -m pip install --upgrade 'deepspeed>=0.19.7'",
        )
    return fail(
        f"PyTorch's headers demand {standard}, and the extension is built with an older one",
        remedy=f"Give -std={standard.lower()} to its compilers; a newer version of the extension may do so itself.",
        command=f"export CXXFLAGS=-std={standard.lower()} NVCC_APPEND_FLAGS=-std={standard.lower()}",
    )
