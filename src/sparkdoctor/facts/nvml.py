"""What NVML said, call by call."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Self

from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Broken, Missing
from sparkdoctor.record import NamedTuple

VERSION_MISMATCH = 18
DRIVER_NOT_LOADED = 9
NO_PERMISSION = 4


class NvmlError(NamedTuple):
    """An NVML call's error: pynvml's exception name, NVML's code (None for another kind of error), its text."""

    name: str
    code: int | None
    text: str


class Nvml(Fact):
    """Answers and errors by call; a call about a device carries its index, `nvmlDeviceGetName[0]`.

    `stopped` says how the library crashed or hung, and in which call.
    """

    answers: Mapping[str, Any] = MappingProxyType({})
    errors: Mapping[str, NvmlError] = MappingProxyType({})
    stopped: str | None = None

    @property
    def library(self) -> str | None:
        """The file that libnvidia-ml.so.1 is."""
        return self.text("file")

    @property
    def refusal(self) -> NvmlError | None:
        """Why NVML would not start."""
        return self.errors.get("nvmlInit")

    def text(self, call: str) -> str | None:
        """An answer that is a non-empty, printable string."""
        value = self.answers.get(call)
        return value if isinstance(value, str) and value and value.isprintable() else None

    def number(self, call: str) -> int | None:
        """An answer that is a whole number."""
        value = self.answers.get(call)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Ask NVML, in a child process."""
        ran = machine.nvml()
        if isinstance(ran, Missing):
            return ran
        found = cls.parse(ran.stdout)
        if ran.code == 0:
            if error := found.errors.get("load"):
                absent = "No such file" in error.text
                return (Missing if absent else Broken)(f"NVML cannot be loaded: {error.text}")
            return found
        where = list({**found.answers, **found.errors}.items())[-1:]
        last = found.answers.get("asking") or (where[0][0] if where else "its start")
        return cls(found.answers, found.errors, f"NVML {ran.ended} (in {last})")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the lines that patient/nvml.py prints; other lines are ignored. An unanswered call stands under `asking`."""
        answers: dict[str, Any] = {}
        errors: dict[str, NvmlError] = {}
        asking: str | None = None
        for line in text.splitlines():
            try:
                said = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if not isinstance(said, dict):
                continue
            if "ask" in said:
                device = said.get("device")
                asking = str(said["ask"]) + (f"[{device}]" if device is not None else "")
            elif asking is not None:
                if "error" in said:
                    code = said.get("code")
                    errors[asking] = NvmlError(str(said["error"]), code if isinstance(code, int) else None, str(said.get("text")))
                elif "answer" in said:
                    answers[asking] = said["answer"]
                asking = None
        if asking is not None:
            answers["asking"] = asking
        return cls(answers, errors)
