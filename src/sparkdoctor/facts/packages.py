"""What could install packages here: apt for the system, pip for the patient's environment."""

import re
from posixpath import dirname
from typing import Self

from sparkdoctor.facts.python import Python
from sparkdoctor.machine import Fact, FileStatus, Machine
from sparkdoctor.model import Missing


class Packages(Fact):
    """`apt` is where PATH finds apt-get, `listed` whether it knows of any package; `uid` this user.

    `environment` is the virtual or conda environment of the patient's Python, where this user may install by its pip and PATH
    leads to its programs; else why not.
    """

    apt: str | None
    listed: bool
    uid: int
    environment: str | Missing

    @classmethod
    def probe(cls, machine: Machine) -> Self:
        """Look for apt-get, its lists, and the marks of an environment beside the patient's Python."""
        lists = machine.entries("/var/lib/apt/lists")
        listed = not isinstance(lists, Missing) and has_lists(lists)
        return cls(machine.which("apt-get"), listed, machine.itself()["uid"], _environment(machine))


def has_lists(names: tuple[str, ...]) -> bool:
    """Whether a directory of apt's lists holds one of packages; images are freed of them."""
    return any(re.search(r"_Packages(\.\w+)?$", name) for name in names)


def _environment(machine: Machine) -> str | Missing:
    python = machine.get(Python)
    if isinstance(python, Missing):
        return python
    programs = dirname(python.path)
    root = dirname(programs)
    # Source: PEP 405 (pyvenv.cfg); conda keeps its records in conda-meta.
    if all(isinstance(machine.stat(f"{root}/{mark}"), Missing) for mark in ("pyvenv.cfg", "conda-meta")):
        return Missing(f"{python.path} is not in a virtual environment")
    if programs not in (place.rstrip("/") for place in (machine.env("PATH") or "").split(":")):
        return Missing(f"PATH does not lead to {programs}")
    pip = python.distribution("pip")
    if pip is None:
        return Missing(f"{root} has no pip")
    packages = machine.stat(dirname(pip.path))
    bin_directory = machine.stat(programs)
    for place, status in ((dirname(pip.path), packages), (programs, bin_directory)):
        if not isinstance(status, FileStatus) or not status.writable:
            return Missing(f"{place} cannot be written by this user")
    return root
