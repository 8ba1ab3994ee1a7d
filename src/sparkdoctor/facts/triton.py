"""The installed Triton, and the ptxas that it would really use."""

import re
from collections.abc import Mapping
from posixpath import dirname
from typing import TYPE_CHECKING, Self

from sparkdoctor.architecture import Capability
from sparkdoctor.facts import ptxas
from sparkdoctor.facts.elf import HEAD, machine_of
from sparkdoctor.facts.gpu import targets
from sparkdoctor.facts.python import Python, release_of
from sparkdoctor.facts.system import System
from sparkdoctor.facts.torch import Torch
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Broken, Missing
from sparkdoctor.record import NamedTuple

if TYPE_CHECKING:
    from packaging.requirements import Requirement

PLAIN, BLACKWELL = "TRITON_PTXAS_PATH", "TRITON_PTXAS_BLACKWELL_PATH"
UNSETTABLE = "TRITON_PTXAS-BLACKWELL_PATH"
"""What Triton 3.3 reads for Blackwell: no shell can set a name with a hyphen."""


class Tool(NamedTuple):
    """Which ptxas a Triton takes for an architecture: the bundled file's name and the variable that overrides it."""

    name: str
    knob: str


class Triton(Fact):
    """A Triton that would be imported, though nobody did.

    `knobs` are the ptxas variables that are set. `tools` and `assemblers` are by architecture number (121): which
    ptxas this version takes, and that ptxas asked. `overridden` says whether the variable's path was the one taken.
    """

    version: str
    root: str
    knobs: Mapping[str, str]
    tools: Mapping[int, Tool]
    assemblers: Mapping[int, ptxas.Ptxas | Missing]
    overridden: Mapping[int, bool]
    machine: str | None

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Read its compiler.py (as text) for the choice it makes, and ask the ptxas chosen."""
        python = machine.need(Python)
        origin = python.modules["triton"]
        if isinstance(origin, Missing):
            return origin
        root = dirname(origin)
        installed = python.distribution("triton", "pytorch-triton", "triton-nightly")
        said = machine.records(origin, "__version__", "\n")
        version = (
            parse_version_file("\n".join(() if isinstance(said, Missing) else said))
            or (installed.version if installed else None)
            or "unknown"
        )
        functions = machine.records(f"{root}/backends/nvidia/compiler.py", "def get_ptxas(", "\n\n")
        source = "" if isinstance(functions, Missing) else "\n\n".join(functions)
        knobs = {name: value for name in (PLAIN, BLACKWELL) if (value := machine.env(name)) is not None}
        tools: dict[int, Tool] = {}
        assemblers: dict[int, ptxas.Ptxas | Missing] = {}
        overridden: dict[int, bool] = {}
        for capability in targets(machine):
            number = capability.number
            tools[number] = tool_for(source, version, number)
            assemblers[number], overridden[number] = _take(machine, root, version, tools[number], knobs, number)
        return cls(version, root, knobs, tools, assemblers, overridden, machine_of(machine.head(f"{root}/_C/libtriton.so", HEAD)))

    @property
    def release(self) -> tuple[int, ...]:
        """(3, 5, 1); empty where the version is unknown."""
        return release_of(self.version)

    def satisfies(self, wanted: "Requirement") -> bool:
        """Whether it is what a requirement asks for. A nightly names the local part too (pytorch-triton==3.5.0+gitbfeb0668)."""
        spellings = (self.version, self.version.partition("+")[0])
        return any(wanted.specifier.contains(version, prereleases=True) for version in spellings)


def unfit(version: str, found: ptxas.Ptxas | Missing, number: int) -> str:
    """Why a Triton of this version can make nothing of this ptxas for an architecture; empty where it can.

    Triton takes one of CUDA 13 from 3.5 on. Source: ptx_get_version in its compiler.py.
    """
    if isinstance(found, Missing):
        return found.reason
    if found.refusals[code_name(number)]:
        return f"ptxas {found.version} cannot assemble {code_name(number)}"
    if found.release[0] >= 13 and (0,) < release_of(version)[:2] < (3, 5):  # noqa: PLR2004
        return f"Triton {version} refuses ptxas {found.version}: it knows CUDA up to 12 only"
    return ""


def misled(triton: Triton, wanted: Capability) -> tuple[str, str] | None:
    """A ptxas variable that is set, and the words on why Triton does not take it; None where it does, or none is set."""
    if not triton.knobs or wanted.number not in triton.tools:
        return None
    tool, found = triton.tools[wanted.number], triton.assemblers[wanted.number]
    used = "no ptxas that runs" if isinstance(found, Missing) else f"the bundled ptxas {found.version}"
    if tool.knob in triton.knobs:
        path = triton.knobs[tool.knob]
        if triton.overridden[wanted.number]:
            return (tool.knob, found.reason) if isinstance(found, Missing) else None
        return tool.knob, f"{tool.knob}={path} does not run; Triton {triton.version} falls back to {used} without a word"
    name = next(iter(triton.knobs))
    reads = tool.knob if tool.knob != UNSETTABLE else "a variable that no shell can set"
    return name, f"Triton {triton.version} ignores {name} for {wanted}: it reads {reads}, and so takes {used}"


def triton_wanted(torch: Torch, python: Python, system: System) -> "Requirement | Missing":
    """The Triton that a PyTorch asks for on this machine, or why that is not known."""
    if torch.triton is None:
        return Missing(f"PyTorch {torch.version} names no Triton release in its metadata")
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 (only where PyTorch names one)

    try:
        wanted = Requirement(torch.triton)
    except InvalidRequirement:
        return Missing(f"PyTorch's requirement {torch.triton!r} cannot be read")
    # The marker is judged for the machine that was examined, which need not be the one we run on.
    place = {
        "platform_machine": system.architecture,
        "platform_system": "Linux",
        "sys_platform": "linux",
        "os_name": "posix",
        "python_version": ".".join(python.version.split(".")[:2]),
        "python_full_version": python.version,
        "extra": "",
    }
    if wanted.marker and not wanted.marker.evaluate(place):
        return Missing(f"PyTorch {torch.version} asks for no Triton on {system.architecture}")
    return wanted


def _take(
    machine: Machine, root: str, version: str, tool: Tool, knobs: Mapping[str, str], number: int
) -> tuple[ptxas.Ptxas | Missing, bool]:
    """What Triton's knob does with the variable's path: takes it where it names a version, else silently its own.

    But a path that is there and cannot be started ends Triton with the system's error: a directory, a file for another
    processor; from 3.5 on also a file that may not be executed, and an empty value. Sources: NvidiaTool.from_path and
    env_nvidia_tool in triton/knobs.py, 3.4.0 to 3.9.0, run.
    """
    name, path = code_name(number), knobs.get(tool.knob)
    checks_access = (3, 0) < release_of(version)[:2] < (3, 5)
    if path == "" and not checks_access:
        return Broken(f"{tool.knob} is set and empty: Triton {version} stops with PermissionError ('')"), True
    if path:
        found = ptxas.ask(machine, path, (name,))
        if not isinstance(found, Missing):
            return found, True
        if isinstance(machine.run(path, "--version"), Broken) and not (checks_access and _not_executable(machine, path)):
            return Broken(f"Triton {version} cannot start {tool.knob}={path} and stops: {found.reason}"), True
    return ptxas.ask(machine, f"{root}/backends/nvidia/bin/{tool.name}", (name,)), False


def _not_executable(machine: Machine, path: str) -> bool:
    status = machine.stat(path)
    return not isinstance(status, Missing) and not status.executable


def code_name(number: int) -> str:
    """What Triton asks ptxas for: `sm_121a`. Source: `sm_arch_from_capability` in triton/backends/nvidia/compiler.py."""
    return f"sm_{number}{'a' if number >= 90 else ''}"  # noqa: PLR2004


def parse_version_file(text: str) -> str | None:
    """`__version__ = '3.6.0'` of triton/__init__.py."""
    found = re.search(r"^__version__\s*=\s*['\"]([^'\"\n]+)['\"]", text, re.MULTILINE)
    return found[1] if found else None


def tool_for(source: str, version: str, number: int) -> Tool:
    """Which ptxas this Triton takes for architecture `number`.

    Decided by the text of `get_ptxas` in its compiler.py; by version where that is not to be had. Sources: Triton
    3.2.0 to 3.9.0: 3.3 has `ptxas-blackwell` from 100 on, 3.4 and 3.5 have one ptxas, 3.6 to 3.8 have two again from
    100 on, 3.9 from 90 on.
    """
    body = re.search(r"^def get_ptxas\b.*?(?=\n\n|\n@|\ndef |\Z)", source, re.MULTILINE | re.DOTALL)
    if body and "blackwell" in body[0]:
        bound = re.search(r"arch\s*(?:>=|<)\s*(\d+)", body[0])
        newer, knob = number >= (int(bound[1]) if bound else 100), UNSETTABLE if '"ptxas-blackwell"' in body[0] else BLACKWELL
    elif body:
        newer, knob = False, PLAIN
    else:
        newer, knob = _by_version(version, number)
    return Tool("ptxas-blackwell", knob) if newer else Tool("ptxas", PLAIN)


def _by_version(version: str, number: int) -> tuple[bool, str]:
    release = release_of(version) or (3, 6)
    major, minor = release[0], release[1] if len(release) > 1 else 0
    if (major, minor) == (3, 3):
        return number >= 100, UNSETTABLE  # noqa: PLR2004
    return (major, minor) >= (3, 6) and number >= (90 if (major, minor) >= (3, 9) else 100), BLACKWELL
