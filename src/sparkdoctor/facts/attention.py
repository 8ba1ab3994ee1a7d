"""Whose attention kernels a prediction would use."""

from typing import Self

from sparkdoctor.facts.openfold3 import DEEPSPEED, TRITON, Openfold3, kernels_of, switched_on
from sparkdoctor.facts.python import Python
from sparkdoctor.facts.runner_yaml import RunnerYaml
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Missing


class Attention(Fact):
    """What OpenFold3 `version` uses: the kernels of a `switch` of its settings, PyTorch alone where that is None.

    `default` where no settings of the user's have changed that.
    """

    version: str
    switch: str | None
    default: bool = True

    @property
    def triton(self) -> bool:
        """Whether they are OpenFold3's own in Triton."""
        return self.switch == TRITON

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """By the settings of a prediction; where they cannot be read by OpenFold3's own, and these by its version."""
        installed = machine.need(Python).distribution("openfold3")
        if installed is None:
            return Missing("OpenFold3 is not installed")
        openfold3, runner = machine.get(Openfold3), machine.get(RunnerYaml)
        if isinstance(openfold3, Missing):
            if not installed.release:
                return Missing(f"which kernels OpenFold3 {installed.version} uses is not known")
            return cls(installed.version, next(iter(switched_on(kernels_of(installed.release))), None))
        kernels = openfold3.kernels if isinstance(runner, Missing) else runner.kernels
        own, used = (next(iter(switched_on(one)), None) for one in (openfold3.kernels, kernels))
        return cls(installed.version, used, used == own)


def evoformer_unused(attention: Attention | Missing) -> str | None:
    """Why nothing here calls DeepSpeed's evoformer_attn; None where something may."""
    if isinstance(attention, Missing) or attention.switch == DEEPSPEED:
        return None
    how = "by default" if attention.default else "as it is set"
    return f"OpenFold3 {attention.version} does not use DeepSpeed's evoformer_attn {how}"
