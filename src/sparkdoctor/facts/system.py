"""The kernel, the processors and the operating system."""

import re
from typing import Self

from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Missing


class System(Fact):
    """What runs here. `page_size` in bytes; `usable_cpus` are those this process may run on."""

    architecture: str
    kernel: str
    page_size: int
    cpus: int
    usable_cpus: int
    os: str | None

    @classmethod
    def probe(cls, machine: Machine) -> Self:
        """Read uname and os-release."""
        itself = machine.itself()
        return cls(
            architecture=itself["machine"],
            kernel=itself["release"],
            page_size=itself["page_size"],
            cpus=itself["cpus"],
            usable_cpus=itself["usable_cpus"],
            os=os_name(machine.read("/etc/os-release")),
        )


def os_name(text: str | Missing) -> str | None:
    """PRETTY_NAME of an os-release file."""
    return None if isinstance(text, Missing) else shell_values(text).get("PRETTY_NAME")


def shell_values(text: str) -> dict[str, str]:
    """NAME=value lines, quoted or not; the last of a name counts (/etc/dgx-release grows by a pair with every update)."""
    found = re.findall(r"^\s*([A-Za-z_]\w*)=(.*)$", text, re.MULTILINE)
    return {name: value.strip().strip("\"'") for name, value in found}
