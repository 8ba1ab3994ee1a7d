"""What the kernel shows of NVIDIA GPUs: device nodes, the PCI bus, and the variables that hide GPUs."""

from typing import Self

from sparkdoctor.facts.gpu import Gpu
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Missing

_PCI = "/sys/bus/pci/devices"


class Devices(Fact):
    """`nodes` are the names in /dev that begin with nvidia; `pci` the NVIDIA display controllers, as `vendor:device`.

    `unopenable` are the nodes that this user may not open. `hidden_by` is a variable that hides all GPUs.
    """

    nodes: tuple[str, ...]
    unopenable: tuple[str, ...]
    pci: tuple[str, ...]
    hidden_by: str | None

    @classmethod
    def probe(cls, machine: Machine) -> Self:
        """Look into /dev and, where no GPU can be seen, at the PCI bus."""
        names = machine.entries("/dev")
        nodes = () if isinstance(names, Missing) else tuple(name for name in names if name.startswith("nvidia"))
        blind = isinstance(machine.get(Gpu), Missing)
        return cls(nodes, _unopenable(machine, nodes), _pci(machine) if blind else (), _hidden_by(machine))


def _unopenable(machine: Machine, nodes: tuple[str, ...]) -> tuple[str, ...]:
    found = []
    for node in nodes:
        status = machine.stat(f"/dev/{node}")
        if not isinstance(status, Missing) and status.kind == "device" and not (status.readable and status.writable):
            found.append(node)
    return tuple(found)


def _hidden_by(machine: Machine) -> str | None:
    visible = machine.env("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1", "NoDevFiles"):
        return f"CUDA_VISIBLE_DEVICES={visible!r}"
    passed = machine.env("NVIDIA_VISIBLE_DEVICES")
    if passed is not None and passed.strip() in ("", "void", "none"):
        return f"NVIDIA_VISIBLE_DEVICES={passed!r}"
    return None


def _pci(machine: Machine) -> tuple[str, ...]:
    names = machine.entries(_PCI)
    found = []
    for name in () if isinstance(names, Missing) else names:
        vendor = machine.read(f"{_PCI}/{name}/vendor")
        if isinstance(vendor, Missing) or vendor.strip() != "0x10de":
            continue
        kind, device = machine.read(f"{_PCI}/{name}/class"), machine.read(f"{_PCI}/{name}/device")
        # Class 03 is a display controller; the bridges of a GB10 are NVIDIA's too.
        if isinstance(kind, str) and kind.startswith("0x03"):
            found.append(f"10de:{device.strip().removeprefix('0x') if isinstance(device, str) else '?'}")
    return tuple(found)
