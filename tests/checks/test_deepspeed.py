"""Checks on facts made by hand: deepspeed."""

from typing import Any

import pytest

from by_hand import DEAD, FAILED, GONE, HOPPER, OK, SKIPPED, SPARK, WARNING, but, command_of, judge, using
from sparkdoctor.architecture import Capability
from sparkdoctor.facts import ArchList, BuildFiles, CudaHome, Cutlass, Deepspeed, DeepspeedBuilder, Nvcc, Python, Torch, Triton
from sparkdoctor.facts.build_files import AIO
from sparkdoctor.facts.builder_source import Reading
from sparkdoctor.facts.course import Course, Step
from sparkdoctor.facts.cutlass import BINDINGS, IGNORE
from sparkdoctor.facts.deepspeed import FILTERING
from sparkdoctor.facts.deepspeed_builder import Flags
from sparkdoctor.facts.python import Distribution
from sparkdoctor.model import Missing, Status
from sparkdoctor.profiles import Profile, Requirement

SOUND, OLD = Reading("121", bf16=True), Reading("1.", bf16=False, pruned=FILTERING)
HALF = Reading("120", bf16=False, pruned=FILTERING)
FILTERED = dict.fromkeys(FILTERING, "RuntimeError: Unable to load it: no compute capabilities remaining after filtering")
REFUSED = "nvcc fatal   : Unsupported gpu architecture '{}'"
NVCC_12_8 = but(Nvcc, version="12.8.93", refusals={121: REFUSED.format("compute_121")})
LIST_12_0 = ArchList.parse("12.0")


def deepspeed(version: str, reading: Reading = SOUND, **changes: Any) -> Any:
    return but(Deepspeed, version=version, readings={121: reading}, **changes)


def python(**distributions: str) -> Any:
    found = {name.replace("_", "-"): Distribution(version, f"/venv/{name}") for name, version in distributions.items()}
    return but(Python, distributions=found)


def flags(*codes: str, bf16: bool = True) -> Flags:
    """`121 121+PTX`."""
    texts = []
    for code in codes:
        number = code.removesuffix("+PTX")
        texts.append(f"-gencode=arch=compute_{number},code={'sm' if number == code else 'compute'}_{number}")
    return Flags(tuple(texts), bf16)


def course(*steps: Step, ended: str | None = None) -> Course:
    imported = (Step("import torch", 0.0, {}), Step("import deepspeed", 1.0, {}))
    return (
        Course((*imported, *steps), ended) if not any(step.name.startswith("import") for step in steps) else Course(steps, ended)
    )


def builder(
    first: Flags | None = None,
    ahead: Flags | None = None,
    *,
    steps: tuple[Step, ...] = (),
    filtered: dict[str, str] | None = None,
    refused: tuple[str, ...] = (),
) -> Any:
    """What the builder said; `refused` are the codes that nvcc does not know."""
    every = [flag for mode in (first, ahead) if mode for flag in mode.flags]
    refusals = {flag: next((REFUSED.format(code) for code in refused if f"{code}," in flag), "") for flag in every}
    return DeepspeedBuilder(Capability(12, 1), course(*steps), first, ahead, filtered or {}, refusals)


def test_deepspeed_missing() -> None:
    assert judge("deepspeed-missing").status is OK
    assert judge("deepspeed-missing", deepspeed=GONE).status is SKIPPED
    assert judge("deepspeed-missing", deepspeed=DEAD).status is FAILED
    required = Profile(deepspeed=SPARK.deepspeed._replace(required=True))
    verdict = judge("deepspeed-missing", required, deepspeed=GONE)
    assert verdict.status is FAILED
    assert command_of(verdict) == "/venv/bin/python -m pip install 'deepspeed>=0.18.7'"


# --- deepspeed-misparses-architecture

DEFAULT = flags("60", "61", "70", bf16=False)
NOW = flags("121", "121+PTX")


