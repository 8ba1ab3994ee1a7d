"""Hosts for tests: one made of a dictionary, one that is this machine but for some answers."""

import json
import os
import stat
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sparkdoctor import profiles
from sparkdoctor.host import LocalHost, Question
from sparkdoctor.machine import Machine
from sparkdoctor.model import Missing
from sparkdoctor.reading import over


class Paper:
    """A host made of a dictionary: files by path, environment variables, what PATH finds, and any other answer.

    `answers` are by kind and first argument: `"run nvcc"`, `"self"`.
    """

    def __init__(
        self,
        files: Mapping[str, str] | None = None,
        *,
        env: Mapping[str, str] | None = None,
        which: Mapping[str, str] | None = None,
        answers: Mapping[str, Any] | None = None,
    ) -> None:
        self.files = dict(files or {})
        self.env = dict(env or {})
        self.paths = dict(which or {})
        self.answers = dict(answers or {})

    def answer(self, question: Question, timeout: float) -> Any:  # noqa: ARG002
        """What the dictionary says; `Missing` for what it does not hold."""
        known = name_of(question)
        if known in self.answers:
            return self.answers[known]
        kind, args = question
        path = str(args[0]) if args else ""
        match kind:
            case "env":
                return self.env.get(path)
            case "which":
                return self.paths.get(path)
            case "read" if path in self.files:
                return self.files[path]
            case "records" if path in self.files:
                _, needle, delimiter, *_ = args
                return [part for part in self.files[path].split(delimiter) if needle in part]
            case "stat" if path in self.files or self._below(path):
                file = path in self.files
                return {
                    "kind": "file" if file else "directory",
                    "size": len(self.files.get(path, "")),
                    "mode": 0o755,
                    "real": path,
                    "readable": True,
                    "writable": False,
                    "executable": True,
                }
            case "lineage":
                chain = ((one, self.answer(Question("stat", (one,)), 1.0)) for one in (path, *over(path)))
                return [{"path": one, **status} for one, status in chain if isinstance(status, dict)]
            case "entries" if below := self._below(path):
                return sorted({name.partition("/")[0] for name in below})
        return Missing(f"{path or kind} does not exist")

    def _below(self, path: str) -> list[str]:
        start = path.rstrip("/") + "/"
        return [name.removeprefix(start) for name in self.files if name.startswith(start)]


class Elsewhere:
    """This machine, but for some answers; no question may take longer than `most` seconds."""

    def __init__(
        self,
        answers: Mapping[str, Any] | None = None,
        *,
        most: float = 60.0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._local = LocalHost(environment=environment)
        self._answers = dict(answers or {})
        self._most = most
        self.asked: list[Question] = []

    def answer(self, question: Question, timeout: float) -> Any:
        """The given answer, else the local host's."""
        self.asked.append(question)
        known = name_of(question)
        return self._answers[known] if known in self._answers else self._local.answer(question, min(timeout, self._most))


def ask(kind: str, *args: Any, timeout: float = 5.0) -> Any:
    """What the local host answers."""
    answer = LocalHost().answer(Question(kind, args), timeout)
    if not isinstance(answer, Missing):
        assert json.loads(json.dumps(answer)) == answer  # plain JSON data, or it could not be taped
    return answer


def name_of(question: Question) -> str:
    """`read /etc/os-release`, `run nvcc`, `nvml`."""
    first = question.args[0] if question.args else ""
    return f"{question.kind} {first[0] if isinstance(first, list) else first}".strip()


def machine_of(host: Any, profile: str = "dgx-spark", timeout: float = 20.0) -> Machine:
    """A machine to ask facts of."""
    return Machine(host, profiles.load(profile), timeout=timeout)


class Witness:
    """Tells which processes were started under its eyes and still live: they inherit a variable that nobody else has."""

    def __init__(self) -> None:
        self.token = f"sparkdoctor-test-{uuid.uuid4().hex}"

    def alive(self) -> list[int]:
        """Process ids, without ourselves and without zombies. A process that was killed gets a moment to go."""
        ends = time.monotonic() + 1
        while (found := self._alive()) and time.monotonic() < ends:
            time.sleep(0.01)
        return found

    def _alive(self) -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                if self.token.encode() in (entry / "environ").read_bytes():
                    state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                    found += [int(entry.name)] if state not in "ZX" else []
            except OSError:
                continue
        return found


@contextmanager
def nothing_written(*places: Path) -> Iterator[None]:
    """Fails where a file, directory or link has come or gone below these places, or below /dev/shm in our name."""

    def listing() -> set[str]:
        found = {f"{base}/{name}" for place in places for base, folders, files in os.walk(place) for name in (*folders, *files)}
        # Others use that one too.
        return found | {str(path) for path in Path("/dev/shm").glob(f"sparkdoctor-{os.getpid()}-*")}

    before = listing()
    yield
    assert listing() == before


def script(path: Path, text: str) -> Path:
    """A small executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return path
