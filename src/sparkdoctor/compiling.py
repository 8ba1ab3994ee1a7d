"""What compiles below a process at this moment, what memory it takes, and what is left for it; read from Linux's /proc."""

import contextlib
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from posixpath import basename
from typing import NamedTuple

from sparkdoctor.facts.cgroup import Cgroup
from sparkdoctor.facts.memory import Memory, gib
from sparkdoctor.host import LocalHost
from sparkdoctor.machine import Machine
from sparkdoctor.model import Missing
from sparkdoctor.profiles import Profile

_SOURCE = re.compile(r"\.(?:c|cc|cpp|cxx|c\+\+|C|cu|hip|s|S|rs|f|F|f90|F90)$")
_DRIVER = re.compile(
    r"(?:.*-)?(?:nvcc|cc|c\+\+|gcc|g\+\+|clang|clang\+\+|gfortran|hipcc|rustc|mold|ld|ld\.(?:bfd|gold|lld|mold))(?:-?[\d.]+)?$"
    r"|(?:cc1|cc1plus|cc1obj|lto1|f951|cicc|cudafe\+\+|ptxas|nvlink|collect2)$"
)
"""Programs that compile or link a whole translation unit: `nvcc`, `x86_64-linux-gnu-g++-13`.

Also those that these call: the driver may have any name (`g++-real`).
"""
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


class Process(NamedTuple):
    """A process: its parent, its name (15 letters of it), when it began in clock ticks of the machine, and resident bytes.

    `state` is the kernel's letter for it (`T`: stopped), `cpu` the clock ticks that it and its children that have ended used.
    """

    parent: int
    name: str
    began: int
    memory: int
    argv: tuple[str, ...] = ()
    state: str = "R"
    cpu: int = 0


class Unit(NamedTuple):
    """A translation unit that is being compiled, or a library that is being linked.

    `tool` is the one of its programs that works at it now (`cicc`), `seconds` since its compiler began, `memory` of all of its
    programs in bytes.
    """

    name: str
    tool: str
    seconds: float
    memory: int

    def __str__(self) -> str:
        return f"{self.name}  {self.seconds:.0f} s  {self.tool} {gib(self.memory)}"


class Room(NamedTuple):
    """Bytes that can be had without swapping: of the machine, and of this control group where it is limited."""

    machine: int
    group: int | None

    @property
    def least(self) -> int:
        """The tighter of the two."""
        return self.machine if self.group is None else min(self.machine, self.group)


class Compiling(NamedTuple):
    """What is being compiled, the oldest first, and the room that is left; None where nobody knows."""

    units: tuple[Unit, ...]
    room: Room | None

    @property
    def memory(self) -> int:
        """Resident bytes of all compilers together. What they share, their programs, is counted for each."""
        return sum(unit.memory for unit in self.units)

    def lines(self, budget: int | None = None) -> tuple[str, ...]:
        """One line for each unit and one for the memory; none where nothing is compiled."""
        if not self.units:
            return ()
        used = f"compilers {gib(self.memory)}" + (f" of a budget of {gib(budget)}" if budget else "")
        return (*map(str, self.units), used + (f"; {gib(self.room.least)} free" if self.room else ""))


def look(pid: int, proc: str = "/proc") -> Compiling:
    """What compiles below a process, whichever process group it is in."""
    ticks = time.clock_gettime(time.CLOCK_BOOTTIME) * _TICKS
    return Compiling(units(below(pid, processes(proc), proc), ticks), room())


def memory() -> Memory | None:
    """The machine's memory, now. None where /proc/meminfo does not say."""
    found = Machine(LocalHost(), Profile()).get(Memory)
    return None if isinstance(found, Missing) else found


def room() -> Room | None:
    """The memory that is left, now. None where /proc/meminfo does not say."""
    machine = Machine(LocalHost(), Profile())
    whole, group = machine.get(Memory), machine.get(Cgroup)
    if isinstance(whole, Missing):
        return None
    return Room(whole.available, None if isinstance(group, Missing) else group.free)


def shortage(reserve: int, left: Room | None) -> str | None:
    """Why work must end so that `reserve` bytes stay available; None where they are."""
    if left is None or left.least >= reserve:
        return None
    where = "this container" if left.group is not None and left.group < left.machine else "this machine"
    return f"{gib(left.least)} of memory are left to {where}; {gib(reserve)} are to be left"


