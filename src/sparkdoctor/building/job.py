"""What a build does at one moment, as it is seen from outside."""

from typing import NamedTuple

from sparkdoctor.ear import Id


class Job(NamedTuple):
    """What makes one thing in a build: a compiler, a linker, or whatever a build tool has started, with all below it.

    `name` is the file that it makes something of (`attention.cu`, or the library that is linked, or the program's own name),
    `kind` one of KINDS, `tool` its program that works now (`cicc`) with `biggest` resident bytes; `memory` are the resident
    bytes of all its processes, `age` the seconds since it began, `cpu` the CPU seconds that it has used. `stopped` tells that
    none of its processes may run.
    """

    id: Id
    name: str
    kind: str
    tool: str
    age: float
    memory: int
    biggest: int
    cpu: float
    stopped: bool
    processes: tuple[Id, ...]


KINDS = ("cuda", "c++", "c", "rust", "link", "other")
"""What jobs of one build are compared by: a C++ file says little of what a CUDA file will take."""
