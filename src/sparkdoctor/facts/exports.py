"""The variables that are worth exporting on this machine, each with its value and the reason."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Self

from sparkdoctor.machine import Fact, Machine

NAMES = (
    "CUDA_HOME",
    "TORCH_CUDA_ARCH_LIST",
    "DS_NVCC_THREADS",
    "NVCC_THREADS",
    "MAX_JOBS",
    "NVCC_APPEND_FLAGS",
    "TRITON_PTXAS_PATH",
    "TRITON_PTXAS_BLACKWELL_PATH",
    "CUTLASS_PATH",
    "CPATH",
)
"""In the order in which they are chosen: later ones rest on earlier ones."""
EMPTY_IS_UNSET = frozenset({"CUDA_HOME", "TORCH_CUDA_ARCH_LIST", "DS_NVCC_THREADS", "NVCC_THREADS", "MAX_JOBS"})
"""Those whose readers pass an empty value over: an image can clear so what its base has set, which it cannot unset.

Not the flags, where empty says none; not CUTLASS_PATH, which DeepSpeed takes as a path when it is there at all; nor Triton's, for
which PyTorch looks in the same way. Source: torch/utils/cpp_extension.py (CUDA_HOME, the list, MAX_JOBS), DeepSpeed's
op_builder/builder.py and flash-attn's setup.py (threads).
"""


class Wrong(NamedTuple):
    """A value that the user has set and that is wrong: why, and in which file (None: in this environment)."""

    value: str
    why: str
    file: str | None

    def __str__(self) -> str:
        return f"{self.why} (you have set that in {self.file or 'this environment'})"


class Exports(Fact):
    """What to export.

    `wanted` maps names to (value, reason). `kept` are the values that the user has set, in this process or by a line of their
    own in the file, and that are right for all that is known; `wrong` those that are not: neither is ever overridden.
    `obsolete` are our lines in the file that are right no more, `present` the process's own values of the names in NAMES.
    """

    wanted: Mapping[str, tuple[str, str]]
    kept: Mapping[str, str] = MappingProxyType({})
    wrong: Mapping[str, Wrong] = MappingProxyType({})
    obsolete: frozenset[str] = frozenset()
    present: Mapping[str, str] = MappingProxyType({})

    @classmethod
    def probe(cls, machine: Machine) -> Self:
        """Read what the values rest on, and ask compilers and assemblers whether they would do."""
        from sparkdoctor.facts import choices, survey  # noqa: PLC0415 (only where somebody asks)

        return cls(**vars(choices.chosen(survey.seen(machine))))