def processes(proc: str = "/proc") -> dict[int, Process]:
    """All processes that can be seen, without their arguments. One that ends meanwhile is none."""
    found = {}
    for entry in os.listdir(proc):
        if entry.isdecimal():
            with contextlib.suppress(OSError), open(f"{proc}/{entry}/stat", "rb") as file:
                if (process := parse_stat(file.read().decode(errors="backslashreplace"))) is not None:
                    found[int(entry)] = process
    return found


def below(pid: int, everybody: Mapping[int, Process], proc: str = "/proc") -> dict[int, Process]:
    """The descendants of a process, with their arguments, parents first."""
    children: dict[int, list[int]] = {}
    for number, process in everybody.items():
        children.setdefault(process.parent, []).append(number)
    found: dict[int, Process] = {}
    pending = list(children.get(pid, ()))
    while pending:
        number = pending.pop()
        if number in found or number == pid:  # ids are given anew while we look
            continue
        found[number] = everybody[number]._replace(argv=arguments(number, proc))
        pending += children.get(number, ())
    return found


def arguments(pid: int, proc: str = "/proc") -> tuple[str, ...]:
    """What a process was called with; nothing where it has ended, or is a kernel's."""
    with contextlib.suppress(OSError), open(f"{proc}/{pid}/cmdline", "rb") as file:
        return tuple(file.read(1 << 20).decode(errors="backslashreplace").rstrip("\0").split("\0"))
    return ()


def parse_stat(text: str) -> Process | None:
    """A /proc/PID/stat; None for what is none, and for a process that has ended. Source: proc_pid_stat(5)."""
    match = re.match(r"\d+ \((.*)\) (\S) (\d+) ((?:-?\d+ ){18,}-?\d+)\s*\Z", text, re.DOTALL)
    if match is None or match[2] in "ZXx":
        return None
    rest = match[4].split()
    if len(rest) <= 19:  # noqa: PLR2004
        return None
    resident, cpu = max(0, int(rest[19])) * _PAGE, sum(map(int, rest[9:13]))
    return Process(int(match[3]), match[1], int(rest[17]), resident, state=match[2], cpu=cpu)


def units(found: Mapping[int, Process], ticks: float) -> tuple[Unit, ...]:
    """The translation units among a process's descendants. `ticks` is the machine's clock, now."""
    roots = {pid: name for pid, process in found.items() if (name := made_of(process.argv))}
    tops = {pid: name for pid, name in roots.items() if not any(above in roots for above in _above(pid, found))}
    trees: dict[int, list[int]] = {pid: [pid] for pid in tops}
    for pid in found:
        for above in _above(pid, found):
            if above in trees:
                trees[above].append(pid)
    return tuple(
        Unit(
            tops[top],
            _working(tree, found),
            max(0.0, (ticks - found[top].began) / _TICKS),
            sum(found[pid].memory for pid in tree),
        )
        for top, tree in sorted(trees.items(), key=lambda item: (found[item[0]].began, item[0]))
    )


def _above(pid: int, found: Mapping[int, Process]) -> Iterator[int]:
    """The processes over one, nearest first."""
    seen = {pid}
    while (pid := found[pid].parent) in found and pid not in seen:
        seen.add(pid)
        yield pid


def _working(tree: Iterable[int], found: Mapping[int, Process]) -> str:
    """Of the processes that wait for no other the one with most memory."""
    members = set(tree)
    leaves = members - {found[pid].parent for pid in members}
    return found[max(leaves or members, key=lambda pid: (found[pid].memory, -pid))].name


def made_of(argv: tuple[str, ...]) -> str:
    """The file that a compiler was called for, without its directory."""
    return basename(subject(argv))


def subject(argv: tuple[str, ...]) -> str:
    """The file that a compiler was called for: its source, or the library that it links.

    Empty for what is no compiler. A wrapper (ccache, a script in PYTORCH_NVCC) counts by what it is to call.
    """
    # Wrappers have the compiler as a word of their own; a shell has it within one.
    words = argv if any(_DRIVER.match(basename(word)) for word in argv[:3]) else ()
    if not words:
        return ""
    source = next((word for word in words[1:] if _SOURCE.search(word) and not word.startswith("-")), "")
    output = next((words[place + 1] for place, word in enumerate(words[:-1]) if word == "-o"), "")
    return source or output
