"""The head of a report: what machine this is, in a dozen values."""

from sparkdoctor.facts.cgroup import Cgroup
from sparkdoctor.facts.container import Container
from sparkdoctor.facts.driver import Driver
from sparkdoctor.facts.gpu import Gpu
from sparkdoctor.facts.identity import Identity
from sparkdoctor.facts.memory import Memory
from sparkdoctor.facts.nvcc import Nvcc
from sparkdoctor.facts.nvml import Nvml
from sparkdoctor.facts.python import Python
from sparkdoctor.facts.system import System
from sparkdoctor.facts.torch import Torch
from sparkdoctor.facts.triton import Triton
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Missing

# Those that wait for other processes come first.
NEEDS: tuple[type[Fact], ...] = (
    Python,
    Nvml,
    Nvcc,
    Triton,
    Torch,
    Gpu,
    Driver,
    System,
    Identity,
    Container,
    Memory,
    Cgroup,
)


def describe(machine: Machine) -> tuple[dict[str, str | None], dict[str, str | int | float | None]]:
    """The report's `python` and `machine`; None for what is not known. Memory in GiB."""
    system, identity, container = machine.get(System), machine.get(Identity), machine.get(Container)
    gpu, driver, memory, cgroup = machine.get(Gpu), machine.get(Driver), machine.get(Memory), machine.get(Cgroup)
    python, torch, triton, nvcc = machine.get(Python), machine.get(Torch), machine.get(Triton), machine.get(Nvcc)
    cuda = None if isinstance(driver, Missing) else driver.cuda
    limit = None if isinstance(cgroup, Missing) else cgroup.limit
    return (
        {"path": None, "why": python.reason} if isinstance(python, Missing) else {"path": python.path, "why": python.why},
        {
            "name": None if isinstance(identity, Missing) else identity.name,
            "gpu": None if isinstance(gpu, Missing) else gpu.name,
            "gpus": 0 if isinstance(gpu, Missing) else len(gpu.devices),
            "compute_capability": None if isinstance(gpu, Missing) else str(gpu.capability),
            "driver": None if isinstance(driver, Missing) else driver.version,
            "cuda": f"{cuda[0]}.{cuda[1]}" if cuda else None,
            "nvcc": None if isinstance(nvcc, Missing) else nvcc.version,
            "python": None if isinstance(python, Missing) else python.version,
            "torch": None if isinstance(torch, Missing) else torch.version,
            "triton": None if isinstance(triton, Missing) else triton.version,
            "arch": None if isinstance(system, Missing) else system.architecture,
            "cpus": None if isinstance(system, Missing) else system.usable_cpus,
            "kernel": None if isinstance(system, Missing) else system.kernel,
            "os": None if isinstance(system, Missing) else system.os,
            "dgx_os": None if isinstance(identity, Missing) else identity.dgx_os,
            "container": None if isinstance(container, Missing) else container.engine,
            "memory_gib": None if isinstance(memory, Missing) else round(memory.total / (1 << 30), 1),
            "memory_available_gib": None if isinstance(memory, Missing) else round(memory.available / (1 << 30), 1),
            "memory_limit_gib": round(limit / (1 << 30), 1) if limit is not None else None,
        },
    )
