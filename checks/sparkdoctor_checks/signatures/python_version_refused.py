"""Packages against the version of Python."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "Package '{package:name}' requires a different Python: {python:name} not in",
    "the current Python version ({python:name}) does not satisfy Python",
    "the requested Python version ({wanted:path}) does not satisfy Python",
    "interpreter resolved to Python {python:name}, which is incompatible with the project's Python requirement",
    "The currently activated Python version {python:name} is not supported by the project",
)
def python_version_refused(found: Found) -> Verdict:
    """A package does not support this version of Python.

    It is too old or too new for the package's Requires-Python. PyTorch and what builds on it lag behind a new Python by months.

    Sources:
    - core metadata, Requires-Python; pip 23 and its source (resolution), uv's resolver messages
    - openfold3 on PyPI (Requires-Python >=3.10)
    """
    package, python = found["package"], found["python"]
    uv = not package and "activated" not in found.line
    return fail(
        f"{package or 'a package'} does not support {f'Python {python}' if python else 'this Python'}",
        remedy="Make an environment with a Python that it supports (3.12 for all of this stack).",
        command=f"{'uv venv --python 3.12' if uv else 'python3.12 -m venv'} ~/spark && . ~/spark/bin/activate",
    )
