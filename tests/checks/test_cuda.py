"""Checks on facts made by hand: cuda."""

from typing import Any

import pytest

from by_hand import DEAD, FAILED, GONE, HOPPER, NUMBER, OK, SKIPPED, UNDEMANDING, WARNING, but, judge
from sparkdoctor.architecture import Architecture
from sparkdoctor.facts import (
    ArchList,
    CudaHome,
    Driver,
    Nvcc,
    Python,
    Torch,
)
from sparkdoctor.facts.python import Distribution
from sparkdoctor.model import Missing, Status


def arches(text: str) -> ArchList:
    return ArchList.parse(text)


def with_deepspeed(version: str) -> Any:
    return but(Python, distributions={"deepspeed": Distribution(version, "/x")})


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("12.1", OK),
        ("12.0", OK),
        ("12.0+PTX", OK),
        ("12.0;12.1", OK),
        ("12.0 12.1", OK),
        ("12.1a", OK),
        ("9.0;12.1", WARNING),
        ("8.0;9.0;12.0+PTX", WARNING),
        ("Blackwell", WARNING),
        ("9.0+PTX", WARNING),
        ("8.0+PTX", WARNING),
        ("9.0", FAILED),
        ("9.0a", FAILED),
        ("9.0a+PTX", FAILED),
        ("10.0", FAILED),
        ("12.0a", FAILED),
        ("Hopper", WARNING),
        ("12.0f", FAILED),
        ("12.1f", FAILED),
        ("sm_121", FAILED),
        ("12.2", FAILED),
        ("121", FAILED),
        ("12.1,12.0", FAILED),
        ("12.1;", FAILED),
        (";", FAILED),
        ("garbage\x1b", FAILED),
        ("12.1'; rm -rf ~", FAILED),
    ],
)
def test_arch_list_wrong(text: str, status: Status) -> None:
    verdict = judge("arch-list-wrong", arches(text))
    assert verdict.status is status
    assert verdict.observed == text
    if status is not OK:
        assert verdict.remedy is not None
        assert verdict.remedy.command == "export TORCH_CUDA_ARCH_LIST=12.1"


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("0.15.4", OK),
        ("0.18.9", OK),
        ("0.19.0", FAILED),
        ("0.19.6", FAILED),
        ("0.20.0+abc", FAILED),
        ("1.0", FAILED),
        ("odd", OK),
    ],
)
def test_arch_list_wrong_for_deepspeed(version: str, status: Status) -> None:
    verdict = judge("arch-list-wrong", arches("12.1a"), with_deepspeed(version))
    assert verdict.status is status
    assert judge("arch-list-wrong", arches("12.1"), with_deepspeed(version)).status is OK
    if status is FAILED:
        assert "DeepSpeed" in verdict.summary


def test_arch_list_wrong_without_a_target() -> None:
    assert judge("arch-list-wrong", arches=Missing("TORCH_CUDA_ARCH_LIST is not set")).status is OK
    assert judge("arch-list-wrong", arches=DEAD).status is SKIPPED
    assert judge("arch-list-wrong", arches("12.1"), UNDEMANDING, gpu=GONE).status is SKIPPED
    assert judge("arch-list-wrong", arches("x"), UNDEMANDING, gpu=GONE).status is FAILED
    assert judge("arch-list-wrong", arches("9.0"), HOPPER).status is OK
    assert judge("arch-list-wrong", arches("12.1"), HOPPER).status is FAILED


@pytest.mark.parametrize(
    ("cuda", "driver", "codes", "status"),
    [
        ("13.0", (13, 0), "sm_120", OK),
        ("12.8", (13, 0), "sm_120", OK),
        ("13.2", (13, 0), "sm_90 sm_120", OK),
        ("13.2", (13, 0), "sm_90 compute_120", WARNING),
        ("13.2", (13, 0), None, OK),
        ("13.0", (12, 9), "sm_120", FAILED),
        ("13.0", (12, 4), "sm_120", FAILED),
        ("12.8", (11, 8), "sm_120", FAILED),
        ("12.9", (12, 8), "sm_120", OK),
        ("13.0.3", (13, 0), "sm_120", OK),
        (None, (13, 0), "sm_120", SKIPPED),
        ("", (13, 0), "sm_120", SKIPPED),
        ("13", (13, 0), "sm_120", SKIPPED),
        ("13.0", None, "sm_120", SKIPPED),
    ],
)
def test_cuda_newer_than_driver(cuda: str | None, driver: tuple[int, int] | None, codes: str | None, status: Status) -> None:
    carried = None if codes is None else tuple(map(Architecture.parse, codes.split()))
    verdict = judge("cuda-newer-than-driver", but(Torch, cuda=cuda, architectures=carried), but(Driver, cuda=driver))
    assert verdict.status is status
    if status is FAILED:
        assert cuda is not None
        assert cuda in verdict.summary


