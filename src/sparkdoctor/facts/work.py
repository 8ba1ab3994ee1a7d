"""What was really done: facts that put the patient to work, each in a child process that may crash or hang."""

from typing import ClassVar, Self

from sparkdoctor.architecture import Capability
from sparkdoctor.facts.course import Course, follow
from sparkdoctor.facts.gpu import Gpu, for_target
from sparkdoctor.facts.nvcc import REFUSAL, Nvcc, called
from sparkdoctor.facts.python import Python
from sparkdoctor.machine import Fact, Machine, Unavailable
from sparkdoctor.model import Missing

COMPUTE, COMPILE, BUILD = 120.0, 120.0, 180.0
"""Seconds; an import from a cold disk alone may take half a minute."""


class Work(Fact):
    """What a worker reported."""

    deep: ClassVar[bool] = True
    course: Course

    @classmethod
    def of(cls, machine: Machine, python: str, script: str, *args: str, timeout: float) -> Self:
        """Run a worker.

        Raises:
            Unavailable: it could not be started.
        """
        worked = machine.work(python, script, *args, timeout=timeout)
        if isinstance(worked, Missing):
            raise Unavailable(worked)
        return cls(course=follow(worked))


class Compute(Work):
    """The patient's PyTorch at work: imported, CUDA initialised, products and attention compared.

    Its steps are those of patient/compute.py. Errors are relative, in the Frobenius norm, against float64 on the CPU.
    """

    course: Course

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Where PyTorch is installed, see how far it comes."""
        python = machine.need(Python)
        if isinstance(missing := python.modules["torch"], Missing):
            return missing
        return cls.of(machine, python.path, "compute", timeout=COMPUTE)


class TritonCompile(Work):
    """The patient's Triton at work: a kernel compiled for the wanted architecture, which needs no GPU."""

    course: Course

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Where Triton is installed, compile."""
        python = machine.need(Python)
        if isinstance(missing := python.modules["triton"], Missing):
            return missing
        return for_target(machine, lambda wanted: cls.of(machine, python.path, "compile", str(wanted.number), timeout=COMPILE))


class TritonLaunch(Work):
    """The patient's Triton at work on a GPU: a kernel compiled for it, launched, compared."""

    course: Course

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Where there are PyTorch, Triton and a GPU, launch."""
        python = machine.need(Python)
        for name in ("torch", "triton"):
            if isinstance(missing := python.modules[name], Missing):
                return missing
        machine.need(Gpu)
        return cls.of(machine, python.path, "launch", timeout=COMPILE)


class ExtensionBuild(Work):
    """A small C++ extension, built and loaded by the patient's PyTorch in a temporary directory."""

    course: Course

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Where PyTorch is installed, build."""
        python = machine.need(Python)
        if isinstance(missing := python.modules["torch"], Missing):
            return missing
        return cls.of(machine, python.path, "extension", timeout=BUILD)


class NvccCompile(Work):
    """The nvcc that a build would call, at work: a small library for the wanted architecture, if it accepts that."""

    course: Course

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Compile and link with the nvcc that a build would call, also where it would not say who it is."""
        path = called(machine)
        if isinstance(path, Missing):
            return path
        if isinstance(machine.stat(path), Missing):
            return Missing(f"there is no nvcc: {path} does not exist")
        return for_target(machine, lambda wanted: cls._ask(machine, path, wanted))

    @classmethod
    def _ask(cls, machine: Machine, path: str, wanted: Capability) -> Self | Missing:
        nvcc = machine.get(Nvcc)
        if not isinstance(nvcc, Missing) and REFUSAL in nvcc.refusals.get(wanted.number, ""):
            return Missing(f"nvcc does not accept compute_{wanted.number}; see nvcc-lacks-architecture")
        python = str(machine.itself()["executable"])
        return cls.of(machine, python, "toolkit", path, str(wanted.number), timeout=COMPILE)
