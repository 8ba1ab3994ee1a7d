"""What goes on below a process, looked at again and again; read from Linux's /proc.

psutil would do it too, in ten times the time, and a build is looked at up to fifty times a second.
"""

import os
import re
import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from posixpath import basename, splitext
from typing import NamedTuple

from sparkdoctor.building.job import Job
from sparkdoctor.compiling import Process, arguments, parse_stat, subject
from sparkdoctor.ear import Id

_TICKS = os.sysconf("SC_CLK_TCK")
_STRANGERS = 2.0
"""Seconds for which who is none of ours is not looked at: a number may be given to one of ours after that."""
_TOOLS = re.compile(r"(?:g?make|ninja(?:-build)?|samu|n2)$")
"""Programs whose children each make one thing."""
_INTERPRETERS = re.compile(r"(?:ba|da|z|k)?sh$|(?:python|perl|ruby|node|java)[\d.]*$|env$|nice$")
"""Programs that are not what a job is called after."""
_KINDS = {".cu": "cuda", ".hip": "cuda", ".c": "c", ".s": "c", ".rs": "rust"}


class Sight(NamedTuple):
    """One look: the jobs, the oldest first, and all processes below, by number."""

    jobs: tuple[Job, ...]
    processes: Mapping[int, Process]

    def id(self, pid: int) -> Id:
        """A process for good."""
        return pid, self.processes[pid].began


class Watcher:
    """Looks at what is below a process. What it knows of others from one look saves time at the next."""

    def __init__(self, pid: int, proc: str = "/proc") -> None:
        """Look below `pid`."""
        self._pid = pid
        self._without: set[int] = set()
        self._proc = proc
        self._strangers: set[int] = set()
        self._forget = 0.0
        self._known: dict[tuple[int, int, str], tuple[str, ...]] = {}

    def leave_out(self, pid: int) -> None:
        """Do not look at the branch that begins there."""
        self._without.add(pid)

    def look(self) -> Sight:
        """What is there now."""
        if (now := time.monotonic()) >= self._forget:
            self._forget = now + _STRANGERS
            self._strangers.clear()
        everybody = dict(self._everybody())
        children: dict[int, list[int]] = {}
        for pid, process in everybody.items():
            children.setdefault(process.parent, []).append(pid)
        tree = list(_descend(self._pid, children, self._without))
        argv, self._known = self._known, {}
        found: dict[int, Process] = {}
        for pid in tree:
            key = (pid, everybody[pid].began, everybody[pid].name)  # a program that another is begun in has another name
            words = argv.get(key) or arguments(pid, self._proc)
            if words:
                self._known[key] = words
            found[pid] = everybody[pid]._replace(argv=words)
        self._strangers.update(
            pid
            for pid, process in everybody.items()
            # Whose parent is not to be seen may be one of ours that was just orphaned.
            if pid not in found and (process.parent in everybody or process.parent in self._strangers or process.parent == 0)
        )
        ticks = time.clock_gettime(time.CLOCK_BOOTTIME) * _TICKS
        roots = _roots(children.get(self._pid, ()), children, found)
        jobs = [_job(root, list(_descend(root, children, self._without)), found, ticks) for root in roots]
        return Sight(tuple(sorted(jobs, key=lambda job: (job.id[1], job.id[0]))), found)

    def _everybody(self) -> Iterator[tuple[int, Process]]:
        strangers = self._strangers
        for entry in os.listdir(self._proc):
            if not entry.isdecimal() or int(entry) in strangers:
                continue
            try:
                descriptor = os.open(f"{self._proc}/{entry}/stat", os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                continue
            try:
                text = os.read(descriptor, 4096).decode(errors="backslashreplace")
            except OSError:  # it has ended
                continue
            finally:
                os.close(descriptor)
            if (process := parse_stat(text)) is not None:
                yield int(entry), process


def _descend(pid: int, children: Mapping[int, list[int]], without: Container[int] = ()) -> Iterator[int]:
    """Who is below `pid`, parents first; ids are given anew while we look, so that it may seem to be below itself."""
    seen = {pid}
    pending = list(children.get(pid, ()))
    while pending:
        if (child := pending.pop()) not in seen and child not in without:
            seen.add(child)
            yield child
            pending += children.get(child, ())


def _roots(pids: Iterable[int], children: Mapping[int, list[int]], found: Mapping[int, Process]) -> Iterator[int]:
    """Where jobs begin: the outermost compilers, and whatever else a build tool has started that is none itself."""
    for pid in pids:
        if pid not in found:
            continue
        process = found[pid]
        parent = found.get(process.parent)
        if subject(process.argv) or (parent and _is_tool(parent) and not _is_tool(process) and not _builds(pid, children, found)):
            yield pid
        else:
            yield from _roots(children.get(pid, ()), children, found)


def _is_tool(process: Process) -> bool:
    return any(_TOOLS.match(basename(word)) for word in process.argv[:2])


def _builds(pid: int, children: Mapping[int, list[int]], found: Mapping[int, Process]) -> bool:
    """Whether there is another build tool below."""
    return any(_is_tool(found[below]) for below in _descend(pid, children) if below in found)


def _job(root: int, below: list[int], found: Mapping[int, Process], ticks: float) -> Job:
    members = [root, *(pid for pid in below if pid in found)]
    processes = [found[pid] for pid in members]
    made = next((name for process in processes if (name := subject(process.argv))), "")
    biggest = max(processes, key=lambda process: process.memory)
    return Job(
        id=(root, found[root].began),
        name=made or called(found[root].argv) or found[root].name,
        kind=kind(made) if made else "other",
        tool=called(biggest.argv) or biggest.name,
        age=max(0.0, (ticks - found[root].began) / _TICKS),
        memory=sum(process.memory for process in processes),
        biggest=biggest.memory,
        cpu=sum(process.cpu for process in processes) / _TICKS,
        stopped=all(process.state in "Tt" for process in processes),
        processes=tuple((pid, found[pid].began) for pid in members),
    )


def kind(made: str) -> str:
    """The kind of job that makes something of a file of this name."""
    ending = splitext(made)[1]
    if ending in (".C", ".S"):
        return "c++" if ending == ".C" else "c"
    if (found := _KINDS.get(ending.lower())) is not None:
        return found
    return "c++" if ending.lower() in (".cc", ".cpp", ".cxx", ".c++", ".f", ".f90") else "link"


def called(argv: Sequence[str]) -> str:
    """What a job that is no compiler's is called: its program, or the script or command that an interpreter was given."""
    first, rest = basename(argv[0]) if argv else "", argv[1:]
    if not rest or not _INTERPRETERS.match(first):
        return first
    for place, word in enumerate(rest):
        if not word.startswith("-"):
            break
        if re.fullmatch(r"-[a-z]*c", word):
            return called(rest[place + 1].split()) if rest[place + 1 :] else first
    given = [word for word in rest if not word.startswith("-") and "=" not in word]
    return basename(given[0]) if given else first
