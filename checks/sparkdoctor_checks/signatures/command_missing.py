"""Commands that are not installed."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

_CURES = {
    "docker": ("Install docker, from apt and not as a snap.", "sudo apt update && sudo apt install docker.io"),
    "nvidia-ctk": ("Install the NVIDIA Container Toolkit.", "sudo apt update && sudo apt install nvidia-container-toolkit"),
    "pip": ("Use the pip of an environment.", "python3 -m venv ~/spark && . ~/spark/bin/activate"),
    "pip3": ("Use the pip of an environment.", "python3 -m venv ~/spark && . ~/spark/bin/activate"),
    "python": (
        "Say python3, or activate an environment, which has both names.",
        "python3 -m venv ~/spark && . ~/spark/bin/activate",
    ),
    "uv": ("Install uv into an environment.", "python3 -m venv ~/spark && ~/spark/bin/pip install uv"),
    "git": ("Install git.", "sudo apt update && sudo apt install git"),
    "cmake": ("Install cmake.", "sudo apt update && sudo apt install cmake"),
    "conda": (
        "Start a new shell where conda is set up, or install Miniforge for aarch64.",
        'eval "$(~/miniforge3/bin/conda shell.bash hook)"',
    ),
    "run_openfold": ("Activate the environment that has OpenFold3, or install it.", "sparkdoctor check openfold3-missing"),
    "setup_openfold": (
        "Activate the environment that has OpenFold3, or install it.",
        "sparkdoctor check openfold3-missing",
    ),
}


@signature(
    "{tool:name}: command not found",
    "zsh: command not found: {tool:name}",
    "sh: {line:int}: {tool:name}: not found",
    "env: '{tool:name}': No such file or directory",
    checks=("openfold3-missing",),
)
def command_missing(found: Found) -> Verdict | None:
    """A command that an installation needs is not there, or not on PATH.

    Programs of an environment are on PATH while it is activated. Ubuntu has `python3`, and no `python`.

    Sources:
    - bash, zsh and dash, their messages
    """
    tool = found["tool"]
    if tool not in _CURES:
        return None
    remedy, command = _CURES[tool]
    return fail(f"there is no command {tool} on PATH", remedy=remedy, command=command)
