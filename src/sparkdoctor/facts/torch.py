"""The installed PyTorch, read from its files."""

import re
from posixpath import dirname
from typing import Self

from sparkdoctor.architecture import Architecture
from sparkdoctor.facts.elf import HEAD, machine_of
from sparkdoctor.facts.python import Python
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Broken, Missing
from sparkdoctor.profiles import Requirement

_NAME = r"(?:sm|compute)_\d{2,4}[a-z]?"


class Torch(Fact):
    """A PyTorch that would be imported, though nobody did.

    `cuda` is the CUDA version it was built with (None for a CPU build); `architectures` the GPU code it carries, None
    where its list was not found; `triton` the line of its metadata that names the Triton it wants; `machine` the
    processor its libraries are for.
    """

    version: str
    root: str
    cuda: str | None
    architectures: tuple[Architecture, ...] | None
    triton: str | None
    machine: str | None

    def renewal(self, python: Python, fresh: Requirement | None) -> tuple[str, str | None]:
        """How to come by another PyTorch here: the words, and the command where there is one.

        NVIDIA's own builds (2.10.0a0+b558c986e8.nv25.11) are replaced by another image, never by a wheel: the rest of the
        container is built against them.
        """
        if re.search(r"a0\+|\.nv\d\d", self.version):
            return "Use a newer NGC image; a wheel from PyPI breaks what else is in this one.", None
        return "Install a PyTorch that was built for this GPU.", python.pip_install(f"--upgrade 'torch{fresh or ''}'")

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Read version.py, the architecture list in libtorch_python.so, and the metadata."""
        python = machine.need(Python)
        origin = python.modules["torch"]
        if isinstance(origin, Missing):
            return origin
        root = dirname(origin)
        installed = python.distribution("torch")
        text = machine.read(f"{root}/version.py")
        said = None if isinstance(text, Missing) else parse_version_file(text)
        if said is None:
            why = text.reason if isinstance(text, Missing) else "it names no version"
            return Broken(f"PyTorch in {root} is damaged: {root}/version.py cannot be understood: {why}")
        library = f"{root}/lib/libtorch_python.so"
        # A CPU build has no such list, and need not be searched.
        codes = _architectures(machine, library) if said[1] else None
        wants = machine.records(f"{installed.path}/METADATA", "Requires-Dist: ", "\n") if installed else ()
        return cls(
            version=said[0],
            root=root,
            cuda=said[1],
            architectures=codes,
            triton=None if isinstance(wants, Missing) else triton_requirement(wants),
            machine=machine_of(machine.head(library, HEAD)),
        )


def _architectures(machine: Machine, library: str) -> tuple[Architecture, ...] | None:
    """The list in .rodata, where compilers put it; only where it is not there, all of the file is searched."""
    for section in (".rodata", None):
        strings = machine.records(library, "sm_", "\0", section)
        if not isinstance(strings, Missing) and (codes := parse_architectures(strings)):
            return codes
    return None


def parse_version_file(text: str) -> tuple[str, str | None] | None:
    """(version, CUDA version or None) of a torch/version.py; None where it does not say both."""
    version = re.search(r"^__version__\s*(?::[^=\n]*)?=\s*['\"]([^'\"\n]+)['\"]", text, re.MULTILINE)
    cuda = re.search(r"^cuda\s*(?::[^=\n]*)?=\s*(?:None|['\"]([^'\"\n]*)['\"])", text, re.MULTILINE)
    return (version[1], cuda[1] or None) if version and cuda else None


def parse_architectures(strings: tuple[str, ...]) -> tuple[Architecture, ...] | None:
    """The longest string that is nothing but architecture names, as PyTorch's build compiles its list in.

    Source: CUDA_ARCH_FLAGS in torch/csrc/cuda/Module.cpp; `sm_80 sm_90 sm_120`.
    """
    lists = [text for text in strings if re.fullmatch(rf"{_NAME}(?: {_NAME})*", text)]
    if not lists:
        return None
    codes = []
    for name in max(lists, key=len).split():
        try:
            codes.append(Architecture.parse(name))
        except ValueError:
            continue
    return tuple(codes) or None


def triton_requirement(lines: tuple[str, ...]) -> str | None:
    """The requirement on Triton among `Requires-Dist:` lines, with its marker."""
    for line in lines:
        requirement = line.removeprefix("Requires-Dist:").strip()
        if re.match(r"(pytorch-)?triton\b", requirement) and "extra ==" not in requirement:
            return requirement
    return None
