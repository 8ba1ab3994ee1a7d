"""Checks on facts made by hand: what was really done."""

from typing import Any

import pytest

from by_hand import BUILT, COMPUTED, FAILED, GONE, HOPPER, LAUNCHED, OK, RIGHT, SKIPPED, WARNING, Shown, command_of, course, judge
from sparkdoctor.facts import Compute, ExtensionBuild, NvccCompile, TritonCompile, TritonLaunch
from sparkdoctor.facts.course import Course, Step
from sparkdoctor.model import Broken, Missing, Status

SEGFAULT = (
    "Fatal Python error: Segmentation fault",
    "Current thread 0x00007f (most recent call first):",
    'File "/venv/torch/__init__.py", line 1 in <module>',
)
ENDINGS = (
    "was killed by SIGSEGV",
    "was killed by SIGABRT",
    "did not answer in time",
    "printed more than 1 MiB and was ended",
    "ended with status 0 in the middle of it",
    "raised SystemExit: 0",
    "raised ImportError: libcudart.so.12: cannot open shared object file: No such file or directory",
    "raised ImportError: libtorch_cuda.so: undefined symbol: ncclCommWindowRegister",
)


def computed(name: str, **learnt: Any) -> Compute:
    """The healthy worker, but for what one step has shown."""
    return Compute(course(*((step, learnt if step == name else shown) for step, shown in COMPUTED)))


def stopped(name: str, how: str, **more: Any) -> Compute:
    """A worker that came as far as this step."""
    names = [step for step, _ in COMPUTED]
    return Compute(course(*COMPUTED[: names.index(name)], (name, {}), ended=how, **more))


@pytest.mark.parametrize("how", ENDINGS)
def test_torch_import_dies(how: str) -> None:
    verdict = judge("torch-import-dies", stopped("import torch", how, printed=SEGFAULT))
    assert verdict.status is FAILED
    assert verdict.summary.startswith(f"import torch {how}")
    assert 'File "/venv/torch/__init__.py", line 1 in <module>' in verdict.evidence


def test_torch_import_dies_names_what_is_known_of_it() -> None:
    verdict = judge("torch-import-dies", stopped("import torch", ENDINGS[6]))
    assert verdict.remedy is not None
    assert "CUDA 13" in verdict.remedy.text
    assert "--upgrade" in command_of(judge("torch-import-dies", stopped("import torch", ENDINGS[0])))


def test_an_interpreter_that_dies_before_anything_is_imported() -> None:
    dead = Compute(Course((), "was killed by SIGSEGV", ("sitecustomize",)))
    assert judge("torch-import-dies", dead).summary == "/venv/bin/python was killed by SIGSEGV before it came to import torch"
    assert judge("torch-cannot-compute", dead).status is SKIPPED


def test_an_import_that_leaves_something_behind_or_closes_something() -> None:
    left = Compute(course(*COMPUTED)._replace(left=("python3", "sleep")))
    assert judge("torch-import-dies", left).status is WARNING
    assert "python3, sleep" in judge("torch-import-dies", left).summary
    assert judge("torch-import-dies", computed("import torch", version="2.11.0", closed=True)).status is WARNING


@pytest.mark.parametrize("step", [name for name, _ in COMPUTED[1:-1]])
@pytest.mark.parametrize("how", ["was killed by SIGSEGV", "did not answer in time", "raised RuntimeError: CUDA error: 800"])
def test_torch_cannot_compute(step: str, how: str) -> None:
    verdict = judge("torch-cannot-compute", stopped(step, how))
    assert (verdict.status, verdict.summary) == (FAILED, f"{step} {how}")
    assert judge("torch-import-dies", stopped(step, how)).status is OK


