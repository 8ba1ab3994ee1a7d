"""The dictionary of chemical components (CCD) that OpenFold3 reads: the one in biotite, unless a runner YAML names another."""

from posixpath import dirname
from typing import Self

from sparkdoctor.facts.openfold3 import Openfold3
from sparkdoctor.facts.python import Python
from sparkdoctor.facts.runner_yaml import RunnerYaml, absolute
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Missing

LEAST = 40_000
"""Components that every release of biotite since 1.1 has: 46,071 in 1.2.0, 49,196 in 1.6.0."""


class Ccd(Fact):
    """`components` is how many it has, or why that cannot be told; `size` in bytes, None where it is not there.

    `installed` is the size that biotite's own had when it was installed, None where that is not known; `own` whether a runner
    YAML names it.
    """

    part_of = Openfold3

    path: str
    size: int | None
    components: int | Missing
    installed: int | None = None
    own: bool = False
    writable: bool = True

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Count its rows; 63 MB, of which little is read."""
        machine.need(Openfold3)
        python, runner = machine.need(Python), machine.get(RunnerYaml)
        named = None if isinstance(runner, Missing) else runner.ccd_file_path
        biotite = python.distribution("biotite")
        installed = None
        if named is not None:
            path = absolute(machine, named)
        elif biotite is None:
            return Missing(f"biotite is not installed in {python.path}")
        else:
            path = f"{dirname(biotite.path)}/biotite/structure/info/components.bcif"
            lines = machine.records(f"{biotite.path}/RECORD", "biotite/structure/info/components.bcif,", "\n")
            installed = None if isinstance(lines, Missing) else parse_record(lines)
        status = machine.stat(path)
        size = None if isinstance(status, Missing) else status.size
        components = machine.rows(path, "chem_comp") if size else Missing("it is empty" if size == 0 else "it is not there")
        place = machine.stat(dirname(path))
        writable = not isinstance(place, Missing) and place.writable
        return cls(path, size, components, installed, named is not None, writable)


def parse_record(lines: tuple[str, ...]) -> int | None:
    """The size at the end of a line of RECORD."""
    sizes = [line.strip().rpartition(",")[2] for line in lines]
    return next((int(size) for size in sizes if size.isascii() and size.isdigit() and len(size) < 16), None)  # noqa: PLR2004
