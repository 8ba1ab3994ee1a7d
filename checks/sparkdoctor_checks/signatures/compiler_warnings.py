"""What PyTorch says about compilers, and means no harm."""

from sparkdoctor.plugin import Found, Verdict, ok, signature


@signature(
    "may be ABI-incompatible with PyTorch!",
    "is not compatible with the compiler Pytorch {was}",
    "There are no {compiler:path} version bounds defined for CUDA version {cuda:number}",
    "Support for offline compilation for architectures prior to",
    "incompatible redefinition for option '{option}', the last value of this option was used",
    checks=("compiler-missing",),
)
def compiler_warnings(found: Found) -> Verdict:
    """A build warns of compilers or architectures where nothing is wrong.

    PyTorch compares the compiler's name with that which built it, and knows no bounds for toolkits newer than itself; nvcc
    announces what later versions will drop. None of it stops a build.

    Sources:
    - torch/utils/cpp_extension.py, WRONG_COMPILER_WARNING, ABI_INCOMPATIBILITY_WARNING and _check_cuda_version
    - nvcc 12.9 and 13.0
    """
    return ok(f"a warning of the build that does no harm: {found.line[:100].strip()}")
