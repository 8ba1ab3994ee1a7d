"""What facts make of texts: toolkit."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor.facts import (
    nvcc,
    ptxas,
)
from texts import TEXT, lines_of

NVCC_VERSION = """\
nvcc: NVIDIA (R) Cuda compiler driver
Copyright (c) 2005-2025 NVIDIA Corporation
Built on Wed_Aug_20_01:58:59_PM_PDT_2025
Cuda compilation tools, release 13.0, V13.0.88
Build cuda_13.0.r13.0/compiler.36424714_0
"""


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (NVCC_VERSION, "13.0.88"),
        (NVCC_VERSION.replace("nvcc: NVIDIA (R) Cuda compiler driver", "ptxas: NVIDIA (R) Ptx optimizing assembler"), "13.0.88"),
        ("Cuda compilation tools, release 12.8, V12.8.93\n", "12.8.93"),
        ("release 12.8", "12.8"),
        ("release 12", None),
        ("clang version 18.1.3", None),
        ("", None),
    ],
)
def test_the_version_that_nvcc_and_ptxas_print(text: str, version: str | None) -> None:
    assert ptxas.parse_version(text) == version


@given(st.one_of(TEXT, lines_of("release ", "12.8", ", V", ".", "12.8.93")))
def test_toolkit_versions_of_any_text(text: str) -> None:
    version = ptxas.parse_version(text)
    if version is not None:
        major, minor = ptxas.toolkit_release(version)
        assert major >= 0
        assert minor >= 0


@given(st.integers(1, 99), st.integers(0, 99), st.integers(0, 999))
def test_a_toolkit_version_survives_its_text(major: int, minor: int, patch: int) -> None:
    version = ptxas.parse_version(f"Cuda compilation tools, release {major}.{minor}, V{major}.{minor}.{patch}")
    assert version == f"{major}.{minor}.{patch}"
    assert ptxas.toolkit_release(version) == (major, minor)


def test_the_plan_of_a_dry_run() -> None:
    # nvcc 13.0.88 --dryrun, its first lines.
    text = """\
#$ _NVVM_BRANCH_=nvvm
#$ _SPACE_=
#$ _HERE_=/usr/local/cuda-13.0/bin
#$ TOP=/usr/local/cuda-13.0/bin/..
#$ CICC_PATH=/usr/local/cuda-13.0/bin/../nvvm/bin
#$ LD_LIBRARY_PATH=/usr/local/cuda-13.0/bin/../lib:
#$ gcc -D__CUDA_ARCH_LIST__=1210 -E x.cu
"""
    plan = nvcc.parse_plan(text)
    assert plan["CICC_PATH"] == "/usr/local/cuda-13.0/bin/../nvvm/bin"
    assert plan["_HERE_"] == "/usr/local/cuda-13.0/bin"


@given(TEXT)
def test_plans_of_any_text(text: str) -> None:
    assert all(re.fullmatch(r"\w+", name) for name in nvcc.parse_plan(text))
