"""OpenFold3's programs."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "{tool:name}: command not found",
    "zsh: command not found: {tool:name}",
    "sh: {line:int}: {tool:name}: not found",
    "env: '{tool:name}': No such file or directory",
    checks=("openfold3-missing",),
    because=(
        "python-externally-managed",
        "package-not-found",
        "package-build-failed",
        "dependencies-conflict",
        "wheel-not-supported",
    ),
)
def command_of_openfold_missing(found: Found) -> Verdict | None:
    """OpenFold3's programs are not there, or not on PATH.

    They are on PATH while the environment is activated that OpenFold3 was installed into; in another shell they are not.

    Sources:
    - bash 5.2 and dash, run; the words of zsh; the wheels of OpenFold3 0.3.0 to 0.5.0 (entry points)
    """
    tool = found["tool"]
    if tool not in ("run_openfold", "setup_openfold"):
        return None
    return fail(
        f"there is no command {tool} on PATH",
        remedy="Activate the environment that has OpenFold3, or install it.",
        command="sparkdoctor check openfold3-missing",
    )