@pytest.mark.parametrize(
    ("found", "facts", "status", "words"),
    [
        (
            deepspeed("0.15.4", OLD, pristine=True),
            (),
            FAILED,
            ("compute_1.", "bf16 is silently off", "6 operators are filtered away"),
        ),
        (deepspeed("0.16.3", OLD), (), FAILED, ("compute_1.",)),
        (deepspeed("0.15.4", HALF, pristine=False), (), FAILED, ("mended by half", "bf16 is silently off", "6 operators")),
        (deepspeed("0.15.4", Reading("121", True, FILTERING), ours=True), (), WARNING, ("mended by half: 6 operators",)),
        (deepspeed("0.15.4", Reading("121", True, ("ragged_ops",)), ours=True), (), WARNING, ("1 operator is",)),
        (deepspeed("0.15.4", SOUND, ours=True), (), OK, ("makes compute_121 of 12.1",)),
        (deepspeed("0.16.4"), (), OK, ("makes compute_121",)),
        (deepspeed("0.19.8"), (), OK, ("makes compute_121",)),
        (deepspeed("0.21.0", Reading(None, None)), (), SKIPPED, ("not known here", "--deep")),
        (deepspeed("0.19.8", SOUND, settings={"DS_BUILD_OPS": "1"}), (), FAILED, ("DS_BUILD_OPS=1", "ahead of time")),
        (deepspeed("0.19.8", SOUND, settings={"DS_BUILD_OPS": "0"}), (), OK, ()),
        (deepspeed("0.19.8", SOUND, settings={"DS_BUILD_OPS": "1"}), (LIST_12_0,), OK, ()),
        # What it would be made of: the list, which it obeys since 0.19.0.
        (
            deepspeed("0.19.8"),
            (ArchList.parse("12.1a"),),
            FAILED,
            ("no flags of TORCH_CUDA_ARCH_LIST='12.1a'", "cannot read '12.1a'"),
        ),
        (deepspeed("0.18.9"), (ArchList.parse("12.1a"),), OK, ("makes compute_121 of 12.1",)),
        (
            deepspeed("0.19.8"),
            (ArchList.parse("9.0; 12.1"),),
            OK,
            ("compute_90 compute_121 of TORCH_CUDA_ARCH_LIST='9.0; 12.1'",),
        ),
        # CUDA 12.8: the list helps only where it is obeyed.
        (deepspeed("0.17.0"), (NVCC_12_8,), FAILED, ("refuses compute_121", "ignores TORCH_CUDA_ARCH_LIST")),
        (deepspeed("0.17.0"), (NVCC_12_8, LIST_12_0), FAILED, ("ignores TORCH_CUDA_ARCH_LIST",)),
        (deepspeed("0.19.0"), (NVCC_12_8,), SKIPPED, ("see nvcc-lacks-architecture", "obeys TORCH_CUDA_ARCH_LIST=12.0")),
        (deepspeed("0.19.0"), (NVCC_12_8, LIST_12_0), OK, ()),
        (deepspeed("0.15.4", HALF._replace(bf16=True, pruned=())), (NVCC_12_8,), OK, ("compute_120",)),
    ],
)
def test_deepspeed_misparses_architecture_as_it_reads(
    found: Deepspeed, facts: tuple[Any, ...], status: Status, words: tuple[str, ...]
) -> None:
    for gone in ({}, {"gpu": GONE}):
        verdict = judge("deepspeed-misparses-architecture", found, *facts, **gone)
        assert verdict.status is status
        assert [word for word in words if word not in verdict.summary] == []
        assert status is SKIPPED or "the builder itself was not asked: read with --deep only" in verdict.evidence


