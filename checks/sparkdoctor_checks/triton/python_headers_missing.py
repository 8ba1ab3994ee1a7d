"""Python's C headers."""

from sparkdoctor.facts import Python
from sparkdoctor.plugin import Verdict, check, fail, ok


@check
def python_headers_missing(python: Python) -> Verdict:
    """Python's C headers are installed.

    Triton compiles a small launcher for every kernel, and every PyTorch extension includes Python.h: without it the first
    kernel ends with `fatal error: Python.h: No such file or directory`. DGX OS comes without python3-dev.

    Sources:
    - natolambert/dgx-spark-setup; triton/runtime/build.py
    """
    if python.headers:
        return ok(f"{python.include}/Python.h")
    short = ".".join(python.version.split(".")[:2])
    return fail(
        f"Python {python.version} ({python.path}) has no C headers: {python.include}/Python.h does not exist",
        expected=f"{python.include}/Python.h",
        observed="none",
        remedy="Install them.",
        command=f"sudo apt install python{short}-dev",
        needs_root=True,
    )
