"""What DeepSpeed was installed with."""

import re
from posixpath import dirname
from typing import Self

from sparkdoctor.facts.python import Python
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Missing


class PrebuiltOps(Fact):
    """The operators that were compiled when DeepSpeed was installed (DS_BUILD_OPS=1): they need no extension cache."""

    names: tuple[str, ...]

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Read deepspeed/git_version_info_installed.py as text."""
        origin = machine.need(Python).modules["deepspeed"]
        if isinstance(origin, Missing):
            return origin
        text = machine.read(f"{dirname(origin)}/git_version_info_installed.py")
        return cls(() if isinstance(text, Missing) else parse(text))


def parse(text: str) -> tuple[str, ...]:
    """The names with True in the line `installed_ops={'async_io': False, …}`."""
    table = re.search(r"^installed_ops\s*=\s*\{([^}\n]*)\}", text, re.MULTILINE)
    return tuple(re.findall(r"['\"](\w+)['\"]\s*:\s*True", table[1])) if table else ()
