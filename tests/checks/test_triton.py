"""Checks on facts made by hand: triton."""

import pytest

from by_hand import DEAD, FAILED, GONE, OK, OLD, SKIPPED, SPARK, UNDEMANDING, WARNING, assembler, but, command_of, judge, triton
from sparkdoctor.facts import (
    Compilers,
    Python,
    Torch,
    Triton,
)
from sparkdoctor.facts.triton import BLACKWELL, PLAIN, UNSETTABLE
from sparkdoctor.model import Broken, Missing, Status
from sparkdoctor.profiles import Profile


def test_compiler_missing() -> None:
    assert judge("compiler-missing").status is OK
    assert judge("compiler-missing", but(Compilers, c=Missing("PATH has no gcc"))).status is FAILED
    neither = judge("compiler-missing", Compilers(Missing("PATH has no gcc"), Broken("c++ exited with status 1")))
    assert neither.status is FAILED
    assert len(neither.evidence) == 2


def test_python_headers_missing() -> None:
    assert judge("python-headers-missing").status is OK
    verdict = judge("python-headers-missing", but(Python, headers=False))
    assert verdict.status is FAILED
    assert verdict.remedy is not None
    assert verdict.remedy.command == "sudo apt install python3.12-dev"


def test_triton_missing() -> None:
    assert judge("triton-missing").status is OK
    assert judge("triton-missing", triton=GONE).status is SKIPPED
    assert judge("triton-missing", triton=DEAD).status is FAILED
    required = Profile(triton=SPARK.triton._replace(required=True))
    assert judge("triton-missing", required, triton=GONE).status is FAILED


SYSTEM = "/usr/local/cuda/bin/ptxas"


@pytest.mark.parametrize(
    ("found", "too_old", "ignored"),
    [
        # What pip installs, with no variable set.
        (triton("3.3.1", UNSETTABLE, OLD), FAILED, OK),
        (triton("3.4.0", PLAIN, OLD), FAILED, OK),
        (triton("3.5.1", PLAIN, OLD), FAILED, OK),
        (triton("3.6.0", BLACKWELL, assembler("12.9.86")), OK, OK),
        (triton("3.7.1", BLACKWELL, assembler("13.1.80")), OK, OK),
        (triton("3.9.0", BLACKWELL, assembler("13.4.59")), OK, OK),
        # The variable that the version heeds.
        (triton("3.5.1", PLAIN, assembler("13.0.88"), overridden=True, knobs={PLAIN: SYSTEM}), OK, OK),
        (triton("3.5.1", PLAIN, assembler("12.9.86"), overridden=True, knobs={PLAIN: SYSTEM}), OK, OK),
        (triton("3.4.0", PLAIN, assembler("12.9.86"), overridden=True, knobs={PLAIN: SYSTEM}), OK, OK),
        (triton("3.4.0", PLAIN, assembler("13.0.88"), overridden=True, knobs={PLAIN: SYSTEM}), FAILED, OK),
        (triton("3.5.1", PLAIN, OLD, overridden=True, knobs={PLAIN: SYSTEM}), FAILED, OK),
        (triton("3.6.0", BLACKWELL, assembler("13.0.88"), overridden=True, knobs={BLACKWELL: SYSTEM}), OK, OK),
        (triton("3.6.0", BLACKWELL, OLD, overridden=True, knobs={BLACKWELL: SYSTEM}), FAILED, OK),
        # A path that does not run: passed over for the bundled one.
        (triton("3.5.1", PLAIN, OLD, knobs={PLAIN: "/nowhere"}), FAILED, FAILED),
        (triton("3.6.0", BLACKWELL, assembler("12.9.86"), knobs={BLACKWELL: "/nowhere"}), OK, WARNING),
        # The variable that the version ignores.
        (triton("3.6.0", BLACKWELL, assembler("12.9.86"), knobs={PLAIN: SYSTEM}), OK, WARNING),
        (triton("3.5.1", PLAIN, OLD, knobs={BLACKWELL: SYSTEM}), FAILED, FAILED),
        (triton("3.3.1", UNSETTABLE, OLD, knobs={PLAIN: SYSTEM}), FAILED, FAILED),
        # Both.
        (triton("3.6.0", BLACKWELL, assembler("13.0.88"), overridden=True, knobs={PLAIN: "x", BLACKWELL: SYSTEM}), OK, OK),
        # None that runs.
        (triton("3.6.0", BLACKWELL, Missing("ptxas-blackwell does not exist")), FAILED, OK),
        (triton("3.6.0", BLACKWELL, DEAD, knobs={PLAIN: SYSTEM}), FAILED, FAILED),
        (triton("3.5.1", PLAIN, Broken("PermissionError"), overridden=True, knobs={PLAIN: ""}), FAILED, FAILED),
        # A version that nobody knows.
        (triton("unknown", BLACKWELL, assembler("12.9.86")), OK, OK),
        (triton("unknown", PLAIN, OLD), FAILED, OK),
    ],
)
def test_tritons_ptxas(found: Triton, too_old: Status, ignored: Status) -> None:
    for gone in ({}, {"gpu": GONE}):
        assert judge("triton-ptxas-too-old", found, **gone).status is too_old
        assert judge("triton-ptxas-path-ignored", found, **gone).status is ignored


