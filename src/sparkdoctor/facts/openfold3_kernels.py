"""Which attention kernels the patient's OpenFold3 has, by its own account."""

from typing import ClassVar, Self

from sparkdoctor.facts.course import Course
from sparkdoctor.facts.python import Python
from sparkdoctor.facts.work import TORCH, Work
from sparkdoctor.machine import Machine
from sparkdoctor.model import Missing


class Openfold3Kernels(Work):
    """OpenFold3's attention imported, and asked what it found. Steps: patient/openfold3_kernels.py."""

    deep: ClassVar[bool] = True
    course: Course

    def has(self, switch: str) -> bool | None:
        """Whether it has the kernel of a switch; None where it did not say."""
        found = self.course.learnt(IMPORT).get(switch)
        return found if isinstance(found, bool) else None

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Where OpenFold3 and PyTorch are installed, import them."""
        python = machine.need(Python)
        for name in ("openfold3", "torch"):
            if isinstance(origin := python.modules[name], Missing):
                return origin
        return cls.of(machine, python.path, "openfold3_kernels", timeout=TORCH)


IMPORT = "import openfold3's attention"
