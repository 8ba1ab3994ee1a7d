"""What compiling at run time needs."""

from posixpath import dirname
from typing import NamedTuple

from sparkdoctor.facts import BuildFiles, Compilers, Deepspeed, DeepspeedBuilder, Extensions, Ninja, Packages, Python, Torch
from sparkdoctor.facts.build_files import AIO
from sparkdoctor.plugin import Answer, Missing, NotNeeded, Plan, Refused, Run, Step, fix

APT = (("DEBIAN_FRONTEND", "noninteractive"),)
SECONDS = 1800.0


@fix(cures=("python-headers-missing", "compiler-missing", "ninja-missing", "libaio-missing"))
def install_build_tools(  # noqa: PLR0913, PLR0917 (the facts of four checks)
    python: Python | Missing,
    compilers: Compilers | Missing,
    ninja: Ninja | Missing,
    torch: Torch | Missing,
    extensions: Extensions | Missing,
    deepspeed: Deepspeed | Missing,
    files: BuildFiles | Missing,
    builder: DeepspeedBuilder | Missing,
    packages: Packages,
) -> Answer:
    """Compilers, Python's headers, ninja and libaio are there.

    Installs what is missing of these for what compiles at run time, and nothing else, from the network: with apt-get (as root,
    after `apt-get update` where its lists are empty), and ninja with pip where the Python that is examined is in an active
    environment that this user may write. Undo removes the packages that the plan names; what came along with them stays until
    `apt-get autoremove`.

    Refused where the headers are not those of the system's Python: uv, pyenv and conda bring their own.

    Sources:
    - PEP 668 (a system's Python is not pip's to change); PEP 405 (virtual environments)
    - natolambert/dgx-spark-setup: DGX OS comes without python3-dev
    """
    found = [
        *(() if isinstance(python, Missing) else _headers(python)),
        *(() if isinstance(compilers, Missing) else _compilers(compilers)),
        *(() if isinstance(ninja, Missing) else _ninja(ninja, python, torch, extensions, packages)),
        *_libaio(deepspeed, files, builder),
    ]
    if not found:
        return NotNeeded("nothing that compiling at run time needs is missing")
    blocked = [lack for lack in found if lack.stuck]
    if blocked:
        # What the others need is part of the answer, so that one paste does all of it.
        rest = _commands([lack for lack in found if not lack.stuck], packages)
        return Refused("; ".join(lack.stuck for lack in blocked), _joined([*rest, *(one.command for one in blocked)]))
    missing = ", ".join(lack.what for lack in found)
    if any(lack.apt for lack in found):
        if packages.apt is None:
            return Refused(f"{missing}: missing, and this system has no apt-get; install them with its own package manager")
        if packages.uid != 0:
            return Refused(f"{missing}: missing, and only root may install packages", _joined(_commands(found, packages)))
    return _plan(found, packages, missing)


class Lack(NamedTuple):
    """Something that is missing: the package of apt's that brings it, or pip's interpreter; else why we do not install it."""

    what: str
    apt: str = ""
    pip: str = ""
    stuck: str = ""
    command: str = ""


def _headers(python: Python) -> list[Lack]:
    if python.headers:
        return []
    short = ".".join(python.version.split(".")[:2])
    if python.include == f"/usr/include/python{short}":
        return [Lack(f"headers of Python {short}", apt=f"python{short}-dev")]
    why = f"the headers of {python.path} belong in {python.include}, which no package of the system fills"
    return [Lack("headers", stuck=f"{why}: install that Python again the way it came (uv, pyenv, conda)")]


def _compilers(compilers: Compilers) -> list[Lack]:
    missing = {name: one.reason for name, one in (("CC", compilers.c), ("CXX", compilers.cxx)) if isinstance(one, Missing)}
    # One that is there and does not run, or that a variable names, is not mended by another beside it.
    sick = {name: why for name, why in missing.items() if not why.startswith("PATH has no ")}
    if sick:
        named = [name for name, why in sick.items() if why.startswith(f"${name} is ")]
        command = f"unset {' '.join(named)}" if named else ""
        return [Lack("compilers", stuck=f"a compiler is there that cannot be run: {'; '.join(sick.values())}", command=command)]
    words = {"CC": "a C compiler", "CXX": "a C++ compiler"}
    return [Lack(" and ".join(words[name] for name in missing), apt="build-essential")] if missing else []


def _ninja(
    ninja: Ninja, python: Python | Missing, torch: Torch | Missing, extensions: Extensions | Missing, packages: Packages
) -> list[Lack]:
    if not isinstance(ninja.path, Missing) or isinstance(python, Missing):
        return []
    if isinstance(torch, Missing) or isinstance(extensions, Missing):
        return []
    if not python.distribution("deepspeed") and not extensions.found:
        return []
    from posixpath import dirname  # noqa: PLC0415
    from shlex import quote  # noqa: PLC0415

    if ninja.aside:
        why = f"{ninja.aside} is there, and PATH does not lead to it"
        return [Lack("ninja", stuck=why, command=f"export PATH={quote(dirname(ninja.aside))}:$PATH")]
    if not ninja.path.reason.startswith("PATH has no "):
        return [Lack("ninja", stuck=f"a ninja is there that cannot be run: {ninja.path.reason}")]
    if isinstance(packages.environment, Missing):
        return [Lack("ninja", apt="ninja-build")]
    return [Lack("ninja", pip=python.path)]


def _libaio(deepspeed: Deepspeed | Missing, files: BuildFiles | Missing, builder: DeepspeedBuilder | Missing) -> list[Lack]:
    if isinstance(deepspeed, Missing) or isinstance(files, Missing) or not files.lacking(AIO):
        return []
    if not isinstance(builder, Missing) and builder.aio:
        return []
    return [Lack("libaio", apt="libaio-dev")]


def _plan(found: list[Lack], packages: Packages, missing: str) -> Plan:
    steps: list[Step] = []
    names = tuple(dict.fromkeys(lack.apt for lack in found if lack.apt))
    if names and packages.apt:
        if not packages.listed:
            steps.append(Run((packages.apt, "update"), why="fetches the lists of packages: there are none", undo=(), env=APT))
        install = (packages.apt, "install", "-y", "--no-install-recommends", *names)
        # Content where one is not there, as after an installation that failed.
        remove = (f"{dirname(packages.apt)}/dpkg", "--remove", *names)
        steps.append(Run(install, why=f"installs {', '.join(names)}", undo=remove, seconds=SECONDS, env=APT))
    for python in dict.fromkeys(lack.pip for lack in found if lack.pip):
        pip = (python, "-m", "pip")
        why = f"installs ninja into {packages.environment}"
        steps.append(Run((*pip, "install", "ninja"), why=why, undo=(*pip, "uninstall", "-y", "ninja")))
    return Plan(f"installed: {missing}", tuple(steps), ("this uses the network",))


def _commands(found: list[Lack], packages: Packages) -> list[str]:
    """The same to paste."""
    from shlex import join  # noqa: PLC0415

    names = tuple(dict.fromkeys(lack.apt for lack in found if lack.apt))
    sudo = () if packages.uid == 0 else ("sudo",)
    commands = []
    if names and packages.apt:
        commands += [] if packages.listed else [join((*sudo, "apt-get", "update"))]
        commands.append(join((*sudo, "apt-get", "install", "-y", "--no-install-recommends", *names)))
    commands += [join((lack.pip, "-m", "pip", "install", "ninja")) for lack in found if lack.pip]
    return commands


def _joined(commands: list[str]) -> str | None:
    return " && ".join(command for command in commands if command) or None