@pytest.mark.parametrize(
    ("step", "learnt", "status"),
    [
        ("matmul float32", {"error": 3e-4, "finite": True}, OK),  # TF32
        ("matmul float32", {"error": 2e-3, "finite": True}, FAILED),
        ("matmul bfloat16", {"error": 2e-3, "finite": True}, OK),
        ("matmul bfloat16", {"error": 2e-2, "finite": True}, FAILED),
        ("matmul bfloat16", {"error": None, "finite": False}, FAILED),
        ("matmul bfloat16", {"error": None, "finite": True}, FAILED),
        ("EFFICIENT_ATTENTION float32", {"error": 0.7, "finite": True}, FAILED),
        ("scaled_dot_product_attention float32", {"error": 1.0, "finite": True}, FAILED),
        ("FLASH_ATTENTION float32", {"refused": "No available kernel"}, OK),
    ],
)
def test_results_are_compared(step: str, learnt: dict[str, Any], status: Status) -> None:
    verdict = judge("torch-cannot-compute", computed(step, **learnt))
    assert verdict.status is status
    assert status is OK or step in verdict.summary


def test_a_product_that_is_wrong_is_told_where_a_later_step_dies() -> None:
    steps: tuple[Shown, ...] = (*COMPUTED[:3], ("matmul float32", {"error": 0.5, "finite": True}), ("matmul bfloat16", {}))
    assert (
        "matmul float32 is wrong" in judge("torch-cannot-compute", Compute(course(*steps, ended="was killed by SIGSEGV"))).summary
    )


def test_torch_cannot_compute_where_there_is_nothing_to_compute_on() -> None:
    unseen = Compute(course(COMPUTED[0], ("torch.cuda.is_available", {"available": False, "built": "13.0", "warnings": []})))
    assert judge("torch-cannot-compute", unseen, gpu=GONE).status is SKIPPED
    built = Compute(course(COMPUTED[0], ("torch.cuda.is_available", {"available": False, "built": None, "warnings": []})))
    assert judge("torch-cannot-compute", built).status is SKIPPED


def test_a_gpu_that_only_pytorch_does_not_see() -> None:
    warned = {"available": False, "built": "13.0", "warnings": ["CUDA initialization: CUDA unknown error"]}
    init = Step("torch.cuda.init", 2.0, {}, "raised RuntimeError: CUDA unknown error", "torch/cuda/__init__.py:424")
    blind = Compute(course(COMPUTED[0], ("torch.cuda.is_available", warned), init))
    verdict = judge("torch-cannot-compute", blind)
    assert (verdict.status, verdict.observed) == (FAILED, "raised RuntimeError")
    assert "CUDA initialization: CUDA unknown error" in verdict.evidence


PTXAS = "raised PTXASError: PTXAS error: Internal Triton PTX codegen error\n`ptxas` stderr:\nptxas fatal   : Value 'sm_121a' is not defined for option 'gpu-name'\n\nRepro command: ptxas"


def test_triton_cannot_compile() -> None:
    refused = Step("compile for sm_121", 0.3, {}, PTXAS, "triton/backends/nvidia/compiler.py:503")
    verdict = judge("triton-cannot-compile", TritonCompile(course(("import triton", {}), refused)))
    assert verdict.status is FAILED
    assert "ptxas fatal   : Value 'sm_121a' is not defined" in verdict.summary
    assert "triton-ptxas-too-old" in command_of(verdict)
    for how in ENDINGS[:6]:
        dead = TritonCompile(course(("import triton", {}), ("compile for sm_121", {}), ended=how))
        assert judge("triton-cannot-compile", dead).summary == f"Triton 3.6.0: compile for sm_121 {how}"


