"""What facts make of texts: TORCH_CUDA_ARCH_LIST."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor.architecture import names
from sparkdoctor.facts import (
    ArchList,
    archlist,
)
from texts import TEXT


@pytest.mark.parametrize(
    ("text", "codes", "refused"),
    [
        ("12.1", "sm_121", ()),
        ("12.0+PTX", "sm_120 compute_120", ()),
        ("12.1a", "sm_121a", ()),
        ("12.1a+PTX", "sm_121a compute_121a", ()),
        ("9.0;12.1", "sm_90 sm_121", ()),
        ("9.0 12.1", "sm_90 sm_121", ()),
        # NGC's own, 25.10 and 26.05 (docker inspect).
        (
            "8.0 8.6 9.0 10.0 11.0 12.0+PTX",
            "sm_80 sm_86 sm_90 sm_100 sm_110 sm_120 compute_120",
            (),
        ),
        ("Blackwell", "sm_100 sm_103 sm_120 sm_121 compute_121", ()),
        ("Hopper;12.1", "sm_90 compute_90 sm_121", ()),
        # `ValueError: Unknown CUDA arch (12.0f) or GPU not supported`
        ("12.0f", "", ("12.0f",)),
        ("12.1;12.0f", "sm_121", ("12.0f",)),
        ("12.0,12.1", "", ("12.0,12.1",)),
        ("9.0; 12.1", "sm_90 sm_121", ("",)),
        ("12.1;", "sm_121", ("",)),
        ("sm_121", "", ("sm_121",)),
        ("12.2", "", ("12.2",)),
        ("121", "", ("121",)),
        ("12.1+ptx", "", ("12.1+ptx",)),
        ("12.1+PTX+PTX", "", ("12.1+PTX+PTX",)),
        ("blackwell", "", ("blackwell",)),
    ],
)
def test_an_architecture_list(text: str, codes: str, refused: tuple[str, ...]) -> None:
    found = ArchList.parse(text)
    assert (names(found.codes), found.refused, found.text) == (codes, refused, text)


# torch/utils/cpp_extension.py of 2.8: fewer architectures, other families, and combined names before single ones.
CPP_EXTENSION_2_8 = """
    named_arches = collections.OrderedDict([
        ('Kepler+Tesla', '3.7'),
        ('Volta', '7.0+PTX'),
        ('Ampere+Tegra', '8.7'),
        ('Ampere', '8.0;8.6+PTX'),
        ('Hopper', '9.0+PTX'),
        ('Blackwell+Tegra', '10.1'),
        ('Blackwell', '10.0;12.0+PTX'),
    ])

    supported_arches = ['3.5', '3.7', '5.0', '7.0', '7.2', '7.5', '8.0', '8.6', '8.7', '8.9', '9.0', '9.0a',
                        '10.0', '10.0a', '10.1', '10.1a', '12.0', '12.0a']
    valid_arch_strings = supported_arches + [s + "+PTX" for s in supported_arches]
"""


@pytest.mark.parametrize(
    ("text", "codes", "refused"),
    [
        ("Blackwell", "sm_100 sm_120 compute_120", ()),
        ("Blackwell+Tegra", "sm_101", ()),
        ("Ampere+Tegra;Ampere", "sm_87 sm_80 sm_86 compute_86", ()),
        ("12.1", "", ("12.1",)),
        ("Volta", "sm_70 compute_70", ()),
    ],
)
def test_an_architecture_list_by_the_installed_pytorch(text: str, codes: str, refused: tuple[str, ...]) -> None:
    found = ArchList.parse(text, *archlist.tables(CPP_EXTENSION_2_8))
    assert (names(found.codes), found.refused) == (codes, refused)


def theirs(text: str) -> list[str] | str:
    """What `_get_cuda_arch_flags` makes of a list, restated from its documentation: flags, or the entry it refuses."""
    supported, families = archlist.tables(CPP_EXTENSION_2_8)
    text = text.replace(" ", ";")
    for family, numbers in families.items():
        text = text.replace(family, numbers)
    flags = []
    for entry in text.split(";"):
        version = entry.split("+")[0]
        if entry not in {name + ptx for name in supported for ptx in ("", "+PTX")}:
            return entry
        number = version.replace(".", "")
        flags.append(f"sm_{number}")
        if entry.endswith("+PTX"):
            flags.append(f"compute_{number}")
    return flags


@given(
    st.one_of(
        st.text(), st.lists(st.sampled_from(["12.0", "12.1", "9.0a", "+PTX", ";", " ", ",", "Blackwell", "f"])).map("".join)
    )
)
def test_architecture_lists_are_read_as_pytorch_reads_them(text: str) -> None:
    found = ArchList.parse(text, *archlist.tables(CPP_EXTENSION_2_8))
    expected = theirs(text)
    assert found.refused[:1] == (expected,) if isinstance(expected, str) else names(found.codes).split() == expected


@given(TEXT)
def test_tables_of_any_text(text: str) -> None:
    supported, families = archlist.tables(text)
    assert ArchList.parse("12.1", supported, families) is not None
