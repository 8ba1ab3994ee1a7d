"""How far a worker came: the steps that one of the scripts with `patient/steps.py` reported."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from sparkdoctor.process import Worked

_WORDS = 3
"""Lines of what a worker printed last that are worth showing."""


class Step(NamedTuple):
    """One step. `trouble` says how it went wrong, None where it did not; `began` in seconds from the worker's start."""

    name: str
    began: float
    learnt: Mapping[str, Any]
    trouble: str | None = None
    place: str = ""


class Course(NamedTuple):
    """The steps of a worker in their order, how it ended where it did not come to its end, and its last words.

    `left` names the processes that it left behind.
    """

    steps: tuple[Step, ...]
    ended: str | None = None
    printed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    seconds: float | None = None

    def step(self, name: str) -> Step | None:
        """The step of this name; None where the worker did not come to it."""
        return next((step for step in self.steps if step.name == name), None)

    def learnt(self, name: str) -> Mapping[str, Any]:
        """What a step has shown; empty where it did not come to it."""
        found = self.step(name)
        return found.learnt if found else {}

    @property
    def trouble(self) -> Step | None:
        """The first step that went wrong."""
        return next((step for step in self.steps if step.trouble), None)

    @property
    def evidence(self) -> tuple[str, ...]:
        """Where it went wrong, and what it printed last."""
        where = (self.trouble.place,) if self.trouble and self.trouble.place else ()
        return (*where, *self.printed)


def follow(worked: Worked) -> Course:
    """Read a worker's report."""
    steps: list[Step] = []
    done: float | None = None
    for line in worked.said.splitlines():
        match _read(line):
            case {"step": str(name), "at": int() | float() as at}:
                steps.append(Step(name, float(at), {}))
            case {"learnt": dict(values)} if steps:
                steps[-1] = steps[-1]._replace(learnt={**steps[-1].learnt, **values})
            case {"error": str(kind), "text": str(text), "place": str(place)} if steps:
                steps[-1] = steps[-1]._replace(trouble=f"{kind}: {text}" if text else kind, place=place)
            case {"done": True, "at": int() | float() as at}:
                done = float(at)
    if done is not None:
        return Course(tuple(steps), None, (), worked.left, done)
    ended = worked.ended if worked.code != 0 else "ended with status 0 in the middle of it"
    if steps and not steps[-1].trouble:
        steps[-1] = steps[-1]._replace(trouble=ended)
    printed = [line.strip() for line in (worked.stderr.strip() or worked.stdout.strip()).splitlines() if line.strip()]
    return Course(tuple(steps), ended, _telling(printed), worked.left)


def _telling(lines: list[str]) -> tuple[str, ...]:
    """The lines that tell most: Python's own account of a crash from its first line, else the last ones."""
    for number, line in enumerate(lines):
        if line.startswith(("Fatal Python error:", "Current thread 0x")):
            return tuple(lines[number : number + 2 + _WORDS])
    return tuple(lines[-_WORDS:])


def _read(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
