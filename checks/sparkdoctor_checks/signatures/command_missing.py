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
}


@signature(
    "{tool:name}: command not found",
    "zsh: command not found: {tool:name}",
    "sh: {line:int}: {tool:name}: not found",
    "env: '{tool:name}': No such file or directory",
)
def command_missing(found: Found) -> Verdict | None:
    """A command that an installation needs is not there, or not on PATH.

    Ubuntu has `python3`, and no `python`; pip is in an environment, and on PATH while that is activated.

    Sources:
    - bash 5.2 and dash, run; the words of zsh
    """
    tool = found["tool"]
    if tool not in _CURES:
        return None
    remedy, command = _CURES[tool]
    return fail(f"there is no command {tool} on PATH", remedy=remedy, command=command, needs_root=command.startswith("sudo "))