@pytest.mark.parametrize(
    ("version", "said", "facts", "status", "words"),
    [
        (
            "0.15.4",
            builder(flags("1.", "1.+PTX", bf16=False), flags("90"), filtered=FILTERED, refused=("compute_1.",)),
            (),
            FAILED,
            ("asks nvcc for compute_1.; bf16 is silently off; 6 operators",),
        ),
        ("0.15.4", builder(flags("120", bf16=False), None, filtered=FILTERED), (), FAILED, ("mended by half",)),
        ("0.15.4", builder(NOW, None, filtered=FILTERED), (), WARNING, ("mended by half",)),
        ("0.16.4", builder(NOW, DEFAULT, refused=("compute_60", "compute_61", "compute_70")), (), OK, ("compute_121",)),
        (
            "0.17.0",
            builder(NOW, NOW, refused=("compute_121",)),
            (NVCC_12_8, LIST_12_0),
            FAILED,
            ("ignores TORCH_CUDA_ARCH_LIST",),
        ),
        ("0.19.0", builder(NOW, NOW, refused=("compute_121",)), (NVCC_12_8,), SKIPPED, ("see nvcc-lacks-architecture",)),
        ("0.19.0", builder(flags("120", "120+PTX"), NOW), (NVCC_12_8, LIST_12_0), OK, ("compute_120",)),
        # What is left out for an old architecture in the list is left out rightly.
        ("0.19.8", builder(flags("70", "121", bf16=False), None, filtered=FILTERED), (ArchList.parse("7.0;12.1"),), OK, ()),
        (
            "0.19.1",
            builder(Flags((), None, "ValueError: invalid literal for int() with base 10: '1a'"), None),
            (ArchList.parse("12.1a"),),
            FAILED,
            ("'12.1a'", "invalid literal", "see arch-list-wrong"),
        ),
        (
            "0.19.8",
            builder(Flags((), None, "RuntimeError: found no CUDA devices"), None),
            (),
            FAILED,
            ("makes no flags: Runtime",),
        ),
        # The list is not to blame where it is ignored.
        ("0.15.4", builder(Flags((), None, "NameError: name 'n' is not defined")), (LIST_12_0,), FAILED, ("no flags: Name",)),
        # nvcc knows what is wanted, and the list does not ask for it.
        (
            "0.19.8",
            builder(flags("70", "70+PTX", bf16=False), refused=("compute_70",)),
            (ArchList.parse("7.0"),),
            FAILED,
            ("no flags that nvcc takes of TORCH_CUDA_ARCH_LIST='7.0' (see arch-list-wrong): nvcc refuses compute_70",),
        ),
        ("0.19.8", builder(flags("80", "80+PTX")), (ArchList.parse("8.0"),), OK, ("compute_80 of TORCH_CUDA_ARCH_LIST='8.0'",)),
    ],
)
def test_deepspeed_misparses_architecture_as_it_is_proven(
    version: str, said: DeepspeedBuilder, facts: tuple[Any, ...], status: Status, words: tuple[str, ...]
) -> None:
    # What was proven counts, whatever the text looked like.
    for reading in (SOUND, OLD, Reading(None, None)):
        verdict = judge("deepspeed-misparses-architecture", deepspeed(version, reading), said, *facts)
        assert verdict.status is status
        assert [word for word in words if word not in verdict.summary] == []


