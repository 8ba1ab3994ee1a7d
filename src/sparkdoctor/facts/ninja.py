"""The ninja that PyTorch would call."""

from posixpath import dirname, join, normpath
from typing import Self

from sparkdoctor.facts.python import Python
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Broken, Missing


class Ninja(Fact):
    """`path` and `version` of the ninja that PATH finds, or why there is none; `aside` is one that pip put beside it."""

    path: str | Missing
    version: str
    aside: str | None

    @classmethod
    def probe(cls, machine: Machine) -> Self:
        """Run `ninja --version`, as `is_ninja_available` in torch/utils/cpp_extension.py does; look for pip's."""
        path = machine.which("ninja")
        if path is None:
            return cls(Missing("PATH has no ninja"), "", _aside(machine))
        ran = machine.run(path, "--version")
        if isinstance(ran, Missing):
            return cls(ran, "", _aside(machine))
        if ran.code != 0:
            return cls(Broken(f"{path} --version {ran.ended}: {ran.last_words or 'no words'}"), "", _aside(machine))
        return cls(path, ran.stdout.strip(), None)


def _aside(machine: Machine) -> str | None:
    """The program of pip's ninja: beside the interpreter, or where its metadata's directory belongs to."""
    python = machine.need(Python)
    installed = python.distribution("ninja")
    places = [dirname(python.path)]
    if installed:  # …/lib/python3.12/site-packages/ninja-1.13.0.dist-info
        places.append(normpath(join(installed.path, "../../../../bin")))
    found = (f"{place}/ninja" for place in places)
    return next((path for path in found if not isinstance(machine.stat(path), Missing)), None)