@pytest.mark.parametrize(
    ("launched", "status"),
    [
        (course(*LAUNCHED[:3], ("launch a Triton kernel", {"error": 0.1, "finite": True})), FAILED),
        (course(*LAUNCHED[:3], ("launch a Triton kernel", {"error": None, "finite": False})), FAILED),
        (course(*LAUNCHED, ended="was killed by SIGSEGV"), FAILED),
        (course(*LAUNCHED[:3], ended="raised ImportError: no"), FAILED),
        (course(*LAUNCHED[:1], ended="was killed by SIGSEGV"), OK),  # torch-import-dies tells it
        (course(*LAUNCHED[:2], ended="raised RuntimeError: no"), OK),
    ],
)
def test_a_kernel_is_launched(launched: Course, status: Status) -> None:
    assert judge("triton-cannot-compile", TritonLaunch(launched)).status is status


def test_no_launch_without_a_gpu() -> None:
    verdict = judge("triton-cannot-compile", launched=Missing("no GPU is visible"))
    assert (verdict.status, "nothing was launched: no GPU is visible" in verdict.summary) == (OK, True)


def test_nvcc_cannot_compile() -> None:
    words = "raised RuntimeError: /usr/include/crt/host_config.h:164:2: error: #error -- unsupported GNU version!"
    failed = NvccCompile(course(Step("compile for sm_121", 0.0, {}, words, "toolkit.py:34")))
    assert judge("nvcc-cannot-compile", failed).status is FAILED
    late = NvccCompile(course(("compile for sm_121", {}), ended="did not answer in time"))
    assert judge("nvcc-cannot-compile", late).summary == "nvcc: compile for sm_121 did not answer in time"


@pytest.mark.parametrize(
    ("step", "words", "cure"),
    [
        (2, "raised RuntimeError: Ninja is required to load C++ extensions (pip install ninja to get it)", "ninja-build"),
        (
            2,
            "raised RuntimeError: Error building\nx.cpp:2:10: fatal error: Python.h: No such file or directory",
            "python3.12-dev",
        ),
        (2, "raised RuntimeError: Error building extension\nc++: not found", "build-essential"),
        (3, "was killed by SIGSEGV", "build-essential"),
        (2, "did not answer in time", "build-essential"),
    ],
)
def test_extension_cannot_build(step: int, words: str, cure: str) -> None:
    verdict = judge("extension-cannot-build", ExtensionBuild(course(*BUILT[: step + 1], ended=words)))
    assert verdict.status is FAILED
    assert cure in command_of(verdict)
    assert BUILT[step][0] in verdict.summary


def test_extension_cannot_build_is_not_told_where_pytorch_dies() -> None:
    assert judge("extension-cannot-build", ExtensionBuild(course(BUILT[0], ended="was killed by SIGSEGV"))).status is SKIPPED


@pytest.mark.parametrize(
    ("load", "status"),
    [
        ({"mhz": 2405, "watts": 60.0, "busy": 96}, OK),
        ({"mhz": 850, "watts": 14.0, "busy": 96}, FAILED),
        ({"mhz": 507, "busy": 100}, FAILED),
        ({"mhz": 850, "watts": 80.0, "busy": 96}, OK),
        ({"mhz": 208, "watts": 5.0, "busy": 3}, SKIPPED),  # idle by right
        ({"refused": "pynvml is not installed"}, SKIPPED),
        ({"watts": 5.0}, SKIPPED),
        ({}, SKIPPED),
    ],
)
def test_gpu_clocks_wedged(load: dict[str, Any], status: Status) -> None:
    assert judge("gpu-clocks-wedged", computed("clocks under load", **load)).status is status


def test_gpu_clocks_wedged_is_a_matter_of_gb10() -> None:
    slow = {"mhz": 850, "watts": 14.0, "busy": 96}
    assert judge("gpu-clocks-wedged", computed("clocks under load", **slow), HOPPER).status is SKIPPED
    h100: list[Shown] = [*COMPUTED[:2], ("torch.cuda.init", {"name": "NVIDIA H100"}), ("clocks under load", slow)]
    assert judge("gpu-clocks-wedged", Compute(course(*h100))).status is SKIPPED
    assert RIGHT["finite"]
    assert judge("torch-cannot-compute", gpu=Broken("NVML hangs")).status is OK
