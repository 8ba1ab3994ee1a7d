"""Triton's kernels and the file that they stand in."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "ValueError: @jit functions should be defined in a Python file",
    "OSError: could not get source code",
    checks=("triton-cannot-compile",),
)
def triton_kernel_without_file(found: Found) -> Verdict | None:
    """A Triton kernel was not read from a file.

    Triton compiles a kernel's source text, which it can get only of functions that stand in a file: not from `python -c`, from
    standard input, or from a prompt.

    Sources:
    - JITCallable in triton/runtime/jit.py of Triton 3.5.1 and 3.9.0, run
    """
    around = " ".join((*found.before, *found.after))
    if "could not get" in found.line and ("triton" not in around or "@jit functions should" in around):
        return None
    return fail(
        "a Triton kernel does not stand in a file, where alone its source can be read",
        remedy="Put it in a file, and run that.",
    )