def test_deepspeed_misparses_architecture_tells_what_helps() -> None:
    assert (
        command_of(judge("deepspeed-misparses-architecture", deepspeed("0.15.4", OLD)))
        == "/venv/bin/python -m pip install --upgrade 'deepspeed>=0.18.7'"
    )
    pinned = judge(
        "deepspeed-misparses-architecture", deepspeed("0.15.4", OLD, asked="deepspeed==0.15.4"), python(openfold3="0.4.0")
    )
    assert pinned.remedy is not None
    assert "OpenFold3 0.4.0 (deepspeed==0.15.4) must keep this one, `sparkdoctor fix patch-deepspeed` is" in pinned.remedy.text
    assert "patch-deepspeed" not in str(
        judge("deepspeed-misparses-architecture", deepspeed("0.15.4", OLD), python(openfold3="0.5.0")).remedy
    )
    refused = ("compute_60", "compute_61", "compute_70")
    ahead = judge("deepspeed-misparses-architecture", builder(NOW, DEFAULT, refused=refused))
    assert ahead.evidence[-1].endswith(
        "nvcc refuses compute_60, compute_61, compute_70: export TORCH_CUDA_ARCH_LIST=12.1 before one"
    )
    wanted = judge(
        "deepspeed-misparses-architecture",
        deepspeed("0.19.8", SOUND, settings={"DS_BUILD_EVOFORMER_ATTN": "1"}),
        builder(NOW, DEFAULT, refused=refused),
    )
    assert wanted.status is FAILED
    assert command_of(wanted) == "export TORCH_CUDA_ARCH_LIST=12.1"
    assert "as it was installed" in str(
        judge("deepspeed-misparses-architecture", deepspeed("0.15.4", OLD, pristine=True)).evidence
    )
    assert "was changed" in str(judge("deepspeed-misparses-architecture", deepspeed("0.15.4", HALF, pristine=False)).evidence)
    half = judge("deepspeed-misparses-architecture", deepspeed("0.15.4", OLD._replace(bf16=True), ours=True))
    assert "op_builder carries only a part of sparkdoctor's patch" in half.evidence
    # Without an nvcc the flags speak for themselves.
    alone = DeepspeedBuilder(Capability(12, 1), course(), NOW, None, {}, {})
    assert judge("deepspeed-misparses-architecture", alone, nvcc=GONE).evidence == NOW.flags


def test_one_digit_majors_were_always_right() -> None:
    found = but(Deepspeed, version="0.15.4", readings={90: Reading("90", bf16=True)})
    assert judge("deepspeed-misparses-architecture", found, HOPPER).status is OK
    assert judge("deepspeed-misparses-architecture", found).status is SKIPPED  # nobody has read what it makes of 12.1


def test_a_builder_that_was_not_reached_proves_nothing() -> None:
    dead = builder(steps=(Step("import torch", 0.0, {}, "was killed by SIGSEGV"),))
    verdict = judge("deepspeed-misparses-architecture", deepspeed("0.15.4", OLD), dead)
    assert verdict.status is FAILED
    assert "the builder itself was not reached: import torch was killed by SIGSEGV" in verdict.evidence


# --- deepspeed-import-dies


@pytest.mark.parametrize(
    ("version", "facts", "gone", "status", "words"),
    [
        ("0.19.4", (), {}, OK, ""),
        ("0.15.4", (but(CudaHome, home=None),), {"nvcc": GONE}, FAILED, "MissingCUDAException"),
        ("0.19.4", (), {"nvcc": GONE}, FAILED, "FileNotFoundError"),
        ("0.19.5", (), {"nvcc": GONE}, OK, ""),
        ("0.19.4", (), {"nvcc": GONE, "gpu": GONE}, OK, ""),
        ("0.19.4", (but(Torch, cuda=None),), {"nvcc": GONE}, OK, ""),
        ("0.18.3", (but(Triton, version="3.5.1"),), {}, WARNING, "see triton-torch-mismatch"),
        ("0.19.7", (but(Triton, version="3.5.1"),), {}, WARNING, "Muon"),
        ("0.19.8", (but(Triton, version="3.5.1"),), {}, OK, ""),
        ("0.18.2", (but(Triton, version="3.5.1"),), {}, OK, ""),
        ("0.18.3", (but(Torch, triton=None), but(Triton, version="3.5.1")), {}, OK, ""),
        ("0.15.4", (but(Triton, version="3.2.0"),), {"gpu": GONE}, WARNING, "Triton 3.2"),
        ("0.15.4", (but(Triton, version="3.2.0"),), {}, OK, ""),
        ("0.17.6", (but(Triton, version="3.2.0"),), {"gpu": GONE}, OK, ""),
        ("unknown", (), {"nvcc": GONE}, OK, ""),
    ],
)
def test_deepspeed_import_dies_as_it_is_foreseen(
    version: str, facts: tuple[Any, ...], gone: dict[str, Missing], status: Status, words: str
) -> None:
    verdict = judge("deepspeed-import-dies", deepspeed(version), *facts, **gone)
    assert verdict.status is status
    assert words in verdict.summary


TORCH = Step("import torch", 0.0, {})


