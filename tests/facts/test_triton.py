"""What facts make of texts: Triton: `get_ptxas` as the wheels on PyPI have it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor.facts import (
    python,
    triton,
)
from texts import TEXT

TRITON_3_2 = """\
@functools.lru_cache()
def get_ptxas_version():
    version = subprocess.check_output([_path_to_binary("ptxas")[0], "--version"]).decode("utf-8")
    return version
"""
TRITON_3_3 = """\
@functools.lru_cache()
def get_ptxas(arch: int):
    name = "ptxas-blackwell" if arch >= 100 else "ptxas"
    return _path_to_binary(name)


@functools.lru_cache()
def get_ptxas_version(arch: int):
    mock_ver = os.environ.get('TRITON_MOCK_PTX_VERSION')
"""
TRITON_3_4 = """\
def get_ptxas() -> knobs.NvidiaTool:
    return knobs.nvidia.ptxas


@functools.lru_cache()
def get_ptxas_version():
"""
TRITON_3_6 = """\
def get_ptxas(arch: int) -> knobs.NvidiaTool:
    return knobs.nvidia.ptxas_blackwell if arch >= 100 else knobs.nvidia.ptxas


@functools.lru_cache()
def get_ptxas_version(arch: int = 80):
"""
TRITON_3_9 = """\
def get_ptxas(arch: int) -> knobs.NvidiaTool:
    if arch < 90:
        return knobs.nvidia.ptxas
    # The ptxas-blackwell name is misleading; keep it until legacy ptxas is removed.
    return knobs.nvidia.ptxas_blackwell


@functools.lru_cache()
def get_ptxas_version(arch: int = 80):
"""
OLD, NEW = ("ptxas", triton.PLAIN), ("ptxas-blackwell", triton.BLACKWELL)
UNSETTABLE = ("ptxas-blackwell", triton.UNSETTABLE)
TOOLS = [
    # version, source, then what it takes for 9.0, 10.0 and 12.1
    ("3.2.0", TRITON_3_2, OLD, OLD, OLD),
    ("3.3.1", TRITON_3_3, OLD, UNSETTABLE, UNSETTABLE),
    ("3.4.0", TRITON_3_4, OLD, OLD, OLD),
    ("3.5.1", TRITON_3_4, OLD, OLD, OLD),
    ("3.6.0", TRITON_3_6, OLD, NEW, NEW),
    ("3.7.1", TRITON_3_6, OLD, NEW, NEW),
    ("3.8.0", TRITON_3_6, OLD, NEW, NEW),
    ("3.9.0", TRITON_3_9, NEW, NEW, NEW),
]


@pytest.mark.parametrize(("version", "source", "hopper", "blackwell", "spark"), TOOLS)
def test_the_ptxas_that_a_triton_takes(version: str, source: str, hopper: Any, blackwell: Any, spark: Any) -> None:
    for number, tool in ((90, hopper), (100, blackwell), (121, spark)):
        assert triton.tool_for(source, version, number) == tool
        assert triton.tool_for("", version, number) == tool  # by version, where the source cannot be read
        if version != "3.2.0":
            assert triton.tool_for(source, "unknown", number) == tool  # by source, where the version cannot


@pytest.mark.parametrize("version", ["3.5.1+gitbfeb0668.nv25.12", "3.5.0.post1", "3.5.1rc1"])
def test_local_and_pre_releases_of_triton_are_versions_too(version: str) -> None:
    assert triton.tool_for("", version, 121) == OLD
    assert python.release_of(version)[:2] == (3, 5)


@given(TEXT, TEXT, st.integers(10, 999))
def test_any_triton_takes_some_ptxas(source: str, version: str, number: int) -> None:
    for text in (source, "def get_ptxas(arch):" + source, f"def get_ptxas(arch):\n    blackwell {source}"):
        assert triton.tool_for(text, version, number) in (OLD, NEW, UNSETTABLE)


@pytest.mark.parametrize(("number", "name"), [(75, "sm_75"), (89, "sm_89"), (90, "sm_90a"), (100, "sm_100a"), (121, "sm_121a")])
def test_what_triton_calls_an_architecture(number: int, name: str) -> None:
    assert triton.code_name(number) == name
