"""Environments, and the package that brings them."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "because ensurepip is not",
    "No module named venv",
    "No module named ensurepip",
    "No module named 'ensurepip'",
    "No module named 'venv'",
    "'-m', 'ensurepip', '--upgrade', '--default-pip']' returned non-zero exit status",
    "'-m', 'ensurepip', '--upgrade', '--default-pip']' died with",
)
def venv_module_missing(found: Found) -> Verdict:
    """The system's Python cannot make environments.

    Debian and Ubuntu keep `venv` and `ensurepip` in a package of their own, python3-venv. Remove the half-made environment
    before the next attempt.

    Sources:
    - CPython, Lib/venv; Debian's patch of it ("ensurepip is not available", over two lines)
    """
    del found
    return fail(
        "this Python cannot make an environment: the package python3-venv is missing",
        remedy="Install it, and make the environment again.",
        command="sudo apt install python3-venv",
        needs_root=True,
    )
