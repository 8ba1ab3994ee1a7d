"""A system's Python, which is not pip's to change."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "error: externally-managed-environment ",
    "× This environment is externally managed",
    "The interpreter at {prefix:path} is externally managed",
    "The interpreter at `{prefix:path}` is externally managed",
    "The interpreter at '{prefix:path}' is externally managed",
    "error: No virtual environment found; run",
    "error: No virtual environment found for Python",
    checks=("torch-missing", "openfold3-missing"),
)
def python_externally_managed(found: Found) -> Verdict:
    """Pip or uv refused to install into the system's Python.

    Since Debian 12 and Ubuntu 23.04, and so on DGX OS, the system's Python belongs to apt (PEP 668). `--break-system-packages`
    does what its name says; an environment of its own costs nothing.

    Sources:
    - PEP 668; pip 23 on Debian 12, run
    - natolambert/dgx-spark-setup; astral-sh/uv (`uv pip install` outside of an environment)
    """
    if "No virtual environment" in found.line:
        return fail(
            "uv installs into an environment, and none is active here",
            remedy="Make one, and install into that.",
            command="uv venv ~/spark && . ~/spark/bin/activate",
        )
    if "/uv/python/" in found["prefix"]:
        return fail(
            "this Python belongs to uv, and is not to be changed",
            remedy="Make an environment, and install into that.",
            command="uv venv ~/spark && . ~/spark/bin/activate",
        )
    return fail(
        "pip may not install into the system's Python: it is managed by apt (PEP 668)",
        remedy="Make an environment, and install into that: ~/spark/bin/pip install …",
        command="python3 -m venv ~/spark && . ~/spark/bin/activate",
    )
