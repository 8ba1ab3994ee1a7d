"""Kills a treatment at every point where it changes anything, for tests that look what is left then."""

import os
import shutil
import signal
import stat
import subprocess
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sparkdoctor.journal import Journal, Treatment
from sparkdoctor.perform import Surroundings, perform
from sparkdoctor.plan import Run, Step
from sparkdoctor.treatment import undo

CHANGING = ("write", "fsync", "rename", "unlink", "mkdir", "rmdir", "chmod", "fchmod", "fchown", "setxattr", "utime", "ftruncate")
AROUND = Surroundings(dict(os.environ))


class File(NamedTuple):
    """What a tree holds at a path; times of directories change with what is in them."""

    kind: int
    mode: int
    owner: tuple[int, int]
    modified: int | None
    content: bytes


Tree = dict[str, File]


@contextmanager
def mounted(target: Path, size: str) -> Iterator[Path]:
    """A small file system at a directory that is made for it; the test is skipped where none can be mounted."""
    target.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", target], check=False, capture_output=True)
    if done.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield target
    finally:
        subprocess.run(["umount", "-l", target], check=True)


def tree(root: Path) -> Tree:
    """All that is below a directory."""
    return {str(path.relative_to(root)): _file(path) for path in sorted(root.rglob("*"))}


def _file(path: Path) -> File:
    status = path.lstat()
    link, regular = stat.S_ISLNK(status.st_mode), stat.S_ISREG(status.st_mode)
    content = os.readlink(path).encode() if link else path.read_bytes() if regular else b""
    kind, mode = stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode)
    return File(kind, mode, (status.st_uid, status.st_gid), status.st_mtime_ns if regular else None, content)


def contents(tree: Tree) -> dict[str, Any]:
    """A tree without its times: what is written anew is as old as it is."""
    return {path: (file.kind, file.mode, file.owner, file.content) for path, file in tree.items()}


def treat(state: Path, steps: Sequence[Step], after: Callable[[], object] = tuple, around: Surroundings = AROUND) -> Treatment:
    """Perform a plan; `after` is called after each step."""
    journal = Journal(str(state))
    with journal.locked():
        treatment = journal.begin()
        for number, step in enumerate(steps):
            perform(treatment, number, "mend-it", step, around)
            after()
        treatment.end()
    return treatment


def undo_all(state: Path, around: Surroundings = AROUND) -> list[str]:
    """Take all treatments back, the last first."""
    journal = Journal(str(state))
    with journal.locked():
        return [problem for treatment in reversed(journal.treatments()) for problem in undo(treatment, around.environment)]


def killed_everywhere(act: Callable[[], object]) -> Iterator[int]:
    """Run `act` in a child that is killed at the first point, then at the second, until it gets to its end."""
    for point in range(1, 100_000):
        code = _child(act, point)
        if code == 0:
            return
        assert code == -signal.SIGKILL, f"killed at point {point}, it ended with {code}"
        yield point


def _child(act: Callable[[], object], point: int) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads that pytest has
        child = os.fork()
    if child == 0:
        code = 70
        try:
            _mine(point)
            act()
            code = 0
        except BaseException as error:  # noqa: BLE001 (whatever it is, the parent is told)
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _mine(point: int) -> None:
    """Have this process killed before, inside or after the call that is number `point`."""
    left = point

    def tick() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def wrapped(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*args: Any, **named: Any) -> Any:
            if name == "fsync":  # changes nothing that a process can see
                return real(*args, **named)
            tick()
            if name == "write" and left == 1:
                real(args[0], memoryview(args[1])[: len(args[1]) // 2])
                tick()
            result = real(*args, **named)
            tick()
            return result

        return call

    for name in CHANGING:
        setattr(os, name, wrapped(name))


def killed_by(act: Callable[[], object]) -> None:
    """Run `act` in a child that is killed by what it runs."""
    assert _child(act, 0) == -signal.SIGKILL


def survives(root: Path, state: Path, plan: Callable[[], Sequence[Step]], around: Surroundings = AROUND) -> int:
    """Kill a plan's treatment of `root` at every point: each time undo must bring back all, and another go must work.

    `plan` is made anew from the tree as it is. Says how many points there were.
    """
    before, points = tree(root), 0
    stages = [contents(before)]
    steps = plan()
    treat(state, steps, lambda: stages.append(contents(tree(root))), around)
    after = stages[-1]
    assert after != contents(before) or all(isinstance(step, Run) and step.undo == () for step in steps)
    assert undo_all(state, around) == []
    assert tree(root) == before
    for points in killed_everywhere(lambda: treat(state, plan(), around=around)):
        for path, file in contents(tree(root)).items():
            assert ".sparkdoctor-" in path or file in [stage.get(path) for stage in stages], f"{path} at point {points}"
        assert undo_all(state, around) == [], f"at point {points}"
        assert tree(root) == before, f"at point {points}"
        treat(state, plan(), around=around)
        assert contents(tree(root)) == after, f"at point {points}"
        assert undo_all(state, around) == []
        assert tree(root) == before
        shutil.rmtree(state)
    undo_all(state, around)
    return points
