"""Python's C headers."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "fatal error: {header:path}: No such file or directory",
    "fatal error: '{header:path}' file not found",
    "Could NOT find Python3 (missing: {missing}",
    "Could NOT find Python (missing: {missing}",
    checks=("python-headers-missing",),
)
def python_headers_not_found(found: Found) -> Verdict | None:
    """A compiler did not find Python's C headers.

    Triton compiles a small launcher for every kernel, and every extension of PyTorch includes Python.h. DGX OS and slim
    images come without python3-dev; uv, conda and pyenv bring the headers of their own Pythons.

    Sources:
    - natolambert/dgx-spark-setup; triton/runtime/build.py; sgl-project/sglang #1117, daydreamlive/scope #84
    - gcc 12 and CMake 3.25, run without the headers
    """
    header = found["header"].rpartition("/")[2]
    if found["missing"]:
        if "-- Could NOT" in found.line or not any(mark in found["missing"] for mark in ("INCLUDE_DIR", "Development")):
            return None
    elif header not in ("Python.h", "pyconfig.h", "pyport.h") or "conftest" in found.line:
        return None
    near = " ".join((*found.before, found.line, *found.after))
    _, mark, version = near.partition("include/python3.")
    minor = version[:2].rstrip("/ '\"-mt") if mark else ""
    short = f"3.{minor}" if minor.isdigit() else "3"
    return fail(
        f"Python's C headers are missing: {'Python.h' if found['missing'] else header} was not found",
        remedy=f"Install them: the package is python{short}-dev (Ubuntu) or python{short}-devel.",
        command="sparkdoctor fix install-build-tools",
        needs_root=True,
    )