def test_triton_ptxas_too_old_tells_what_helps() -> None:
    assert judge("triton-ptxas-too-old").status is OK
    assert command_of(judge("triton-ptxas-too-old", triton("3.5.1", PLAIN, OLD))) == f"export {PLAIN}={SYSTEM}"
    for version in ("3.3.1", "3.4.0"):  # these refuse a ptxas of CUDA 13
        knob = PLAIN if version == "3.4.0" else UNSETTABLE
        assert "pip install" in command_of(judge("triton-ptxas-too-old", triton(version, knob, OLD)))
    without_toolkit = judge("triton-ptxas-too-old", triton("3.5.1", PLAIN, OLD), nvcc=GONE)
    assert "pip install" in command_of(without_toolkit)
    own = triton("3.6.0", BLACKWELL, OLD, overridden=True, knobs={BLACKWELL: SYSTEM})
    assert command_of(judge("triton-ptxas-too-old", own)) == f"unset {BLACKWELL}"
    assert judge("triton-ptxas-too-old", UNDEMANDING, gpu=GONE).status is SKIPPED
    assert judge("triton-ptxas-too-old", but(Triton, assemblers={})).status is SKIPPED


def test_triton_ptxas_path_ignored_tells_what_helps() -> None:
    assert judge("triton-ptxas-path-ignored").status is OK
    harmless = triton("3.6.0", BLACKWELL, assembler("12.9.86"), knobs={PLAIN: SYSTEM})
    assert command_of(judge("triton-ptxas-path-ignored", harmless)) == f"unset {PLAIN}"
    ignored = triton("3.5.1", PLAIN, OLD, knobs={BLACKWELL: SYSTEM})
    assert command_of(judge("triton-ptxas-path-ignored", ignored)) == f"export {PLAIN}={SYSTEM}"
    unsettable = judge("triton-ptxas-path-ignored", triton("3.3.1", UNSETTABLE, OLD, knobs={PLAIN: SYSTEM}))
    assert command_of(unsettable) == ""
    assert UNSETTABLE not in unsettable.summary
    assert judge("triton-ptxas-path-ignored", UNDEMANDING, gpu=GONE).status is SKIPPED


@pytest.mark.parametrize(
    ("wants", "has", "status"),
    [
        ("triton==3.6.0; platform_system == 'Linux'", "3.6.0", OK),
        ("triton==3.6.0", "3.6.0+git1234", OK),
        ("triton==3.6.0", "3.7.1", FAILED),
        ("triton==3.5.1", "3.6.0.dev20260101", FAILED),
        ("triton>=3.5", "3.6.0", OK),
        ("pytorch-triton==3.5.0+gitbfeb0668", "3.5.0+gitbfeb0668", OK),
        ("triton==3.2.0; platform_machine == 'x86_64'", "3.6.0", SKIPPED),
        ("triton (==3.6.0)", "3.6.0", OK),
        ("triton ==", "3.6.0", SKIPPED),
        (None, "3.6.0", SKIPPED),
    ],
)
def test_triton_torch_mismatch(wants: str | None, has: str, status: Status) -> None:
    assert judge("triton-torch-mismatch", but(Torch, triton=wants), but(Triton, version=has)).status is status
    assert judge("triton-torch-mismatch").status is OK
    assert judge("triton-torch-mismatch", but(Triton, version="3.5.1")).status is FAILED


def test_triton_torch_mismatch_of_a_version_that_is_none() -> None:
    assert judge("triton-torch-mismatch", but(Triton, version="unknown")).status in (SKIPPED, FAILED)