@pytest.mark.parametrize(
    ("error", "words", "command"),
    [
        (
            "MissingCUDAException: CUDA_HOME does not exist, unable to compile CUDA op(s)",
            "asks nvcc for its version",
            "--upgrade",
        ),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/x/bin/nvcc'", "asks nvcc for its version", "--upgrade"),
        ("NameError: name 'BaseMuonWithAuxAdam' is not defined", "Muon", "--upgrade"),
        ("ImportError: cannot import name 'AttrsDescriptor' from 'triton.compiler.compiler'", "Muon", "--upgrade"),
        ("RuntimeError: 0 active drivers ([]). There should only be one.", "Triton 3.2", "--upgrade"),
        ("ModuleNotFoundError: No module named 'einops.layers'", "einops", "pip install einops"),
        ("was killed by SIGSEGV", "SIGSEGV", "--upgrade"),
    ],
)
def test_deepspeed_import_dies_as_it_is_proven(error: str, words: str, command: str) -> None:
    dead = builder(steps=(TORCH, Step("import deepspeed", 1.0, {}, error, "/venv/deepspeed/x.py:1")))
    verdict = judge("deepspeed-import-dies", dead)
    assert verdict.status is FAILED
    assert error in verdict.summary
    assert words in verdict.summary
    assert command in command_of(verdict)
    assert verdict.evidence[-1] == "/venv/deepspeed/x.py:1"


def test_deepspeed_import_dies_no_more_than_torch() -> None:
    assert judge("deepspeed-import-dies", builder(NOW, NOW)).status is OK
    # What was tried counts more than what was foreseen.
    assert judge("deepspeed-import-dies", deepspeed("0.18.3"), but(Triton, version="3.5.1"), builder(NOW, NOW)).status is OK
    dead = builder(steps=(TORCH._replace(trouble="was killed by SIGSEGV"),))
    assert judge("deepspeed-import-dies", dead).status is SKIPPED


# --- deepspeed-version-conflict


@pytest.mark.parametrize(
    ("found", "facts", "status", "words"),
    [
        (deepspeed("0.19.8"), (but(Torch, version="2.14.1+cu130"),), OK, "0.19.8"),
        (deepspeed("0.15.4"), (but(Torch, version="2.13.0+cu130"),), OK, ""),
        (deepspeed("0.15.4"), (but(Torch, version="2.14.1+cu130"),), FAILED, "C++20"),
        (deepspeed("0.19.5"), (but(Torch, version="2.14.1+cu130"),), FAILED, "C++20"),
        (deepspeed("0.19.7"), (but(Torch, version="2.14.1+cu130"),), OK, ""),
        (deepspeed("0.19.5"), (but(Torch, version="2.14.1+cu129"), but(Nvcc, version="12.9.86")), OK, ""),
        (deepspeed("0.15.4"), (but(Torch, version="2.14.1"), using("0.5.0")), WARNING, "C++20"),
        (deepspeed("0.18.5"), (), FAILED, "PosixPath"),
        (deepspeed("0.18.6"), (using("0.4.5"),), WARNING, "PosixPath"),
        (deepspeed("0.18.6", settings={"CUTLASS_PATH": IGNORE}), (), OK, ""),
        (deepspeed("0.18.7"), (), OK, ""),
        (
            deepspeed("0.15.4", asked='deepspeed>=0.18.7; extra == "deepspeed"'),
            (python(openfold3="0.5.0"),),
            WARNING,
            "OpenFold3 0.5.0",
        ),
        (deepspeed("0.15.4", asked="deepspeed>=0.16"), (python(openfold3="0.4.0"),), FAILED, "OpenFold3 0.4.0"),
        (deepspeed("0.19.8", asked="deepspeed>=0.16"), (python(openfold3="0.4.0"),), OK, ""),
        (deepspeed("0.15.4", asked="deepspeed"), (python(openfold3="0.4.0"),), OK, ""),
        (deepspeed("0.15.4", asked="deepspeed >="), (python(openfold3="0.4.0"),), OK, ""),
        (deepspeed("unknown", asked="deepspeed>=1"), (python(openfold3="0.4.0"),), OK, ""),
    ],
)
def test_deepspeed_version_conflict(found: Deepspeed, facts: tuple[Any, ...], status: Status, words: str) -> None:
    verdict = judge("deepspeed-version-conflict", found, *facts)
    assert verdict.status is status
    assert words in verdict.summary
    assert judge("deepspeed-version-conflict", torch=GONE, nvcc=GONE).status is OK


