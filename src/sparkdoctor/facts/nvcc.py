"""The nvcc that a build of a PyTorch extension would really call."""

import re
from collections.abc import Mapping
from posixpath import dirname
from types import MappingProxyType
from typing import Self

from sparkdoctor.facts import ptxas
from sparkdoctor.facts.gpu import targets
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Broken, Missing
from sparkdoctor.process import Ran
from sparkdoctor.record import NamedTuple

SOURCE = "__global__ void k(int *p) { *p = 1; }\n"
REFUSAL = "Unsupported gpu architecture"
APPEND = "NVCC_APPEND_FLAGS"
"""The variable with flags that every nvcc puts behind its own."""
SPLIT = "--split-compile=0"
"""Lets the optimiser of one file use all processors. nvcc of CUDA 13.0 takes it; others are asked."""


class CudaHome(Fact):
    """Where builds look for the CUDA toolkit, and why there.

    `variable` is the variable that says so, or None; `home` the directory, or None where there is nowhere to look;
    `on_path` the nvcc that PATH finds, with its version; `installed` the toolkits in /usr/local, by their release.
    """

    variable: str | None
    home: str | None
    on_path: str | None
    on_path_version: str | None
    installed: Mapping[tuple[int, int], str] = MappingProxyType({})

    def newest(self, at_least: tuple[int, int], below: tuple[int, int] = (1000, 0)) -> str | None:
        """The newest installed toolkit of at least one release and below another, or None."""
        return next(
            (self.installed[release] for release in sorted(self.installed, reverse=True) if at_least <= release < below), None
        )

    @classmethod
    def probe(cls, machine: Machine) -> Self:
        """Do what `_find_cuda_home` in torch/utils/cpp_extension.py does."""
        on_path = machine.which("nvcc")
        names = machine.entries("/usr/local")
        installed = toolkits(() if isinstance(names, Missing) else names)
        for variable in ("CUDA_HOME", "CUDA_PATH"):
            if home := machine.env(variable):
                return cls(variable, home, on_path, _version(machine, on_path) if on_path else None, installed)
        if on_path:
            return cls(None, dirname(dirname(on_path)), on_path, None, installed)
        default = "/usr/local/cuda"
        return cls(None, None if isinstance(machine.stat(default), Missing) else default, None, None, installed)


class Nvcc(Fact):
    """An nvcc that runs. `refusals` is by architecture number (121), empty words where it accepted.

    `lacks` names a compiler of the toolkit that it would call and that is not there.
    """

    path: str
    version: str
    refusals: Mapping[int, str]
    lacks: str | None

    @property
    def release(self) -> tuple[int, int]:
        """(13, 0) for 13.0.88."""
        return ptxas.toolkit_release(self.version)

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Ask the one that builds call."""
        path = called(machine)
        return path if isinstance(path, Missing) else cls.ask(machine, path)

    @classmethod
    def ask(cls, machine: Machine, path: str) -> Self | Missing:
        """Ask an nvcc for its version and, by a dry run on one line of CUDA, for the target architectures."""
        refusals: dict[int, str] = {}
        plan = ""
        for capability in targets(machine):
            number = capability.number
            ran = dry_run(machine, path, f"-gencode=arch=compute_{number},code=sm_{number}")
            if isinstance(ran, Missing):
                return ran
            refusals[number] = refusal(ran)
            plan = plan or (ran.stderr if ran.code == 0 else "")
        version = planned_version(plan)
        if version is None:
            said = machine.run(path, "--version")
            if isinstance(said, Missing):
                return said
            version = ptxas.parse_version(said.stdout)
            if said.code != 0 or version is None:
                why = f": {said.last_words}" if said.last_words else ""
                return Broken(f"{path} {said.ended} and names no version{why}")
        return cls(path, version, refusals, _lacks(machine, plan))


class Fault(NamedTuple):
    """What is wrong with a CUDA_HOME that is set; `fatal` where no build works, or none that fits."""

    words: str
    fatal: bool


def fault(home: CudaHome, nvcc: Nvcc | Missing) -> Fault | None:
    """What is wrong with the CUDA_HOME or CUDA_PATH that is set, if one is."""
    if home.variable is None:
        return None
    setting = f"{home.variable}={home.home}"
    if isinstance(nvcc, Missing):
        return Fault(f"{setting} has no usable nvcc: {nvcc.reason}", fatal=True)
    if home.on_path_version and ptxas.toolkit_release(home.on_path_version) != nvcc.release:
        other = ptxas.toolkit_release(home.on_path_version)
        words = f"{setting} is CUDA {nvcc.version}, but nvcc on PATH is CUDA {home.on_path_version}"
        return Fault(words, fatal=other[:1] != nvcc.release[:1])
    return None


def called(machine: Machine) -> str | Missing:
    """The path of the nvcc that a build would call, whether it runs or not."""
    home = machine.need(CudaHome).home
    missing = Missing("there is no nvcc: CUDA_HOME is not set, PATH has none and /usr/local/cuda does not exist")
    return machine.env("PYTORCH_NVCC") or (f"{home}/bin/nvcc" if home else missing)


def dry_run(machine: Machine, path: str, flag: str) -> Ran | Missing:
    """What an nvcc would do with one line of CUDA and this flag; nothing is compiled."""
    # nvcc wants a temporary directory even for that.
    return machine.run(path, "--dryrun", flag, "-x", "cu", "-c", "{input}", "-o", "{output}", text=SOURCE, scratch=True)


def refusal(ran: Ran) -> str:
    """The words with which a compiler refused; empty where it did not."""
    return "" if ran.code == 0 else ran.last_words or f"it {ran.ended}"


def toolkits(names: tuple[str, ...]) -> dict[tuple[int, int], str]:
    """The toolkits among the names in /usr/local: `cuda-13.0`."""
    found = (re.fullmatch(r"cuda-(\d{1,3})\.(\d{1,2})", name) for name in names)
    return {(int(match[1]), int(match[2])): f"/usr/local/{match[0]}" for match in found if match}


def _version(machine: Machine, path: str) -> str | None:
    said = machine.run(path, "--version")
    return None if isinstance(said, Missing) else ptxas.parse_version(said.stdout)


def _lacks(machine: Machine, plan: str) -> str | None:
    """The first of the toolkit's compilers that the plan would call and that is not there."""
    settings = parse_plan(plan)
    parts = {"cicc": settings.get("CICC_PATH"), "cudafe++": settings.get("_HERE_"), "ptxas": settings.get("_HERE_")}
    for name, directory in parts.items():
        if directory and isinstance(machine.stat(f"{directory}/{name}"), Missing):
            return f"{directory}/{name}"
    return None


def planned_version(text: str) -> str | None:
    """The version that `nvcc --dryrun` defines for the code it would compile."""
    parts = [re.search(rf"-D__CUDACC_VER_{part}__=(\d+)", text) for part in ("MAJOR", "MINOR", "BUILD")]
    return ".".join(part[1] for part in parts if part) if all(parts) else None


def parse_plan(text: str) -> dict[str, str]:
    """The settings that `nvcc --dryrun` prints first: `#$ CICC_PATH=/usr/local/cuda/bin/../nvvm/bin`."""
    return {name: value.strip() for name, value in re.findall(r"^#\$ (\w+)=(.*)$", text, re.MULTILINE)}
