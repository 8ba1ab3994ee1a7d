"""Whether we are in a container, and in whose."""

from typing import Self

from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Missing


class Container(Fact):
    """`engine` is docker, podman, kubernetes, another that names itself, or None outside of containers."""

    engine: str | None

    def __bool__(self) -> bool:
        return self.engine is not None

    @classmethod
    def probe(cls, machine: Machine) -> Self:
        """Look for the marks that engines leave: their files, variables and control groups."""
        if machine.env("KUBERNETES_SERVICE_HOST"):
            return cls("kubernetes")
        if not isinstance(machine.stat("/run/.containerenv"), Missing):
            return cls("podman")
        if not isinstance(machine.stat("/.dockerenv"), Missing):
            return cls("docker")
        if named := machine.env("container"):
            return cls(named)
        groups = machine.read("/proc/1/cgroup")
        return cls(None if isinstance(groups, Missing) else engine_of(groups))


def engine_of(groups: str) -> str | None:
    """The engine that a /proc/1/cgroup (version 1) names."""
    for mark, engine in (("kubepods", "kubernetes"), ("/docker", "docker"), ("/libpod", "podman"), ("/lxc", "lxc")):
        if mark in groups:
            return engine
    return None
