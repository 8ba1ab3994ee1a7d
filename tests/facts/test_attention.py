"""Whose attention kernels a prediction would use."""

from typing import Any

import pytest

from by_hand import DEFAULTS, GONE, but
from machines.parts import healthy_gb10
from sparkdoctor import profiles
from sparkdoctor.facts import Attention, Openfold3, Python, RunnerYaml
from sparkdoctor.facts.attention import evoformer_unused
from sparkdoctor.facts.openfold3 import CUEQUIVARIANCE, DEEPSPEED, LMA, TRITON
from sparkdoctor.facts.python import Distribution
from sparkdoctor.machine import Machine
from sparkdoctor.model import Broken, Missing


class Known(Machine):
    """A machine with an OpenFold3 of this version, of whose files and settings this is known."""

    def __init__(self, version: str | None, openfold3: Any = GONE, runner: Any = GONE) -> None:
        super().__init__(healthy_gb10(), profiles.load("dgx-spark"))
        installed = {"openfold3": Distribution(version, "/x")} if version is not None else {}
        self._known = {Python: but(Python, distributions=installed), Openfold3: openfold3, RunnerYaml: runner}

    def get(self, kind: Any) -> Any:
        return self._known.get(kind) or super().get(kind)


def found(*known: Any) -> Any:
    return Known(*known).get(Attention)


@pytest.mark.parametrize(
    ("version", "switch"), [("0.3.1", DEEPSPEED), ("0.4.2", DEEPSPEED), ("0.4.3", None), ("0.4.4", TRITON), ("0.5.0", TRITON)]
)
def test_by_its_version_where_its_files_cannot_be_read(version: str, switch: str | None) -> None:
    attention = found(version)
    assert (attention.version, attention.switch, attention.default) == (version, switch, True)
    assert attention.triton is (switch == TRITON)
    words = None if switch == DEEPSPEED else f"OpenFold3 {version} does not use DeepSpeed's evoformer_attn by default"
    assert evoformer_unused(attention) == words


def test_where_nobody_knows_anything_may_be_used() -> None:
    for version in (None, "", "unknown"):
        attention = found(version)
        assert isinstance(attention, Missing)
        assert evoformer_unused(attention) is None


@pytest.mark.parametrize(
    ("on", "switch"),
    [
        ((), None),
        ((LMA,), LMA),
        ((TRITON, LMA), TRITON),
        ((TRITON, DEEPSPEED), DEEPSPEED),
        ((TRITON, DEEPSPEED, CUEQUIVARIANCE), CUEQUIVARIANCE),
    ],
)
def test_the_settings_choose(on: tuple[str, ...], switch: str | None) -> None:
    attention = found("0.5.0", DEFAULTS[Openfold3], but(RunnerYaml, kernels=dict.fromkeys(on, True)))
    assert (attention.switch, attention.default) == (switch, switch == TRITON)
    if switch is None:
        assert evoformer_unused(attention) == "OpenFold3 0.5.0 does not use DeepSpeed's evoformer_attn as it is set"


def test_settings_that_cannot_be_read_choose_nothing() -> None:
    own = but(Openfold3, kernels={DEEPSPEED: True, TRITON: False})
    attention = found("0.5.0", own, Broken("runner.yml: it is not YAML"))
    assert (attention.switch, attention.default) == (DEEPSPEED, True)
