"""The host compilers: Triton builds its launchers with one, extensions need the other."""

from typing import Self

from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Broken, Missing


class Compilers(Fact):
    """First line of what each prints as its version, or why it cannot be had."""

    c: str | Missing
    cxx: str | Missing

    @classmethod
    def probe(cls, machine: Machine) -> Self:
        """Find and run them as Triton (CC, gcc, clang) and torch.utils.cpp_extension (CXX, c++) would."""
        return cls(_ask(machine, "CC", ("gcc", "clang")), _ask(machine, "CXX", ("c++",)))


def _ask(machine: Machine, variable: str, names: tuple[str, ...]) -> str | Missing:
    path = machine.env(variable) or next((found for name in names if (found := machine.which(name))), None)
    if path is None:
        return Missing(f"PATH has no {' and no '.join(names)}")
    ran = machine.run(path, "--version")
    if isinstance(ran, Missing):
        return Missing(f"${variable} is {path}: {ran.reason}") if machine.env(variable) else ran
    if ran.code != 0:
        return Broken(f"{path} --version {ran.ended}" + (f": {ran.last_words}" if ran.last_words else ""))
    return ran.stdout.strip().partition("\n")[0] or path
