"""Checks on facts made by hand: torch."""

import pytest

from by_hand import DEAD, FAILED, GONE, HOPPER, OK, SKIPPED, UNDEMANDING, WARNING, but, judge
from sparkdoctor.architecture import Architecture
from sparkdoctor.facts import (
    System,
    Torch,
    Triton,
)
from sparkdoctor.model import Broken, Missing, Status


@pytest.mark.parametrize(
    ("codes", "status"),
    [
        ("sm_80 sm_90 sm_100 sm_110 sm_120", OK),
        ("sm_121", OK),
        ("sm_120a sm_121a", OK),
        ("sm_120f", OK),
        ("sm_90 sm_120 compute_120", OK),
        ("compute_120", WARNING),
        ("sm_80 sm_90 compute_90", WARNING),
        ("compute_90", WARNING),
        ("sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90", FAILED),
        ("sm_100", FAILED),
        ("sm_120a", FAILED),
        ("compute_90a", FAILED),
        ("sm_122", FAILED),
    ],
)
def test_torch_lacks_kernels(codes: str, status: Status) -> None:
    torch = but(Torch, architectures=tuple(map(Architecture.parse, codes.split())))
    for gpu in ({}, {"gpu": GONE}):
        verdict = judge("torch-lacks-kernels", torch, **gpu)
        assert verdict.status is status
        assert verdict.observed == codes


def test_torch_lacks_kernels_where_nobody_can_say() -> None:
    assert judge("torch-lacks-kernels", but(Torch, cuda=None)).status is SKIPPED
    assert judge("torch-lacks-kernels", but(Torch, architectures=None)).status is SKIPPED
    assert judge("torch-lacks-kernels", UNDEMANDING, gpu=GONE).status is SKIPPED
    assert judge("torch-lacks-kernels", HOPPER).status is OK
    ngc = but(Torch, version="2.6.0a0+ecf3bae40a.nv25.01", architectures=(Architecture.parse("sm_90"),))
    remedy = judge("torch-lacks-kernels", ngc).remedy
    assert remedy is not None
    assert "NGC" in remedy.text
    assert remedy.command is None


def test_torch_missing() -> None:
    assert judge("torch-missing").status is OK
    gone = judge("torch-missing", torch=Missing("torch is not installed in /venv/bin/python"))
    assert gone.status is FAILED
    assert gone.remedy is not None
    assert gone.remedy.command == "/venv/bin/python -m pip install 'torch>=2.11'"
    damaged = judge("torch-missing", torch=Broken("PyTorch is damaged"))
    assert damaged.observed == "damaged"
    assert damaged.remedy is not None
    assert "--force-reinstall" in (damaged.remedy.command or "")
    assert judge("torch-missing", torch=GONE, python=Missing("there is no Python")).status is FAILED
    assert judge("torch-missing", UNDEMANDING, torch=GONE).status is SKIPPED
    assert judge("torch-missing", UNDEMANDING, torch=DEAD).status is FAILED


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("2.11.0+cu130", OK),
        ("2.7.0", OK),
        ("2.7.0a0+ecf3bae40a.nv25.02", OK),
        ("2.10.0a0+b558c986e8.nv25.11", OK),
        ("2.6.0a0+ecf3bae40a.nv25.01", FAILED),
        ("2.5.1", FAILED),
        ("1.13.1", FAILED),
    ],
)
def test_torch_too_old(version: str, status: Status) -> None:
    assert judge("torch-too-old", but(Torch, version=version)).status is status
    assert judge("torch-too-old").status is OK
    assert judge("torch-too-old", UNDEMANDING).status is SKIPPED


def test_torch_without_cuda() -> None:
    assert judge("torch-without-cuda").status is OK
    cpu = judge("torch-without-cuda", but(Torch, version="2.9.1", cuda=None))
    assert cpu.status is FAILED
    assert "before 2.11" in cpu.summary
    assert cpu.remedy is not None
    assert "'torch>=2.11'" in (cpu.remedy.command or "")
    x86 = judge("torch-without-cuda", but(Torch, cuda=None), but(System, architecture="x86_64"))
    assert "aarch64" not in x86.summary


def test_torch_without_cuda_blames_the_old_wheels_only_where_they_are() -> None:
    assert "before 2.11" not in judge("torch-without-cuda", but(Torch, version="2.12.1+cpu", cuda=None)).summary


def test_wheel_for_other_machine() -> None:
    assert judge("wheel-for-other-machine").status is OK
    assert judge("wheel-for-other-machine", but(Torch, machine=None), triton=GONE).status is OK


def test_wheel_for_other_machine_that_is_one() -> None:
    both = judge("wheel-for-other-machine", but(Torch, machine="x86_64"), but(Triton, machine="x86_64"))
    assert both.status is FAILED
    assert (both.expected, both.observed) == ("aarch64", "x86_64")
    one = judge("wheel-for-other-machine", but(Triton, machine="x86_64"))
    assert one.status is FAILED
    assert "PyTorch" not in one.summary
