"""What was really done: facts that put the patient to work, each in a child process that may crash or hang."""

from collections.abc import Sequence
from typing import ClassVar, Self

from sparkdoctor.facts.course import Course, follow
from sparkdoctor.facts.gpu import Gpu, targets
from sparkdoctor.facts.nvcc import Nvcc, called
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

    @classmethod
    def of_each(cls, machine: Machine, numbers: Sequence[str], python: str, script: str, *args: str, timeout: float) -> Self:
        """Run a worker for the first architecture; for a tape also for the others, which another profile may ask for."""
        for number in numbers[1:] if machine.thorough else ():
            machine.work(python, script, *args, number, timeout=timeout)
        return cls.of(machine, python, script, *args, *numbers[:1], timeout=timeout)


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
        numbers = [str(capability.number) for capability in targets(machine)]
        return cls.of_each(machine, numbers, python.path, "compile", timeout=COMPILE)


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
        nvcc = machine.get(Nvcc)
        refusals = {} if isinstance(nvcc, Missing) else nvcc.refusals
        numbers = [str(capability.number) for capability in targets(machine) if not refusals.get(capability.number)]
        if isinstance(machine.stat(path), Missing):
            return Missing(f"there is no nvcc: {path} does not exist")
        return cls.of_each(machine, numbers, str(machine.itself()["executable"]), "toolkit", path, timeout=COMPILE)