def test_cuda_newer_than_driver_says_ptx_only_where_there_is_ptx() -> None:
    neither = but(Torch, cuda="13.2", architectures=(Architecture.parse("sm_90"),))
    assert "only PTX" not in judge("cuda-newer-than-driver", neither).summary
    assert judge("cuda-newer-than-driver", but(Torch, cuda="13.2"), UNDEMANDING, gpu=GONE).status is OK


def refusing(version: str, words: str = "nvcc fatal   : Unsupported gpu architecture 'compute_121'") -> Any:
    return but(Nvcc, version=version, refusals={NUMBER: words})


def test_nvcc_lacks_architecture() -> None:
    assert judge("nvcc-lacks-architecture").status is OK
    old = judge("nvcc-lacks-architecture", refusing("12.8.93"))
    assert old.status is FAILED
    assert "12.9" in (old.expected or "")
    assert "Unsupported gpu architecture" in old.evidence[0]
    elsewhere = but(CudaHome, installed={(13, 0): "/usr/local/cuda-13.0", (12, 8): "/usr/local/cuda-12.8"})
    there = judge("nvcc-lacks-architecture", refusing("12.8.93"), elsewhere)
    assert there.remedy is not None
    assert "/usr/local/cuda-13.0" in (there.remedy.command or "")
    assert not there.remedy.needs_root
    assert judge("nvcc-lacks-architecture", refusing("13.0.88", "it did not answer in time")).status is SKIPPED
    assert judge("nvcc-lacks-architecture", refusing("12.4.99", "it did not answer in time")).status is FAILED
    assert judge("nvcc-lacks-architecture", but(Nvcc, refusals={})).status is SKIPPED
    assert judge("nvcc-lacks-architecture", UNDEMANDING, gpu=GONE).status is SKIPPED
    assert judge("nvcc-lacks-architecture", gpu=GONE).status is OK


def test_nvcc_missing() -> None:
    assert judge("nvcc-missing").status is OK
    assert judge("nvcc-missing", nvcc=Missing("there is no nvcc")).status is WARNING
    broken = judge("nvcc-missing", but(CudaHome, variable="CUDA_HOME", home="/opt/cuda"), nvcc=DEAD)
    assert broken.status is FAILED
    assert "$CUDA_HOME" in broken.summary
    assert judge("nvcc-missing", but(Nvcc, lacks="/usr/local/cuda/nvvm/bin/cicc")).status is FAILED


@pytest.mark.parametrize(
    ("nvcc", "cuda", "status"),
    [
        ("13.0.88", "13.0", OK),
        ("13.2.86", "13.0", OK),
        ("12.8.93", "12.9", OK),
        ("12.8.93", "13.0", FAILED),
        ("13.0.88", "12.8", FAILED),
        ("12.8.93", "13.0.3", FAILED),
        ("13.0.88", None, SKIPPED),
        ("13.0.88", "x", SKIPPED),
    ],
)
def test_nvcc_torch_mismatch(nvcc: str, cuda: str | None, status: Status) -> None:
    verdict = judge("nvcc-torch-mismatch", but(Nvcc, version=nvcc), but(Torch, cuda=cuda))
    assert verdict.status is status
    if status is FAILED and cuda == "13.0.3":
        assert verdict.remedy is not None
        assert verdict.remedy.command == "export CUDA_HOME=/usr/local/cuda-13.0"
    assert judge("nvcc-torch-mismatch").status is OK
    assert judge("nvcc-torch-mismatch", but(Nvcc, version="12.8.93")).status is FAILED


def test_cuda_home_wrong() -> None:
    assert judge("cuda-home-wrong").status is OK
    assert judge("cuda-home-wrong", but(CudaHome, home=None), nvcc=GONE).status is OK
    set_ = {"variable": "CUDA_HOME", "home": "/opt/cuda"}
    assert judge("cuda-home-wrong", but(CudaHome, **set_)).status is OK
    empty = judge("cuda-home-wrong", but(CudaHome, **set_), nvcc=Missing("/opt/cuda/bin/nvcc does not exist"))
    assert empty.status is FAILED
    assert empty.remedy is not None
    assert empty.remedy.command == "export CUDA_HOME=/usr/local/cuda"
    on_path = {"on_path": "/usr/local/cuda-12.8/bin/nvcc", "on_path_version": "12.8.93"}
    assert judge("cuda-home-wrong", but(CudaHome, **set_, **on_path)).status is FAILED
    assert judge("cuda-home-wrong", but(CudaHome, **set_, **{**on_path, "on_path_version": "13.2.86"})).status is WARNING
    assert judge("cuda-home-wrong", but(CudaHome, **set_, **{**on_path, "on_path_version": "13.0.48"})).status is OK
    assert judge("cuda-home-wrong", but(CudaHome, variable="CUDA_PATH", home="/opt/cuda")).status is OK
