"""A ptxas, asked what it can assemble."""

import re
from collections.abc import Iterable, Mapping

from sparkdoctor.machine import Machine
from sparkdoctor.model import Broken, Missing
from sparkdoctor.record import NamedTuple

PTX = """\
.version 8.0
.target sm_80
.address_size 64
.visible .entry k(.param .u64 p){ret;}
"""
"""The smallest kernel; PTX of sm_80 is accepted for every later target."""


class Ptxas(NamedTuple):
    """A ptxas that runs. `refusals` maps each architecture it was asked for to its words, empty where it accepted."""

    path: str
    version: str
    refusals: Mapping[str, str]

    @property
    def release(self) -> tuple[int, int]:
        """(12, 8) for 12.8.93."""
        return toolkit_release(self.version)


def ask(machine: Machine, path: str, architectures: Iterable[str]) -> Ptxas | Missing:
    """Ask the ptxas at `path` for its version and to assemble four lines for each architecture; writes no file."""
    said = machine.run(path, "--version")
    if isinstance(said, Missing):
        return said
    version = parse_version(said.stdout + said.stderr)
    if said.code != 0 or version is None:
        return Broken(f"{path} {said.ended} and names no version" + (f": {said.last_words}" if said.last_words else ""))
    refusals: dict[str, str] = {}
    for name in architectures:
        ran = machine.run(path, f"-arch={name}", "{input}", "-o", "{output}", text=PTX)
        if isinstance(ran, Missing):
            return ran
        refusals[name] = "" if ran.code == 0 else ran.last_words or f"it {ran.ended}"
    return Ptxas(path, version, refusals)


def parse_version(text: str) -> str | None:
    """The version in what ptxas and nvcc print: `Cuda compilation tools, release 13.0, V13.0.88`."""
    found = re.search(r"release (\d+\.\d+)(?:, V(\d+\.\d+(?:\.\d+)*))?", text)
    return (found[2] or found[1]) if found else None


def toolkit_release(version: str) -> tuple[int, int]:
    """(13, 0) for 13.0.88."""
    major, minor = version.split(".")[:2]
    return int(major), int(minor)