def test_deepspeed_version_conflict_with_the_profile() -> None:
    strict = Profile(deepspeed=SPARK.deepspeed._replace(version=Requirement(">=0.20")))
    verdict = judge("deepspeed-version-conflict", strict)
    assert verdict.status is FAILED
    assert command_of(verdict) == "/venv/bin/python -m pip install --upgrade 'deepspeed>=0.20'"


# --- deepspeed-cutlass-missing


def test_deepspeed_cutlass_missing() -> None:
    assert judge("deepspeed-cutlass-missing").status is OK
    assert judge("deepspeed-cutlass-missing", cutlass=Missing("OpenFold3 0.5.0 does not use it")).status is SKIPPED
    for version, command in (
        ("0.15.4", "git clone"),
        ("0.18.5", f"export CUTLASS_PATH={BINDINGS}"),
        ("0.19.8", "pip install nvidia-cutlass"),
    ):
        verdict = judge("deepspeed-cutlass-missing", deepspeed(version), Cutlass(None, "Please specify", None))
        assert verdict.status is FAILED
        assert command in command_of(verdict)
    wrong = judge("deepspeed-cutlass-missing", Cutlass(None, "CUTLASS_PATH /x does not contain CUTLASS headers", "/x"))
    assert command_of(wrong).endswith("unset CUTLASS_PATH")


def test_deepspeed_cutlass_missing_in_its_own_words() -> None:
    step = Step("EvoformerAttnBuilder.is_compatible", 2.0, {"compatible": False, "said": ["Please use CUTLASS version >= 3.1.0"]})
    verdict = judge("deepspeed-cutlass-missing", builder(NOW, NOW, steps=(step,)))
    assert verdict.status is FAILED
    assert "Please use CUTLASS version >= 3.1.0" in verdict.summary
    assert verdict.evidence == ("EvoformerAttnBuilder: Please use CUTLASS version >= 3.1.0",)
    # OpenFold3 0.3 sets CUTLASS_PATH itself.
    assert judge("deepspeed-cutlass-missing", builder(NOW, NOW, steps=(step,)), python(openfold3="0.3.1")).status is OK
    content = step._replace(learnt={"compatible": True, "said": []})
    assert judge("deepspeed-cutlass-missing", builder(NOW, NOW, steps=(content,))).status is OK
    # It may have found what we did not, and from 0.19.1 on it has seen the headers.
    found = step._replace(learnt={"compatible": True, "said": [], "paths": ["/somewhere/include"]})
    nothing = Cutlass(None, "Unable to locate CUTLASS", None)
    assert judge("deepspeed-cutlass-missing", nothing, builder(NOW, NOW, steps=(found,))).status is OK
    assert judge("deepspeed-cutlass-missing", nothing, deepspeed("0.18.9"), builder(NOW, NOW, steps=(found,))).status is FAILED
    crashed = step._replace(learnt={}, trouble="AttributeError: module 'cutlass' has no attribute '__version__'")
    verdict = judge("deepspeed-cutlass-missing", builder(NOW, NOW, steps=(crashed,)))
    assert verdict.status is FAILED
    assert "AttributeError" in verdict.summary


# --- deepspeed-cuda-mismatch

NVCC_13_1 = but(Nvcc, version="13.1.80")


