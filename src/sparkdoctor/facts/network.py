"""Whether this machine has a network at all, told by its interfaces: nothing is sent anywhere."""

import re
from typing import Self

from sparkdoctor.facts.openfold3 import Openfold3
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Missing

_OWN = r"lo$|docker|veth|br-|virbr|cni|flannel|cali|ifb|dummy|bonding_masters"
"""Interfaces that lead nowhere outside of the machine."""


class Network(Fact):
    """`up` are the interfaces that lead somewhere, or may; `down` those that would if they had a link."""

    up: tuple[str, ...]
    down: tuple[str, ...]

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Read the state of each interface.

        Source: Documentation/networking/operstates.rst of the kernel; drivers that do not tell say `unknown`.
        """
        machine.need(Openfold3)  # nothing else sends anything
        names = machine.entries("/sys/class/net")
        if isinstance(names, Missing):
            return names
        outer = [name for name in names if not re.match(_OWN, name)]
        states = {name: machine.read(f"/sys/class/net/{name}/operstate") for name in outer}
        down = tuple(
            name for name, state in states.items() if not isinstance(state, Missing) and state.strip() not in ("up", "unknown")
        )
        return cls(tuple(name for name in outer if name not in down), down)
