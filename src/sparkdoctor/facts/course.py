"""How far a worker came: the steps that one of the scripts with `patient/steps.py` reported."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sparkdoctor.process import Ran, Worked

_HUGE = 1e300
"""No number of ours comes near: infinite, not a number, or a whole number of a thousand digits."""
START = "the start of Python"
"""Where a worker went wrong that reported nothing."""
_WORDS = 3
"""Lines of what a worker printed last that are worth showing."""


def is_telling(line: str) -> bool:
    """Whether a line of a compiler's long message says what is wrong."""
    return re.search(r"\b(?:fatal|error)\b *:|^\w*Error: |cannot find -l", line, re.IGNORECASE) is not None


class Step(NamedTuple):
    """One step. `trouble` says how it went wrong (`was killed by SIGSEGV`), None where it did not, `place` in which line.

    `began` in seconds from the worker's start.
    """

    name: str
    began: float
    learnt: Mapping[str, Any]
    trouble: str | None = None
    place: str = ""

    def number(self, name: str) -> float | None:
        """A number that it has shown; None where it has not, or what has come is none."""
        found = self.learnt.get(name)
        return found if isinstance(found, int | float) and abs(found) < _HUGE else None

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts that it has shown; without what is none."""
        found = self.learnt.get(name)
        return tuple(item for item in found if isinstance(item, str)) if isinstance(found, list) else ()

    @property
    def words(self) -> str:
        """The trouble as a line: `import torch was killed by SIGSEGV`; of a long message, what matters in it."""
        lines = [line.strip() for line in (self.trouble or "").splitlines() if line.strip()]
        telling = [line for line in lines[1:] if is_telling(line)]
        return " ".join((self.name, *lines[:1], *(f"({line})" for line in telling[:1])))


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

    def number(self, name: str, what: str) -> float | None:
        """A number that a step has shown; None where it has shown none."""
        found = self.step(name)
        return found.number(what) if found else None

    @property
    def trouble(self) -> Step | None:
        """The first step that went wrong; one of ours where the worker did not come to any."""
        if self.ended and not self.steps:
            return Step(START, 0.0, {}, self.ended)
        return next((step for step in self.steps if step.trouble), None)

    @property
    def evidence(self) -> tuple[str, ...]:
        """What a worker that went wrong said: the error's lines and place, or what it printed last."""
        if self.trouble is None or not self.trouble.place:
            return self.printed
        lines = [line.strip() for line in (self.trouble.trouble or "").splitlines() if line.strip()]
        telling = [line for line in lines if is_telling(line)] or lines[-_WORDS:]
        return (*telling[:_WORDS], self.trouble.place)


def follow(worked: Worked, branch: str = "") -> Course:
    """Read a worker's report; of one that has branched, the steps before that and those of one branch."""
    lines = [line for text in worked.said.splitlines() if isinstance(line := _read(text), dict)]
    steps, done = _steps([line for line in lines if "in" not in line])
    code, ended = worked.code, worked.ended
    mine = [line for line in lines if branch and line.get("in") == branch]
    endings = [line for line in lines if line.get("of") == branch and "ended" in line and "in" not in line]
    codes = [line["ended"] for line in endings if line["ended"] is None or type(line["ended"]) is int]
    if mine or codes:
        more, done = _steps(mine)
        steps += more or [Step(branch, 0.0, {})]
        if codes:
            code, ended = codes[-1], Ran(codes[-1], "", "").ended
    if done is not None and code == 0:
        return Course(tuple(steps), None, (), worked.left, done)
    ended = ended if code != 0 else "ended with status 0 in the middle of it"
    if steps and not steps[-1].trouble:
        steps[-1] = steps[-1]._replace(trouble=ended)
    printed = [line.strip() for line in (worked.stderr.strip() or worked.stdout.strip()).splitlines() if line.strip()]
    return Course(tuple(steps), ended, _telling(printed), worked.left)


def _steps(lines: Sequence[Mapping[str, Any]]) -> tuple[list[Step], float | None]:
    """The steps, and when their end was reported."""
    steps: list[Step] = []
    done: float | None = None
    for line in lines:
        match line:
            case {"step": str(name), "at": int() | float() as at} if abs(at) < _HUGE:
                steps.append(Step(name, float(at), {}))
            case {"learnt": dict(values)} if steps:
                steps[-1] = steps[-1]._replace(learnt={**steps[-1].learnt, **values})
            case {"error": str(kind), "text": str(text), "place": str(place)} if steps:
                steps[-1] = steps[-1]._replace(trouble=f"raised {kind}" + (f": {text}" if text else ""), place=place)
            case {"done": True, "at": int() | float() as at} if abs(at) < _HUGE:
                done = float(at)
    return steps, done


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
