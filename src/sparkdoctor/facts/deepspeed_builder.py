"""The flags that DeepSpeed's own builders make, asked in the patient's interpreter."""

import re
from collections.abc import Mapping
from typing import Self

from sparkdoctor.architecture import Capability
from sparkdoctor.facts.course import Course, Step, follow
from sparkdoctor.facts.deepspeed import FILTERING
from sparkdoctor.facts.gpu import for_target
from sparkdoctor.facts.nvcc import REFUSAL, CudaHome, Nvcc, dry_run, refusal
from sparkdoctor.facts.python import Python
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Missing
from sparkdoctor.record import NamedTuple

EVOFORMER = "evoformer_attn"
FIRST_USE, AHEAD = "at first use", "ahead of time"
_FILTERED = "no compute capabilities remaining after filtering"
_SECONDS = 90.0
_ARCHITECTURE = r"compute_([2-9]|\d\d+)\d[af]?"
_NO_BF16 = 7
"""The last major version without bf16."""


class Flags(NamedTuple):
    """The `-gencode` flags of evoformer_attn, whether bf16 is on in them, and the error in their place where there was one."""

    flags: tuple[str, ...]
    bf16: bool | None
    trouble: str | None = None

    @property
    def codes(self) -> tuple[str, ...]:
        """What they ask nvcc for, each once: `compute_121`."""
        return tuple(dict.fromkeys(map(_code, self.flags)))

    @property
    def nonsense(self) -> tuple[str, ...]:
        """Codes that no nvcc of any version could know: `compute_1.`."""
        return tuple(code for code in self.codes if not re.fullmatch(_ARCHITECTURE, code))

    @property
    def old(self) -> bool:
        """Whether an architecture without bf16 is asked for: what is left out then is left out rightly."""
        majors = (match[1] for code in self.codes if (match := re.fullmatch(_ARCHITECTURE, code)))
        return any(int(major) <= _NO_BF16 for major in majors)


class DeepspeedBuilder(Fact):
    """What the installed DeepSpeed would pass to nvcc for `capability`, with the user's own TORCH_CUDA_ARCH_LIST.

    `first_use` is for a build in the running program, `ahead` for one by pip; None was not reached. `filtered` holds
    DeepSpeed's words about the operators that it would not build at first use for want of an architecture, `refusals` nvcc's
    own words about each flag, empty where it accepted; without an nvcc there are none.
    """

    deep = True

    capability: Capability
    course: Course
    first_use: Flags | None
    ahead: Flags | None
    filtered: Mapping[str, str]
    refusals: Mapping[str, str]

    @property
    def stopped(self) -> Step | None:
        """The import that went wrong, where one did: nothing is known after that."""
        return next(
            (step for name in ("import torch", "import deepspeed") if (step := self.course.step(name)) and step.trouble), None
        )

    def refused(self, mode: Flags) -> tuple[str, ...]:
        """The codes of which nvcc says that it does not know them."""
        return tuple(dict.fromkeys(_code(flag) for flag in mode.flags if REFUSAL in self.refusals.get(flag, "")))

    @property
    def aio(self) -> bool | None:
        """Whether DeepSpeed could link against libaio."""
        found = self.course.learnt("AsyncIOBuilder.is_compatible").get("compatible")
        return found if isinstance(found, bool) else None

    @property
    def cutlass(self) -> Step | None:
        """DeepSpeed's own judgement of CUTLASS: `compatible`, what it `said`, and the `paths` that it would include."""
        return self.course.step("EvoformerAttnBuilder.is_compatible")

    @property
    def mismatch(self) -> Step | None:
        """DeepSpeed's own comparison of nvcc and PyTorch; None where it was not made."""
        return self.course.step("assert_no_cuda_mismatch")

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Ask the builders for their flags and nvcc what it thinks of them."""
        python = machine.need(Python)
        for name in ("deepspeed", "torch"):
            if isinstance(origin := python.modules[name], Missing):
                return origin
        return for_target(machine, lambda capability: cls._ask(machine, python, capability))

    @classmethod
    def _ask(cls, machine: Machine, python: Python, capability: Capability) -> Self | Missing:
        home, nvcc = machine.need(CudaHome), machine.get(Nvcc)
        release = "" if isinstance(nvcc, Missing) else "{}.{}".format(*nvcc.release)
        worked = machine.work(python.path, "deepspeed_builder", str(capability), home.home or "", release, timeout=_SECONDS)
        if isinstance(worked, Missing):
            return worked
        course = follow(worked)
        first_use, ahead, filtered = understand(course)
        flags = dict.fromkeys(flag for mode in (first_use, ahead) if mode for flag in mode.flags)
        refusals = {} if isinstance(nvcc, Missing) else {flag: _refusal(machine, nvcc.path, flag) for flag in flags}
        return cls(capability, course, first_use, ahead, filtered, refusals)


def _code(flag: str) -> str:
    """`compute_121` of `-gencode=arch=compute_121,code=sm_121`."""
    return flag.removeprefix("-gencode=arch=").partition(",")[0]


def _refusal(machine: Machine, nvcc: str, flag: str) -> str:
    ran = dry_run(machine, nvcc, flag)
    return ran.reason if isinstance(ran, Missing) else refusal(ran)


def understand(course: Course) -> tuple[Flags | None, Flags | None, Mapping[str, str]]:
    """The flags at first use and ahead of time, and the operators that are filtered away at first use."""
    filtered = {
        name: step.trouble
        for name in FILTERING
        if (step := course.step(f"{name} {FIRST_USE}")) and step.trouble and _FILTERED in step.trouble
    }
    return _flags(course.step(f"{EVOFORMER} {FIRST_USE}")), _flags(course.step(f"{EVOFORMER} {AHEAD}")), filtered


def _flags(step: Step | None) -> Flags | None:
    if step is None:
        return None
    given, bf16 = step.learnt.get("flags"), step.learnt.get("bf16")
    # Sorted out by kind: `-gencode=arch=compute_121,code=sm_121`.
    texts = (
        tuple(text for text in given if isinstance(text, str) and re.match(r"-gencode=\S+$", text))
        if isinstance(given, list)
        else ()
    )
    return Flags(texts, bf16 if isinstance(bf16, bool) else None, step.trouble)
