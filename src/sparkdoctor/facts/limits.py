"""What this process may take: stack, locked memory, open files; and the room in its file systems."""

from typing import Self

from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Missing
from sparkdoctor.record import NamedTuple


class Limit(NamedTuple):
    """A soft and a hard limit; None is unlimited. Bytes, or a count of files."""

    soft: int | None
    hard: int | None

    def __str__(self) -> str:
        return " soft, ".join("unlimited" if value is None else str(value) for value in self) + " hard"


class Limits(Fact):
    """Limits of the examining process, which a command started beside it inherits too."""

    stack: Limit
    memlock: Limit
    open_files: Limit

    @property
    def evidence(self) -> tuple[str, ...]:
        """All three, quoted."""
        return (f"stack: {self.stack} (bytes)", f"memlock: {self.memlock} (bytes)", f"open files: {self.open_files}")

    @classmethod
    def probe(cls, machine: Machine) -> Self:
        """Ask getrlimit."""
        limits = machine.limits()
        stack, memlock, files = (Limit(*limits[name]) for name in ("stack", "memlock", "nofile"))
        return cls(stack, memlock, files)


class SharedMemory(Fact):
    """/dev/shm in bytes."""

    total: int
    free: int

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Ask statvfs."""
        space = machine.space("/dev/shm")
        return space if isinstance(space, Missing) else cls(space.total, space.free)


class Volume(NamedTuple):
    """A place that work is written to, and the bytes free there."""

    path: str
    purpose: str
    free: int


class Disks(Fact):
    """The file systems that caches, weights and temporary files go to, each once."""

    volumes: tuple[Volume, ...]

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Ask statvfs of the home directory (caches, weights) and the temporary directory (builds)."""
        places = ((machine.env("HOME") or "/root", "caches and weights"), (machine.env("TMPDIR") or "/tmp", "temporary files"))
        volumes: dict[int, Volume] = {}
        for path, purpose in (*places, ("/", "the system")):
            space = machine.space(path)
            if not isinstance(space, Missing):
                volumes.setdefault(space.device, Volume(path, purpose, space.free))
        return cls(tuple(volumes.values())) if volumes else Missing("no file system can be measured")
