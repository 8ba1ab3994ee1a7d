"""Which GPU code runs where: the rule as a table, and as properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor.architecture import Architecture, Capability, jitted, names, native

CAPABILITIES = st.builds(Capability, st.integers(1, 99), st.integers(0, 9))
CODES = st.builds(Architecture, CAPABILITIES, st.booleans(), st.sampled_from(["", "a", "f"]))


@pytest.mark.parametrize(
    ("code", "gpu", "runs"),
    [
        # Cubins: same major, same or later minor. CUDA C++ Programming Guide, "Binary Compatibility"; pytorch/pytorch #178891.
        ("sm_120", "12.0", True),
        ("sm_120", "12.1", True),
        ("sm_121", "12.1", True),
        ("sm_121", "12.0", False),
        ("sm_90", "12.1", False),
        ("sm_90", "9.0", True),
        ("sm_100", "12.1", False),
        ("sm_100", "10.0", True),
        ("sm_100", "10.3", True),
        ("sm_103", "10.0", False),
        ("sm_110", "12.1", False),
        ("sm_120", "13.0", False),
        ("sm_80", "8.6", True),
        ("sm_80", "8.9", True),
        ("sm_86", "8.0", False),
        ("sm_89", "9.0", False),
        ("sm_75", "8.0", False),
        # Architecture-specific code runs on that capability alone, as PTX too.
        ("sm_120a", "12.0", True),
        ("sm_120a", "12.1", False),
        ("sm_121a", "12.1", True),
        ("sm_121a", "12.0", False),
        ("sm_90a", "9.0", True),
        ("compute_90a", "9.0", True),
        ("compute_90a", "10.0", False),
        ("compute_90a", "12.1", False),
        ("compute_120a", "12.1", False),
        # Family-specific code: one major, same or later minor. NVIDIA's note on family-specific features (CUDA 12.9).
        ("sm_120f", "12.0", True),
        ("sm_120f", "12.1", True),
        ("sm_121f", "12.1", True),
        ("sm_121f", "12.0", False),
        ("sm_100f", "12.1", False),
        ("compute_120f", "12.1", True),
        ("compute_120f", "13.0", False),
        ("compute_100f", "10.3", True),
        # PTX: the driver compiles it for the same or any later capability.
        ("compute_90", "12.1", True),
        ("compute_120", "12.1", True),
        ("compute_121", "12.1", True),
        ("compute_121", "12.0", False),
        ("compute_75", "12.1", True),
        ("compute_120", "9.0", False),
        ("compute_120", "13.0", True),
    ],
)
def test_code_runs_where_nvidia_says_it_runs(code: str, gpu: str, *, runs: bool) -> None:
    assert Architecture.parse(code).runs_on(Capability.parse(gpu)) is runs


def test_the_architectures_of_the_official_aarch64_wheel_suit_a_gb10() -> None:
    # torch 2.11.0+cu130, aarch64, torch.cuda.get_arch_list() on a GB10.
    wheel = tuple(map(Architecture.parse, ("sm_80", "sm_90", "sm_100", "sm_110", "sm_120")))
    assert names(native(wheel, Capability(12, 1))) == "sm_120"
    assert jitted(wheel, Capability(12, 1)) == ()


def test_ngc_also_brings_ptx() -> None:
    # NGC 26.05, the same question.
    image = tuple(map(Architecture.parse, ("sm_80", "sm_86", "sm_90", "sm_100", "sm_110", "sm_120", "compute_120")))
    assert names(native(image, Capability(12, 1))) == "sm_120"
    assert names(jitted(image, Capability(12, 1))) == "compute_120"
    assert native(image, Capability(13, 0)) == ()
    assert names(jitted(image, Capability(13, 0))) == "compute_120"


@pytest.mark.parametrize("text", ["", "12", "12.", "12.10", ".1", "1234.5", "12.1a", "-1.0", "12,1", "x"])
def test_what_is_no_capability_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a compute capability"):
        Capability.parse(text)


@pytest.mark.parametrize(
    "text", ["", "sm_", "sm_1", "sm_120b", "sm120", "compute_", "gfx942", "sm_12.1", "sm_120 ptx", "lto_120"]
)
def test_what_is_no_architecture_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a GPU architecture"):
        Architecture.parse(text)


@given(CODES)
def test_an_architecture_survives_its_name(code: Architecture) -> None:
    assert Architecture.parse(str(code)) == code


@given(CAPABILITIES)
def test_a_capability_survives_its_name(capability: Capability) -> None:
    assert Capability.parse(str(capability)) == capability
    assert Capability.parse(f"  {capability}\n") == capability
    assert Capability(*divmod(capability.number, 10)) == capability


@given(st.text())
def test_only_value_errors_leave_the_parsers(text: str) -> None:
    for parse in (Capability.parse, Architecture.parse):
        try:
            parse(text)
        except ValueError:
            continue


@given(CODES, CAPABILITIES)
def test_a_cubin_never_runs_on_another_major(code: Architecture, gpu: Capability) -> None:
    if code.runs_on(gpu) and not code.ptx:
        assert gpu.major == code.capability.major


@given(CODES, CAPABILITIES)
def test_no_code_runs_on_an_earlier_gpu(code: Architecture, gpu: Capability) -> None:
    if code.runs_on(gpu):
        assert gpu >= code.capability


@given(CODES)
def test_all_code_runs_on_the_gpu_it_was_made_for(code: Architecture) -> None:
    assert code.runs_on(code.capability)


@given(CAPABILITIES, CAPABILITIES, CAPABILITIES)
def test_plain_ptx_that_runs_on_a_gpu_runs_on_every_later_one(made_for: Capability, gpu: Capability, later: Capability) -> None:
    ptx = Architecture(made_for, ptx=True)
    if later >= gpu and ptx.runs_on(gpu):
        assert ptx.runs_on(later)


@given(CAPABILITIES, st.booleans(), CAPABILITIES)
def test_a_narrower_suffix_never_runs_on_more(made_for: Capability, ptx: bool, gpu: Capability) -> None:
    plain, family, exact = (Architecture(made_for, ptx, suffix).runs_on(gpu) for suffix in ("", "f", "a"))
    assert exact <= family <= plain


@given(st.lists(CODES).map(tuple), CAPABILITIES)
def test_native_and_jitted_share_nothing_and_lose_nothing(codes: tuple[Architecture, ...], gpu: Capability) -> None:
    both = native(codes, gpu) + jitted(codes, gpu)
    assert sorted(both) == sorted(code for code in codes if code.runs_on(gpu))
    assert names(both).split() == [str(code) for code in both]
