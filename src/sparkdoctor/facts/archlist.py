"""TORCH_CUDA_ARCH_LIST, read as torch.utils.cpp_extension would read it."""

import re
from typing import Self

from sparkdoctor.architecture import Architecture, Capability, native
from sparkdoctor.facts.python import Distribution
from sparkdoctor.facts.torch import Torch
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Missing
from sparkdoctor.record import NamedTuple

VARIABLE = "TORCH_CUDA_ARCH_LIST"
# Where no PyTorch can be asked: what 2.9 to 2.14 accept. Source: torch/utils/cpp_extension.py.
_FAMILIES = {"Turing": "7.5+PTX", "Ampere": "8.0;8.6+PTX", "Ada": "8.9+PTX", "Hopper": "9.0+PTX", "Blackwell+Tegra": "11.0"}
_FAMILIES["Blackwell"] = "10.0;10.3;12.0;12.1+PTX"
_SUPPORTED = frozenset(
    [
        "5.0",
        "5.2",
        "5.3",
        "6.0",
        "6.1",
        "6.2",
        "7.0",
        "7.2",
        "7.5",
        "8.0",
        "8.6",
        "8.7",
        "8.9",
        "9.0",
        "9.0a",
        "10.0",
        "10.0a",
        "10.3",
        "10.3a",
        "11.0",
        "11.0a",
        "12.0",
        "12.0a",
        "12.1",
        "12.1a",
    ]
)


class ArchList(Fact):
    """The variable's text, the entries it stands for, the code a build would make, and the entries PyTorch refuses."""

    text: str
    entries: tuple[str, ...]
    codes: tuple[Architecture, ...]
    refused: tuple[str, ...]

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Read the variable, and the tables in the installed PyTorch's cpp_extension.py."""
        text = machine.env(VARIABLE)
        if not text or text == "native":
            return Missing(f"{VARIABLE} is not set")
        return cls.parse(text, *known(machine))

    @classmethod
    def parse(cls, text: str, supported: frozenset[str] = _SUPPORTED, families: dict[str, str] | None = None) -> Self:
        """Do what `_get_cuda_arch_flags` does: blanks are separators, family names are replaced, the rest is compared."""
        flat = text.replace(" ", ";")
        for family, numbers in (_FAMILIES if families is None else families).items():
            flat = flat.replace(family, numbers)
        entries = tuple(flat.split(";"))
        codes: list[Architecture] = []
        refused: list[str] = []
        for entry in entries:
            number = entry.removesuffix("+PTX")
            match = re.fullmatch(r"(\d{1,3})\.(\d)(a?)", number)
            if number not in supported or not match:
                refused.append(entry)
                continue
            capability = Capability(int(match[1]), int(match[2]))
            codes.append(Architecture(capability, ptx=False, suffix=match[3]))
            if entry != number:
                codes.append(Architecture(capability, ptx=True, suffix=match[3]))
        return cls(text, entries, tuple(codes), tuple(refused))


class Fault(NamedTuple):
    """What is wrong with a list, as words to follow it; `fatal` where a build stops, or makes code that runs nowhere here."""

    words: str
    fatal: bool


def fault(arches: ArchList, wanted: Capability | None, deepspeed: Distribution | None) -> Fault | None:
    """What is wrong with a list for this GPU and DeepSpeed."""
    if arches.refused:
        return Fault(f": PyTorch does not know {', '.join(repr(entry) for entry in arches.refused)}", fatal=True)
    specific = [entry for entry in arches.entries if entry.removesuffix("+PTX").endswith("a")]
    if specific and deepspeed and deepspeed.release[:2] >= (0, 19):
        return Fault(f": DeepSpeed {deepspeed.version} cannot read {specific[0]!r}", fatal=True)
    if wanted is None:
        return None
    useful = tuple(code for code in arches.codes if code.runs_on(wanted))
    if not useful:
        return Fault(f" makes no code that runs on {wanted}", fatal=True)
    if not native(useful, wanted):
        return Fault(f" makes only PTX for {wanted}, which the driver compiles anew at first use", fatal=False)
    useless = sorted({code.capability for code in arches.codes if not code.ptx and code not in useful})
    if useless:
        shown = ", ".join(str(capability) for capability in useless)
        words = f": code for {shown} never runs on {wanted}; it multiplies the time and memory of every build"
        return Fault(words, fatal=False)
    return None


def known(machine: Machine) -> tuple[frozenset[str], dict[str, str]]:
    """The architectures and family names that the installed PyTorch knows."""
    torch = machine.get(Torch)
    source = ""
    if not isinstance(torch, Missing):
        # Only the two statements that count, not the file: they go onto tapes.
        for needle in ("supported_arches = [", "named_arches = "):
            found = machine.records(f"{torch.root}/utils/cpp_extension.py", needle, "\n\n")
            source += "" if isinstance(found, Missing) else "\n\n".join((*found, ""))
    return tables(source)


def tables(source: str) -> tuple[frozenset[str], dict[str, str]]:
    """The architectures and family names that a cpp_extension.py knows; ours where it cannot be read."""
    supported = re.search(r"supported_arches\s*=\s*\[(.*?)\]", source, re.DOTALL)
    families = re.search(r"named_arches\s*=\s*collections\.OrderedDict\(\[(.*?)\]\)", source, re.DOTALL)
    pairs = dict(re.findall(r"\(\s*'([^']+)'\s*,\s*'([^']+)'\s*\)", families[1])) if families else _FAMILIES
    return frozenset(re.findall(r"'([^']+)'", supported[1])) if supported else _SUPPORTED, pairs
