"""The host compilers."""

from sparkdoctor.facts import Compilers
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok


@check
def compiler_missing(compilers: Compilers) -> Verdict:
    """A C and a C++ compiler can be run.

    Triton needs a C compiler at run time (`Failed to find C compiler. Please specify via CC environment variable`); nvcc
    and PyTorch extensions need a C++ compiler.

    Sources:
    - triton/runtime/build.py (CC, gcc, clang); torch/utils/cpp_extension.py (CXX, c++)
    """
    missing = {name: found for name, found in (("C", compilers.c), ("C++", compilers.cxx)) if isinstance(found, Missing)}
    if missing:
        return fail(
            f"there is no usable {' and no usable '.join(missing)} compiler",
            evidence=tuple(f"{name}: {found.reason}" for name, found in missing.items()),
            remedy="Install the compilers (and mend $CC or $CXX where the evidence names them).",
            command="sudo apt install build-essential",
            needs_root=True,
        )
    return ok(str(compilers.c), observed=str(compilers.c))
