"""What facts make of texts: PyTorch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor.architecture import Architecture, Capability, names
from sparkdoctor.facts import (
    torch,
    triton,
)
from texts import TEXT, lines_of

# From the PyPI wheels for aarch64 and cp312.
TORCH_2_11 = """\
from typing import Optional

__all__ = ['__version__', 'debug', 'cuda', 'git_version', 'hip', 'rocm', 'xpu']
__version__ = '2.11.0+cu130'
debug = False
cuda: Optional[str] = '13.0'
git_version = '70d99e998b4955e0049d13a98d77ae1b14db1f45'
hip: Optional[str] = None
rocm: Optional[str] = None
xpu: Optional[str] = None
"""
TORCH_2_9 = TORCH_2_11.replace("2.11.0+cu130", "2.9.1+cpu").replace("= '13.0'", "= None")
TORCH_2_5 = TORCH_2_9.replace("2.9.1+cpu", "2.5.1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TORCH_2_11, ("2.11.0+cu130", "13.0")),
        (TORCH_2_9, ("2.9.1+cpu", None)),
        (TORCH_2_5, ("2.5.1", None)),
        ("__version__ = '2.12.0a0+5aff3928d8.nv26.05'\ncuda = '13.2'\n", ("2.12.0a0+5aff3928d8.nv26.05", "13.2")),  # NGC 26.05
        ('__version__: str = "1.13.1"\ncuda = ""\n', ("1.13.1", None)),
        ("__version__ = '2.11.0'\n", None),
        ("cuda = None\n", None),
        ("raise RuntimeError\n", None),
        ("", None),
    ],
)
def test_a_version_file_of_pytorch(text: str, said: tuple[str, str | None] | None) -> None:
    assert torch.parse_version_file(text) == said


@given(st.one_of(TEXT, lines_of("__version__", "cuda", ": Optional[str]", " = ", "'2.11.0'", "None", '"13.0"')))
def test_version_files_of_any_text(text: str) -> None:
    said = torch.parse_version_file(text)
    assert said is None or (said[0] and "\n" not in said[0] and said[1] != "")
    version = triton.parse_version_file(text)
    assert version is None or (version and "\n" not in version)


@pytest.mark.parametrize(
    ("strings", "codes"),
    [
        # libtorch_python.so of 2.11.0+cu130 (aarch64) on a GB10, and of NGC 26.05.
        (("sm_80 sm_90 sm_100 sm_110 sm_120",), "sm_80 sm_90 sm_100 sm_110 sm_120"),
        (("sm_80 sm_86 sm_90 sm_100 sm_110 sm_120 compute_120",), "sm_80 sm_86 sm_90 sm_100 sm_110 sm_120 compute_120"),
        # aarch64 cu124 nightly, pytorch/pytorch PR #140844.
        (("sm_50 sm_80 sm_86 sm_89 sm_90 sm_90a",), "sm_50 sm_80 sm_86 sm_89 sm_90 sm_90a"),
        (("sm_90", "sm_", "arch >= sm_70 is needed", "sm_80 sm_90 sm_120", " sm_120"), "sm_80 sm_90 sm_120"),
    ],
)
def test_the_architectures_compiled_into_pytorch(strings: tuple[str, ...], codes: str) -> None:
    found = torch.parse_architectures(strings)
    assert found is not None
    assert names(found) == codes


@pytest.mark.parametrize("strings", [(), ("",), ("sm_",), ("gfx942 gfx1100",), ("sm_90 and later",)])
def test_no_architectures_where_no_list_is(strings: tuple[str, ...]) -> None:
    assert torch.parse_architectures(strings) is None


CODES = st.builds(
    Architecture, st.builds(Capability, st.integers(1, 99), st.integers(0, 9)), st.booleans(), st.sampled_from(["", "a", "f"])
)


@given(st.lists(CODES, min_size=1).map(tuple), st.lists(st.text("sm_ x1", max_size=3)).map(tuple))
def test_architectures_survive_their_list(codes: tuple[Architecture, ...], noise: tuple[str, ...]) -> None:
    assert torch.parse_architectures((*noise, names(codes))) == codes


@given(st.lists(st.one_of(TEXT, st.from_regex(r"(sm_\d{1,5}[a-z]? ?){1,4}", fullmatch=True))).map(tuple))
def test_architectures_of_any_strings(strings: tuple[str, ...]) -> None:
    found = torch.parse_architectures(strings)
    assert found is None or found


@pytest.mark.parametrize(
    ("lines", "wants"),
    [
        # METADATA of torch 2.11.0 (x86-64), 2.9.1, NGC, and of a CPU build.
        (
            ("Requires-Dist: sympy>=1.13.3", 'Requires-Dist: triton==3.6.0; platform_system == "Linux"'),
            'triton==3.6.0; platform_system == "Linux"',
        ),
        (("Requires-Dist: pytorch-triton==3.5.0+gitc817b9b6",), "pytorch-triton==3.5.0+gitc817b9b6"),
        (("Requires-Dist: tritonclient", 'Requires-Dist: triton; extra == "x"', "Requires-Dist: numpy"), None),
        ((), None),
    ],
)
def test_the_triton_that_pytorch_wants(lines: tuple[str, ...], wants: str | None) -> None:
    assert torch.triton_requirement(lines) == wants
