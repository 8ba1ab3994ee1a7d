"""What was really done: facts that put the patient to work, each in a child process that may crash or hang."""

from typing import ClassVar, Self

from sparkdoctor.architecture import Capability
from sparkdoctor.facts.course import Course, follow
from sparkdoctor.facts.gpu import for_target
from sparkdoctor.facts.nvcc import REFUSAL, Nvcc, called
from sparkdoctor.facts.python import Python
from sparkdoctor.machine import Fact, Machine, Unavailable
from sparkdoctor.model import Missing
from sparkdoctor.process import Worked

TORCH, COMPILE = 180.0, 120.0
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


class TorchWork(Fact):
    """The report of patient/pytorch.py, which imports PyTorch once and branches for all that is done with it."""

    deep: ClassVar[bool] = True
    worked: Worked

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Where PyTorch is installed, put it to work."""
        python = machine.need(Python)
        if isinstance(missing := python.modules["torch"], Missing):
            return missing
        worked = machine.work(python.path, "pytorch", timeout=TORCH)
        return worked if isinstance(worked, Missing) else cls(worked)


class Compute(Work):
    """The patient's PyTorch at work: imported, CUDA initialised, products and attention compared.

    Its steps are those of patient/compute.py. Errors are relative, in the Frobenius norm, against float64 on the CPU.
    """

    course: Course

    @classmethod
    def probe(cls, machine: Machine) -> Self:
        """What became of that branch."""
        return cls(follow(machine.need(TorchWork).worked, "compute"))


class TritonLaunch(Work):
    """The patient's Triton at work on a GPU: a kernel compiled for it, launched, compared. Steps: patient/launch.py."""

    course: Course

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """What became of that branch, where there is a GPU."""
        course = follow(machine.need(TorchWork).worked, "launch")
        if course.learnt("torch.cuda.init").get("available") is False:
            return Missing("PyTorch reaches no GPU")
        if course.learnt("import triton").get("installed") is False:
            return Missing("Triton is not installed")
        return cls(course)


class ExtensionBuild(Work):
    """A small C++ extension, built and loaded by the patient's PyTorch in a temporary directory. Steps: patient/extension.py."""

    course: Course

    @classmethod
    def probe(cls, machine: Machine) -> Self:
        """What became of that branch."""
        return cls(follow(machine.need(TorchWork).worked, "extension"))


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