@pytest.mark.parametrize(
    ("found", "facts", "status", "words"),
    [
        (deepspeed("0.19.8"), (), OK, ""),
        (deepspeed("0.19.8"), (NVCC_13_1,), OK, "ahead of time only"),
        (deepspeed("0.19.8", settings={"DS_BUILD_OPS": "1"}), (NVCC_13_1,), FAILED, "DS_BUILD_OPS=1"),
        (deepspeed("0.18.9", comparing=("get_cuda_compile_flag", "builder")), (NVCC_13_1,), WARNING, "cpu_adam"),
        (deepspeed("0.18.9", settings={"DS_BUILD_OPS": "1", "DS_SKIP_CUDA_CHECK": "1"}), (NVCC_13_1,), OK, "DS_SKIP_CUDA_CHECK"),
        (deepspeed("0.18.9"), (but(Nvcc, version="12.9.86"), but(Torch, cuda="12.8")), OK, "takes them together"),
        (deepspeed("0.16.3", accepted={12: ("12.6",)}), (but(Nvcc, version="12.8.93"), but(Torch, cuda="12.6")), OK, "ahead"),
        (deepspeed("0.18.9"), (but(Torch, cuda="12.8"),), SKIPPED, "see nvcc-torch-mismatch"),
        (deepspeed("0.18.9"), (but(Torch, cuda=None),), SKIPPED, ""),
        (deepspeed("0.18.9", accepted=None), (NVCC_13_1,), SKIPPED, "cannot be read"),
    ],
)
def test_deepspeed_cuda_mismatch(found: Deepspeed, facts: tuple[Any, ...], status: Status, words: str) -> None:
    verdict = judge("deepspeed-cuda-mismatch", found, *facts)
    assert verdict.status is status
    assert words in verdict.summary


def test_deepspeed_cuda_mismatch_in_its_own_words() -> None:
    ahead = deepspeed("0.19.8", settings={"DS_BUILD_AIO": "1"})
    step = Step("assert_no_cuda_mismatch", 2.0, {}, "CUDAMismatchException: Installed CUDA version 13.1 does not match")
    verdict = judge("deepspeed-cuda-mismatch", ahead, NVCC_13_1, builder(NOW, NOW, steps=(step,)))
    assert verdict.status is FAILED
    assert "CUDAMismatchException" in verdict.evidence[0]
    assert (
        judge("deepspeed-cuda-mismatch", ahead, NVCC_13_1, builder(NOW, NOW, steps=(step._replace(trouble=None),))).status is OK
    )


# --- what operators are built with


def without(*names: str, aside: dict[str, str] | None = None) -> Any:
    healthy = but(BuildFiles).found
    return BuildFiles({name: None if name in names else path for name, path in healthy.items()}, aside or {})


def test_libaio_missing() -> None:
    assert judge("libaio-missing").status is OK
    verdict = judge("libaio-missing", without(*AIO))
    assert verdict.status is WARNING
    assert command_of(verdict) == "sudo apt install libaio-dev"
    step = Step("AsyncIOBuilder.is_compatible", 2.0, {"compatible": True})
    assert judge("libaio-missing", without(*AIO), builder(NOW, NOW, steps=(step,))).status is OK
    refused = judge("libaio-missing", builder(NOW, NOW, steps=(step._replace(learnt={"compatible": False}),)))
    assert refused.status is WARNING
    assert "cannot link" in refused.summary


def test_curand_missing() -> None:
    assert judge("curand-missing").status is OK
    assert judge("curand-missing", without("cusparse.h"), using("0.5.0")).status is SKIPPED
    assert judge("curand-missing", without("cusparse.h"), but(CudaHome, home=None)).status is SKIPPED
    headers = judge("curand-missing", without("cusparse.h", "libcurand.so"), using("0.4.0"))
    assert headers.status is FAILED
    assert "cusparse.h, libcurand.so" in headers.summary
    place = "/opt/conda/targets/sbsa-linux/lib"
    library = judge("curand-missing", without("libcurand.so", aside={"libcurand.so": place}))
    assert library.status is FAILED
    assert command_of(library) == f"export LIBRARY_PATH={place}:$LIBRARY_PATH"
    assert library.remedy is not None
    assert not library.remedy.needs_root
