"""What a container is to start."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    'exec: "{program:path}": executable file not found',
    'exec: "{program:path}": stat {file:path}: no such file or directory',
    'exec: "{program:path}": permission denied',
    "exec {program:path}: no such file or directory",
)
def container_command_missing(found: Found) -> Verdict | None:
    """A container is to start a program that its image does not have.

    What follows the image's name is the command: an option of docker's that stands there is taken for one. A script with Windows'
    line ends, or with an interpreter that the image lacks, is "not found" as well.

    Sources:
    - runc and moby, their messages
    """
    program = found["program"]
    if program == "nvidia-smi" or program.startswith(("nvidia-container", "nvidia-ctk")) or "fork/exec" in found.line:
        return None
    if "permission denied" in found.line:
        return fail(
            f"{program} may not be executed in the image", remedy="Make it executable (chmod +x) where the image is built."
        )
    if program.startswith("-"):
        return fail(
            f"{program} stands behind the image's name, and is taken for the command",
            remedy="Put docker's options before the image's name.",
        )
    return fail(
        f"the image has no {program}, or not what starts it",
        remedy="Look what the image has; what follows the image's name is the command.",
    )
