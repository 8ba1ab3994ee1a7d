"""The GPUs that a program here can see."""

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Self, TypeVar

from sparkdoctor.architecture import Capability
from sparkdoctor.facts.driver import Driver
from sparkdoctor.facts.nvml import NO_PERMISSION, Nvml
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Broken, Missing
from sparkdoctor.profiles import Profile
from sparkdoctor.record import NamedTuple

_MOST = 32
A = TypeVar("A")


class Device(NamedTuple):
    """One GPU. `memory` is its own memory in bytes, None where it shares the system's (GB10 answers "not supported")."""

    name: str
    capability: Capability
    memory: int | None


class Gpu(Fact):
    """The GPUs, in NVML's order; at least one. `source` says who listed them."""

    devices: tuple[Device, ...]
    source: str = "NVML"

    @property
    def name(self) -> str:
        """The first GPU's name."""
        return self.devices[0].name

    @property
    def capability(self) -> Capability:
        """The first GPU's compute capability."""
        return self.devices[0].capability

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        """All compute capabilities, each once, lowest first."""
        return tuple(sorted({device.capability for device in self.devices}))

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """List the GPUs by NVML; by nvidia-smi where NVML crashed or hung under us."""
        nvml = machine.get(Nvml)
        if isinstance(nvml, Broken):
            return cls._by_nvidia_smi(machine, nvml)
        if isinstance(nvml, Missing):
            driver = machine.get(Driver)
            return driver if isinstance(driver, Missing) else Missing(f"no GPU is visible: {nvml.reason}")
        return cls.of(nvml) if nvml.stopped is None else cls._by_nvidia_smi(machine, Broken(nvml.stopped))

    @classmethod
    def of(cls, nvml: Nvml) -> Self | Missing:
        """What NVML's answers mean."""
        if refusal := nvml.refusal:
            return Missing(f"no GPU is visible: NVML says {refusal.text!r}")
        count = nvml.number("nvmlDeviceGetCount")
        if count is None or not 0 <= count <= _MOST:
            error = nvml.errors.get("nvmlDeviceGetCount")
            return Broken(f"NVML cannot count the GPUs: {error.text if error else f'it says {count}'}")
        if count == 0:
            return Missing("no GPU is visible: NVML sees none")
        devices = tuple(device for device in (_device(nvml, index) for index in range(count)) if device)
        if devices:
            return cls(devices)
        refused = nvml.errors.get("nvmlDeviceGetHandleByIndex[0]")
        if refused and refused.code == NO_PERMISSION:
            return Missing(f"no GPU is visible: NVML says {refused.text!r}; this user or container may not open the GPU")
        return Broken(f"NVML sees {count} GPU but describes none of them: {refused.text if refused else 'nonsense'}")

    @classmethod
    def _by_nvidia_smi(cls, machine: Machine, broken: Broken) -> Self | Missing:
        if machine.remaining() <= 0:
            return broken
        ran = machine.run("nvidia-smi", "--query-gpu=name,compute_cap", "--format=csv,noheader", timeout=2.0)
        if isinstance(ran, Missing):
            return broken
        devices = parse_nvidia_smi(ran.stdout)
        if devices and ran.code == 0:
            return cls(devices, "nvidia-smi")
        return Broken(f"{broken.reason}; nvidia-smi {ran.ended}" + (f": {ran.last_words}" if ran.last_words else ""))


def _device(nvml: Nvml, index: int) -> Device | None:
    name = nvml.text(f"nvmlDeviceGetName[{index}]")
    match nvml.answers.get(f"nvmlDeviceGetCudaComputeCapability[{index}]"):
        case [int(major), int(minor)] if 1 <= major < 100 and 0 <= minor < 10:  # noqa: PLR2004
            capability = Capability(major, minor)
        case _:
            return None
    match nvml.answers.get(f"nvmlDeviceGetMemoryInfo[{index}]"):
        case {"total": int(total)} if total > 0:
            memory: int | None = total
        case _:
            memory = None
    return Device(name, capability, memory) if name else None


def parse_nvidia_smi(text: str) -> tuple[Device, ...]:
    """Lines such as `NVIDIA GB10, 12.1`; anything else is no GPU."""
    lines = (re.fullmatch(r"([^,\x00-\x1f]+), (\d{1,3}\.\d)", line.strip()) for line in text.splitlines())
    return tuple(Device(line[1], Capability.parse(line[2]), None) for line in lines if line)


def target(profile: Profile, gpu: Gpu | Missing) -> Capability | None:
    """The capability that software is judged for: the profile's, else the first visible GPU's.

    The profile leads, because what is asked of the software must not depend on whether the GPU can be seen just now.
    """
    if profile.compute_capability is not None:
        return profile.compute_capability
    return None if isinstance(gpu, Missing) else gpu.capability


def targets(machine: Machine) -> Iterator[Capability]:
    """The capabilities to ask a compiler about: the profile's, else the GPUs'; for a tape, both.

    The profile's comes at once, so that nobody waits for NVML who need not.
    """
    first = machine.profile.compute_capability
    if first is not None:
        yield first
        if not machine.thorough:
            return
    gpu = machine.get(Gpu)
    if not isinstance(gpu, Missing):
        yield from (capability for capability in gpu.capabilities if capability != first)


def for_target(machine: Machine, ask: Callable[[Capability], A]) -> A | Missing:
    """What `ask` finds for the wanted capability; where a tape is made, the others are asked about too."""
    found = [ask(capability) for capability in (targets(machine) if machine.thorough else islice(targets(machine), 1))]
    return found[0] if found else Missing("neither the profile nor a GPU says which architecture is wanted")
