"""Which GPU code runs on which GPU: the one place where that rule is written.

Sources: CUDA C++ Programming Guide, "Binary Compatibility" and "PTX Compatibility"; NVIDIA's note on family-specific
architecture features (CUDA 12.9); pytorch/pytorch #178891 (sm_120 code on a 12.1 GPU).
"""

import re

from sparkdoctor.record import NamedTuple

FIRST_TOOLKIT = {121: (12, 9), 120: (12, 8), 103: (12, 9), 100: (12, 8), 90: (11, 8)}
"""The first CUDA toolkit that compiles for an architecture. Sources: ptxas 12.8.93, 12.9.86, 13.0.88, run; release notes."""


class Capability(NamedTuple):
    """A GPU's compute capability, such as 12.1."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> "Capability":
        """Read `12.1`.

        Raises:
            ValueError: the text is not MAJOR.MINOR.
        """
        match = re.fullmatch(r"(\d{1,3})\.(\d)", text.strip())
        if not match:
            raise ValueError(f"not a compute capability: {text!r}")
        return cls(int(match[1]), int(match[2]))

    @property
    def number(self) -> int:
        """The digits that `sm_` and `compute_` names carry: 121 for 12.1."""
        return self.major * 10 + self.minor

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


class Architecture(NamedTuple):
    """GPU code that a compiler made: a cubin (`sm_120`) or PTX (`compute_120`).

    `suffix` is "" (runs on later minors too), "a" (this capability alone) or "f" (this family: one major).
    """

    capability: Capability
    ptx: bool = False
    suffix: str = ""

    @classmethod
    def parse(cls, text: str) -> "Architecture":
        """Read `sm_120`, `compute_90a`, `sm_121f`.

        Raises:
            ValueError: the text is no such name.
        """
        match = re.fullmatch(r"(sm|compute)_(\d{1,3})(\d)([af]?)", text.strip())
        if not match:
            raise ValueError(f"not a GPU architecture: {text!r}")
        return cls(Capability(int(match[2]), int(match[3])), match[1] == "compute", match[4])

    def runs_on(self, gpu: Capability) -> bool:
        """Whether this code can run on `gpu`; PTX by the driver's compiler, a cubin as it is."""
        if self.suffix == "a":
            return gpu == self.capability
        if self.suffix == "f" or not self.ptx:
            return gpu.major == self.capability.major and gpu.minor >= self.capability.minor
        return gpu >= self.capability

    def __str__(self) -> str:
        return f"{'compute' if self.ptx else 'sm'}_{self.capability.number}{self.suffix}"


def native(codes: tuple[Architecture, ...], gpu: Capability) -> tuple[Architecture, ...]:
    """The cubins among `codes` that run on `gpu` as they are."""
    return tuple(code for code in codes if not code.ptx and code.runs_on(gpu))


def jitted(codes: tuple[Architecture, ...], gpu: Capability) -> tuple[Architecture, ...]:
    """The PTX among `codes` that the driver can compile for `gpu`."""
    return tuple(code for code in codes if code.ptx and code.runs_on(gpu))


def names(codes: tuple[Architecture, ...]) -> str:
    """`sm_90 sm_120 compute_120`."""
    return " ".join(str(code) for code in codes)
