"""The NVIDIA driver: the kernel module that is loaded, the library that programs load, the package on disk."""

import re
from typing import Self

from sparkdoctor.facts.container import Container
from sparkdoctor.facts.nvml import VERSION_MISMATCH, Nvml, NvmlError
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Broken, Missing

_DPKG = "/var/lib/dpkg/status"
_VERSION = r"\d{3}\.\d+(?:\.\d+)?"


class Driver(Fact):
    """Versions by where they were read: `loaded` kernel module, `library` libnvidia-ml.so.1, `installed` package.

    `firmware` is what the GPU's own processor (GSP) runs. `cuda` is the newest CUDA version that the driver runs, such as
    (13, 0). `refusal` is why NVML would not start; `mismatch`: because library and kernel module differ. `started`: it did.
    """

    loaded: str | None
    library: str | None
    installed: str | None
    firmware: str | None
    cuda: tuple[int, int] | None
    mismatch: bool
    refusal: NvmlError | None = None
    started: bool = False

    @property
    def version(self) -> str | None:
        """The version that counts: the loaded module's, which no library can do without."""
        return self.loaded or self.library

    @property
    def shown(self) -> str:
        """The version, for a sentence."""
        return self.version or "of an unknown version"

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Ask the kernel, NVML and dpkg."""
        banner = machine.read("/proc/driver/nvidia/version")
        module = machine.read("/sys/module/nvidia/version")
        nvml = machine.get(Nvml)
        said = Nvml() if isinstance(nvml, Missing) else nvml
        loaded = parse_banner(banner) or parse_version(module) or parse_version(said.text("nvmlSystemGetDriverVersion"))
        library = library_version(said)
        refusal = said.refusal
        started = "nvmlInit" in said.answers
        if loaded is None and library is None and refusal is None and not started:
            if isinstance(nvml, Broken):
                return nvml
            if said.stopped:
                return Broken(said.stopped)
            why = "no kernel module is loaded and libnvidia-ml.so.1 is not installed"
            return Missing(f"there is no NVIDIA driver here: {why}")
        return cls(
            loaded=loaded,
            library=library,
            installed=None if machine.need(Container) else installed_version(machine),
            firmware=parse_version(said.text("nvmlDeviceGetGspFirmwareVersion[0]")),
            cuda=cuda_version(said.number("nvmlSystemGetCudaDriverVersion")),
            mismatch=refusal is not None and refusal.code == VERSION_MISMATCH,
            refusal=refusal,
            started=started,
        )


def parse_banner(text: str | Missing) -> str | None:
    """The version in /proc/driver/nvidia/version: `NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.95.05  …`."""
    if isinstance(text, Missing):
        return None
    found = re.search(rf"^NVRM version:.*?\s({_VERSION})\s", text, re.MULTILINE)
    return found[1] if found else None


def parse_version(text: str | Missing | None) -> str | None:
    """A driver version that stands alone."""
    found = re.fullmatch(_VERSION, text.strip()) if isinstance(text, str) else None
    return found[0] if found else None


def library_version(nvml: Nvml) -> str | None:
    """The library's version: from its file name, else from what it says (`13.580.95.05`: CUDA major, then the driver's)."""
    found = re.search(rf"libnvidia-ml\.so\.({_VERSION})$", nvml.library or "")
    said = re.fullmatch(rf"\d+\.({_VERSION})", nvml.text("nvmlSystemGetNVMLVersion") or "")
    return found[1] if found else said[1] if said else None


def cuda_version(number: int | None) -> tuple[int, int] | None:
    """13000 is (13, 0)."""
    return None if number is None or not 1000 <= number < 100_000 else (number // 1000, number % 1000 // 10)  # noqa: PLR2004


def installed_version(machine: Machine) -> str | None:
    """The version of the driver's user-space package in dpkg's database."""
    stanzas = machine.records(_DPKG, "Package: libnvidia-compute-", "\n\n")
    return None if isinstance(stanzas, Missing) else parse_stanzas(stanzas)


def parse_stanzas(stanzas: tuple[str, ...]) -> str | None:
    """The version of the first stanza that is really installed: `Version: 580.95.05-0ubuntu0.24.04.1`."""
    for stanza in stanzas:
        if re.search(r"^Package: libnvidia-compute-\d+", stanza, re.MULTILINE) and "Status: install ok installed" in stanza:
            version = re.search(rf"^Version: (?:\d+:)?({_VERSION})", stanza, re.MULTILINE)
            if version:
                return version[1]
    return None
