"""`smoke --kernels`: what is made of a worker's report, and the worker with a real PyTorch and stand-ins for the kernels."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from by_hand import DEFAULTS, EVOFORMER, but
from machines.parts import healthy_gb10
from sparkdoctor import process, profiles
from sparkdoctor.facts import Deepspeed, Extensions, Gpu
from sparkdoctor.facts.course import follow
from sparkdoctor.facts.extensions import State
from sparkdoctor.host import PATIENT
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Missing, Status
from sparkdoctor.process import Worked
from sparkdoctor.render.smoke import shown_kernels
from sparkdoctor.smoke.criterion import Criterion
from sparkdoctor.smoke.kernels import KERNELS, TOLERANCE, KernelReport, check_kernels, evoformer, read, try_kernels
from standins.hosts import Witness
from warmed import written

PARTS = ("forward", "dq", "dk", "dv", "dpair")
Line = dict[str, Any]


def good(error: float = 1e-3) -> list[Line]:
    """What a branch reports of a kernel that is there and right."""
    lines: list[Line] = [
        {"step": "find the kernel", "at": 1.0},
        {"step": "reach the device", "at": 1.1},
        {"learnt": {"device": "NVIDIA GB10"}},
    ]
    for kind in TOLERANCE:
        lines += [{"step": f"forward in {kind}", "at": 2.0}, {"learnt": {"errors": {"forward": error}, "ms": 0.21, "first": 2.3}}]
        lines += [{"step": f"backward in {kind}", "at": 3.0}]
        lines += [{"learnt": {"errors": dict.fromkeys(PARTS, error), "ms": 0.64, "first": 3.3}}]
    return lines


def absent(reason: str) -> list[Line]:
    return [{"step": "find the kernel", "at": 1.0}, {"learnt": {"absent": reason}}]


def said(branches: dict[str, list[Line]], endings: dict[str, int | None] | None = None, stderr: str = "") -> Worked:
    """The report of a worker whose branches fared so; those that are not named were absent."""
    lines: list[Line] = [{"step": "import torch", "at": 0.0}, {"learnt": {"version": "2.11.0+cu130"}}]
    for name in KERNELS:
        code = (endings or {}).get(name, 0)
        mine = branches.get(name, absent("it is not installed")) + ([{"done": True, "at": 9.0}] if code == 0 else [])
        lines += [{**line, "in": name} for line in mine] + [{"ended": code, "of": name}]
    lines.append({"done": True, "at": 10.0})
    return Worked(0, "".join(json.dumps(line) + "\n" for line in lines), "", stderr)


def report(worked: Worked) -> KernelReport:
    return read(worked, "/venv/bin/python", 7)


def line(found: KernelReport, name: str) -> Criterion:
    return next(criterion for criterion in found.criteria if criterion.id == name)


# --- reports


def test_a_kernel_that_is_right() -> None:
    found = report(said({"triton": good()}))
    assert (found.verdict, found.torch, found.device, found.seed, found.trouble) == (
        "believed",
        "2.11.0+cu130",
        "NVIDIA GB10",
        7,
        None,
    )
    assert len(found.criteria) == len({one.id for one in found.criteria}) == len(KERNELS) * len(TOLERANCE)
    one = line(found, "triton-bfloat16")
    assert one == Criterion(
        "triton-bfloat16",
        "OpenFold3's Triton kernel is right in bfloat16",
        Status.OK,
        "errors ≤ 0.03",
        "forward 1.0e-03, 0.21 ms, first call 2.30 s; "
        "dq 1.0e-03, dk 1.0e-03, dv 1.0e-03, dpair 1.0e-03, 0.64 ms both, first call 3.30 s",
    )
    gone = line(found, "sdpa-flash-float32")
    assert (gone.status, gone.observed) == (Status.SKIPPED, "not available, because it is not installed")


@pytest.mark.parametrize("kind", TOLERANCE)
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("value", [1.001, 50.0, None, "x", True, -1.0])
def test_a_wrong_number_anywhere_is_refused(kind: str, part: str, value: Any) -> None:
    wrong = value * TOLERANCE[kind] if isinstance(value, float) and value > 0 else value
    lines = good(1e-9)
    place = next(at for at, one in enumerate(lines) if one.get("step") == f"backward in {kind}")
    lines[place + 1]["learnt"]["errors"][part] = wrong
    found = report(said({"triton": lines, "plain": good(1e-9)}))
    assert found.verdict == "refused"
    one = line(found, f"triton-{kind}")
    assert one.status is Status.FAILED
    assert (f"{part} not finite" if wrong in (None, "x") else f"{part} {float(wrong):.1e}") in one.observed
    assert {other.id for other in found.criteria if other.status is Status.FAILED} == {one.id}


@pytest.mark.parametrize(
    ("code", "words"),
    [(-11, "was killed by SIGSEGV"), (None, "did not answer in time"), (1, "exited with status 1")],
)
@pytest.mark.parametrize("way", ["find the kernel", "forward in float32", "backward in bfloat16"])
def test_a_kernel_that_dies_is_that_kernels_finding(code: int | None, words: str, way: str) -> None:
    lines = good(1e-9)
    lines = lines[: 1 + next(at for at, one in enumerate(lines) if one.get("step") == way)]
    stack = "Fatal Python error: Segmentation fault\n\nCurrent thread 0x00007f (most recent call first):\n  File x\n"
    found = report(said({"triton": lines, "plain": good(1e-9)}, {"triton": code}, stack))
    assert found.verdict == "refused"
    bad = [one for one in found.criteria if one.status is Status.FAILED]
    assert {one.id.rpartition("-")[0] for one in bad} == {"triton"}
    assert any(f"{way} {words}" in one.observed for one in bad)
    assert "Fatal Python error: Segmentation fault" in bad[0].evidence
    assert line(found, "plain-float32").status is Status.OK
    both = report(said({"triton": lines, "deepspeed": lines}, {"triton": code, "deepspeed": code}, stack))
    assert all(one.evidence == () for one in both.criteria if one.status is Status.FAILED)  # whose stack is it?


def raised(name: str, step: str) -> Worked:
    lines = good(1e-9)
    place = next(at for at, one in enumerate(lines) if one.get("step") == step)
    lines[place + 1] = {"error": "OutOfResources", "text": "out of resource: shared memory", "place": "jit.py:7"}
    return said({name: lines})


def test_a_backward_pass_that_cannot_be_run_is_a_warning_a_forward_pass_is_not() -> None:
    found = report(raised("triton", "backward in float32"))
    one = line(found, "triton-float32")
    assert (found.verdict, one.status) == ("believed", Status.WARNING)
    assert one.observed.endswith("backward in float32 raised OutOfResources: out of resource: shared memory")
    assert one.evidence == ("raised OutOfResources: out of resource: shared memory", "jit.py:7")
    assert line(found, "triton-bfloat16").evidence == ()
    assert report(raised("triton", "forward in float32")).verdict == "refused"


def test_inputs_that_a_kernel_does_not_take() -> None:
    lines = good()
    for way in ("forward", "backward"):
        place = next(at for at, one in enumerate(lines) if one.get("step") == f"{way} in bfloat16")
        lines[place + 1] = {"learnt": {"declined": "it takes no mask"}}
    found = report(said({"sdpa_flash": lines}))
    one = line(found, "sdpa-flash-bfloat16")
    assert (one.status, one.observed) == (Status.SKIPPED, "not available, because it takes no mask")
    lines = good()
    lines[place + 1] = {"learnt": {"declined": "no gradient of a mask"}}
    one = line(report(said({"sdpa_flash": lines})), "sdpa-flash-bfloat16")
    assert (one.status, one.observed) == (
        Status.OK,
        "forward 1.0e-03, 0.21 ms, first call 2.30 s; no backward pass: no gradient of a mask",
    )


def test_a_gradient_that_is_not_given_is_a_warning() -> None:
    lines = good()
    place = next(at for at, one in enumerate(lines) if one.get("step") == "backward in bfloat16")
    lines[place + 1]["learnt"]["missing"] = ["dpair", "forward"]
    del lines[place + 1]["learnt"]["errors"]["dpair"]
    one = line(report(said({"sdpa_cudnn": lines})), "sdpa-cudnn-bfloat16")
    assert (one.status, "; dq 1.0e-03, dk 1.0e-03, dv 1.0e-03, no dpair, 0.64 ms both" in one.observed) == (Status.WARNING, True)
    del lines[place + 1]["learnt"]["errors"]["forward"]
    assert line(report(said({"sdpa_cudnn": lines})), "sdpa-cudnn-bfloat16").status is Status.FAILED


def test_deepspeed_takes_no_float32() -> None:
    found = report(said({"deepspeed": good(0.02)}))
    one = line(found, "deepspeed-float32")
    assert (one.status, one.expected) == (Status.OK, "errors ≤ 0.03")
    assert one.observed.endswith("; cast to bfloat16, as OpenFold3 does")
    known = read(said({"deepspeed": absent("it was not asked for")}), "/p", 7, "it is not built: sparkdoctor fix warm-kernels")
    assert line(known, "deepspeed-bfloat16").observed == "not available, because it is not built: sparkdoctor fix warm-kernels"
    assert known.verdict == "unknown"


@pytest.mark.parametrize(
    ("worked", "words"),
    [
        (Worked(-11, '{"step": "import torch", "at": 0.0}\n', "", ""), "import torch was killed by SIGSEGV"),
        (Worked(1, "", "", "no such file"), "the start of Python exited with status 1"),
        (Worked(0, "nonsense\n", "", ""), "the start of Python ended with status 0 in the middle of it"),
        (
            Worked(0, '{"step": "import torch", "at": 0.0}\n{"learnt": {}}\n{"done": true, "at": 1}\n', "", ""),
            "its report cannot be read",
        ),
    ],
)
def test_without_pytorch_nothing_was_tried(worked: Worked, words: str) -> None:
    found = report(worked)
    assert (found.trouble, found.kernels, found.verdict) == (words, (), "unknown")


def test_a_worker_that_was_ended_in_the_middle() -> None:
    whole = said({name: good() for name in KERNELS})
    cut = whole.said[: whole.said.index('"in": "sdpa_cudnn"')].rpartition("\n")[0]
    found = report(Worked(None, cut + "\n", "", ""))
    assert found.verdict == "believed"
    missing = line(found, "plain-bfloat16")
    assert (missing.status, missing.observed) == (Status.SKIPPED, "not available, because it was not come to")


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just(dict.fromkeys(PARTS, 0.1)))


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "step": st.sampled_from(["find the kernel", "forward in bfloat16", "backward in float32"]) | VALUES,
                "at": VALUES,
                "in": st.sampled_from([*KERNELS]) | VALUES,
                "of": st.sampled_from([*KERNELS]) | VALUES,
                "ended": VALUES,
                "learnt": st.dictionaries(st.sampled_from(["errors", "absent", "declined", "device", "first", "ms"]), VALUES)
                | VALUES,
                "error": VALUES,
                "text": VALUES,
                "place": VALUES,
            },
        ),
        max_size=12,
    ),
    st.sampled_from([None, 0, 1, -9]),
)
def test_any_report_can_be_read(lines: list[Line], code: int | None) -> None:
    first = [{"step": "import torch", "at": 0.0}, {"learnt": {"version": "2"}}]
    found = report(Worked(code, "".join(json.dumps(one) + "\n" for one in [*first, *lines]), "", ""))
    assert found.verdict in ("believed", "refused", "unknown")
    for one in found.criteria:
        assert one.observed
        assert one.status is not Status.CRASHED


# --- what a person sees


def table(found: KernelReport, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("COLUMNS", "80")
    lines = shown_kernels(found).splitlines()
    assert all(len(line) <= 80 for line in lines), lines
    return lines


def row(lines: list[str], kernel: str) -> list[str]:
    (found,) = (line for line in lines if kernel in line)
    return found.partition(kernel)[2].split()


def test_the_kernels_as_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = good(1e-3)
    place = next(at for at, one in enumerate(lines) if one.get("step") == "backward in float32")
    lines[place + 1] = {"learnt": {"declined": "no gradient of a mask"}}
    lines[place - 3]["learnt"]["errors"]["dk"] = 0.0123
    found = table(report(said({"sdpa_efficient": lines, "deepspeed": good()})), monkeypatch)
    assert row(found, "✓ PyTorch memory-efficient bfloat16") == ["1.0e-03", "0.21", "1.2e-02", "0.64", "2.30"]
    assert row(found, "✓ PyTorch memory-efficient float32") == ["1.0e-03", "0.21", "-", "-", "2.30"]
    assert "- PyTorch's memory-efficient attention in float32: no backward pass: no gradient" in found
    assert "- DeepSpeed's evoformer_attn in float32: cast to bfloat16, as OpenFold3 does" in found
    assert "- OpenFold3's Triton kernel: not available, because it is not installed" in found
    assert not any(line.lstrip("✓ ").startswith("OpenFold3 Triton") for line in found), "only what ran has a row"
    assert found[-1] == "The kernels that are there agree with float64."


def test_what_went_wrong_is_told_below_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = good(1e-3)
    place = next(at for at, one in enumerate(lines) if one.get("step") == "backward in float32")
    lines[place + 1]["learnt"]["errors"] |= {"dk": 0.5, "dv": None}
    place = next(at for at, one in enumerate(lines) if one.get("step") == "forward in bfloat16")
    del lines[place + 1 : place + 4]
    lines.insert(place + 1, {"error": "RuntimeError", "text": "no kernel image", "place": "attention.py:7"})
    found = table(report(said({"triton": lines})), monkeypatch)
    assert row(found, "✗ OpenFold3 Triton         bfloat16") == ["-"] * 5
    assert row(found, "✗ OpenFold3 Triton         float32") == ["1.0e-03", "0.21", "nan", "0.64", "2.30"]
    text = " ".join(line.strip() for line in found)
    assert "✗ OpenFold3's Triton kernel is right in bfloat16: forward in bfloat16 raised RuntimeError: no kernel image" in text
    assert "│ attention.py:7" in text
    assert "dk 5.0e-01, dv not finite, dpair 1.0e-03" in text
    assert found[-1] == "Not all kernels can be believed."


def test_without_a_kernel_there_is_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    found = table(report(said({})), monkeypatch)
    assert not any("call s" in line for line in found)
    assert found[-1] == "No kernel could be tried."


# --- what PyTorch says of a backend that it does not take

WARNINGS = (
    "Memory efficient kernel not used because: (Triggered internally at /pytorch/cuda/sdp_utils.cpp:889.)",
    "Memory Efficient attention has been runtime disabled. (Triggered internally at /pytorch/sdp_utils_cpp.h:550.)",
    "Flash attention kernel not used because: (Triggered internally at /pytorch/cuda/sdp_utils.cpp:891.)",
    "Flash Attention does not support non-null attn_mask. (Triggered internally at /pytorch/sdp_utils_cpp.h:262.)",
    "CuDNN attention kernel not used because: (Triggered internally at /pytorch/cuda/sdp_utils.cpp:893.)",
    "Expected query, key and value to all be of dtype: {Half, BFloat16}. Got Query dtype: float instead. (Triggered internally)",
    "cuDNN attention has been runtime disabled. (Triggered internally at /pytorch/cuda/sdp_utils.cpp:711.)",
)
REASON = """\
import json, os, sys
sys.path.insert(0, os.environ["PATIENT"])
os.environ["SPARKDOCTOR_SAY"] = "2"
import kernels
said = json.load(sys.stdin)
json.dump([kernels.reason(words, name) for words in (said, said[:1] + said[2:5]) for name in kernels.BACKENDS], sys.stdout)
"""


def test_the_reason_is_that_of_the_backend_that_was_asked_for() -> None:
    argv = [sys.executable, "-B", "-c", REASON]
    env = {**os.environ, "PATIENT": PATIENT}
    ran = subprocess.run(argv, env=env, check=True, capture_output=True, text=True, input=json.dumps(WARNINGS))
    nothing = "PyTorch has no such kernel for these inputs here"
    types = "Expected query, key and value to all be of dtype: {Half, BFloat16}."
    assert json.loads(ran.stdout) == [
        "Flash Attention does not support non-null attn_mask.",
        "Memory Efficient attention has been runtime disabled.",
        f"{types}; cuDNN attention has been runtime disabled.",
        nothing,
        "Flash Attention does not support non-null attn_mask.",
        nothing,
        nothing,
        nothing,
    ]


# --- which evoformer_attn would be loaded


class Known(Machine):
    """A machine of which these facts are known."""

    def __init__(self, *facts: Fact, **gone: Missing) -> None:
        super().__init__(healthy_gb10(), profiles.load("dgx-spark"))
        self._facts = (
            DEFAULTS | {type(fact): fact for fact in facts} | {Extensions: but(Extensions)} | {type(f): f for f in facts}
        )
        self._gone = {kind: missing for kind in (Deepspeed, Gpu) if (missing := gone.get(kind.__name__.lower()))}

    def get(self, kind: Any) -> Any:
        return self._gone.get(kind) or self._facts[kind]


def built(**changes: Any) -> Any:
    return but(Extensions, found=(EVOFORMER._replace(**changes),))


def test_deepspeeds_operator_is_loaded_as_it_is_or_not_at_all() -> None:
    path = f"{EVOFORMER.path}/evoformer_attn.so"
    assert evoformer(Known()) == path
    assert evoformer(Known(but(Deepspeed, prebuilt=("evoformer_attn",)))) == "installed"
    assert evoformer(Known(deepspeed=Missing("deepspeed is not installed"))) == Missing("deepspeed is not installed")
    assert evoformer(Known(but(Extensions, found=()))) == Missing("it is not built: sparkdoctor fix warm-kernels")
    locked = evoformer(Known(built(state=State.LOCKED, reasons=("nobody has it",))))
    assert locked == Missing("it is locked (nobody has it): sparkdoctor check")
    assert EVOFORMER.build is not None
    other = evoformer(Known(built(build=EVOFORMER.build._replace(flags=("--threads=20",)))))
    assert other == Missing("DeepSpeed would build it anew (--threads=20 is 8 now): sparkdoctor fix warm-kernels")
    other = evoformer(Known(built(build=EVOFORMER.build._replace(flags=("-gencode=arch=compute_90,code=sm_90",)))))
    assert other == Missing("DeepSpeed would build it anew (compute_90 is compute_121 now): sparkdoctor fix warm-kernels")


def test_on_a_described_machine() -> None:
    world = healthy_gb10()
    world.work["kernels"] = said({"triton": good()})
    found = try_kernels(Machine(world, profiles.load("dgx-spark"), deep=True))
    assert found.verdict == "believed"
    assert "deepspeed is not installed" in line(found, "deepspeed-bfloat16").observed
    del world.work["kernels"]
    found = try_kernels(Machine(world, profiles.load("dgx-spark"), deep=True))
    assert (found.verdict, bool(found.trouble)) == ("unknown", True)


def test_a_python_without_pytorch_is_said_to_be_one(tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    found = check_kernels(str(bare), profiles.load("dgx-spark"), 30)
    assert (found.verdict, found.trouble) == ("unknown", f"torch is not installed in {bare}")


# --- a branch that does not end


HANG = """\
import os, sys, time
sys.path.insert(0, os.environ["PATIENT"])
from steps import attempt, branch, learnt, main

def hang():
    with attempt("hang"):
        time.sleep(600)

def crash():
    with attempt("crash"):
        os.abort()

def fine():
    with attempt("be fine"):
        learnt(well=True)

main(lambda: [branch(part.__name__, part, seconds=0.2 if part is hang else 20) for part in (hang, crash, fine)])
"""


def test_a_branch_is_waited_for_only_so_long(tmp_path: Path, witness: Witness) -> None:
    script = tmp_path / "script.py"
    script.write_text(HANG)
    env = {**os.environ, "PATIENT": PATIENT}
    worked = process.work([sys.executable, "-B", str(script)], timeout=60, env=env, hear=lambda _: None)
    assert worked.code == 0
    hang, crash, fine = (follow(worked, name) for name in ("hang", "crash", "fine"))
    assert (hang.ended, hang.steps[-1].trouble) == ("did not answer in time", "did not answer in time")
    assert "time.sleep" in worked.stderr or "in hang" in worked.stderr
    assert crash.ended == "was killed by SIGABRT"
    assert (fine.ended, fine.learnt("be fine")) == (None, {"well": True})


# --- with a real PyTorch


TRITON = """\
import os
factor = os.environ.get("STANDIN_TRITON", "1")
if factor == "broken":
    raise ImportError("cannot import name 'ir' from 'triton._C.libtriton'")

import torch

def cut(value):
    return (value.contiguous().view(torch.int32) & ~0x1FFF).view(torch.float32)

class TensorCores(torch.autograd.Function):
    def forward(save, a, b):
        a, b = cut(a), cut(b)
        save.save_for_backward(a, b)
        return a @ b
    def backward(saved, gradient):
        a, b = saved.saved_tensors
        return cut(gradient) @ b.mT, a.mT @ cut(gradient)

def TritonEvoformer(q, k, v, mask, pair):
    if factor == "abort":
        os.abort()
    kind, multiply = q.dtype, TensorCores.apply if factor == "cut to TF32" else torch.matmul
    q, k, v = (value.float().transpose(2, 3) for value in (q, k, v))
    scores = multiply(q, k.mT) / q.shape[-1] ** 0.5 + mask.float() + pair.float()
    weights = (scores - scores.amax(-1, keepdim=True).detach()).exp()
    found = multiply(weights, v) / weights.sum(-1, keepdim=True)
    return (found.transpose(2, 3) * float(factor if multiply is torch.matmul else 1)).to(kind)
"""
OPERATOR = """\
from deepspeed.ops.op_builder import EvoformerAttnBuilder

def DS4Sci_EvoformerAttention(q, k, v, biases):
    assert q.element_size() == 2, "DeepSpeed takes half precision alone"
    q, k, v = (value.float().transpose(2, 3) for value in (q, k, v))
    scores = q @ k.mT / q.shape[-1] ** 0.5 + biases[0].float() + biases[1].float()
    return ((scores.softmax(-1) @ v).transpose(2, 3) * EvoformerAttnBuilder._loaded_ops["evoformer_attn"].factor).bfloat16()
"""
SITE = {
    "openfold3/__init__.py": "raise AssertionError('all of OpenFold3 is imported')\n",
    "openfold3/core/kernels/triton/evoformer.py": TRITON,
    "deepspeed/__init__.py": "",
    "deepspeed/ops/__init__.py": "",
    "deepspeed/ops/op_builder/__init__.py": "class EvoformerAttnBuilder:\n    NAME, _loaded_ops = 'evoformer_attn', {}\n",
    "deepspeed/ops/deepspeed4science/__init__.py": OPERATOR,
    "evoformer_attn.py": "factor = 1.0\n",
}
SDPA = """\
import os, torch
real = torch.nn.functional.scaled_dot_product_attention
torch.nn.functional.scaled_dot_product_attention = lambda *args, **named: real(*args, **named) * float(os.environ["STANDIN_SDPA"])
"""


def tried(patient: Path, place: Path, **more: str) -> KernelReport:
    """What the worker finds on the CPU, where stand-ins take the place of kernels that need a GPU."""
    site = written(place / "site", SITE)
    if "STANDIN_SDPA" in more:
        (site / "sitecustomize.py").write_text(SDPA)
    env = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", "HOME": str(place), **more}
    argv = [str(patient / "python"), "-B", f"{PATIENT}/kernels.py", "76", str(site / "evoformer_attn.py"), "cpu"]
    return read(process.work(argv, timeout=300, env=env, hear=lambda _: None), str(patient / "python"), 76)


@pytest.mark.real
def test_the_kernels_of_a_real_pytorch(patient: Path, tmp_path: Path, witness: Witness) -> None:
    found = tried(patient, tmp_path)
    status = {one.id: one.status for one in found.criteria}
    assert (found.verdict, found.device) == ("believed", "the CPU")
    there = {"triton", "deepspeed", "sdpa-math", "sdpa-flash", "plain"}
    assert {name.rpartition("-")[0] for name, said in status.items() if said is Status.OK} == there
    for kernel in found.kernels:
        for way in (kernel.forward, kernel.backward):
            for error in way.errors.values() if way else ():
                low, high = (1e-8, 1e-5) if kernel.kind == "float32" and kernel.name != "deepspeed" else (5e-4, 8e-3)
                assert error is not None, kernel
                assert low < error < high, kernel
            if way and way.errors:
                assert way.milliseconds is not None, kernel
                assert 0 < way.milliseconds < 5000, kernel
    other = tried(patient, tmp_path)  # the same numbers
    assert [kernel.forward and kernel.forward.errors for kernel in other.kernels] == [
        kernel.forward and kernel.forward.errors for kernel in found.kernels
    ]


@pytest.mark.real
@pytest.mark.parametrize("factor", ["1.05", "nan", "abort", "broken"])
def test_a_kernel_that_is_wrong_is_refused(patient: Path, tmp_path: Path, factor: str) -> None:
    found = tried(patient, tmp_path, STANDIN_TRITON=factor)
    assert found.verdict == "refused"
    words = {
        "1.05": "5.0e-02",
        "nan": "not finite",
        "abort": "was killed by SIGABRT",
        "broken": "raised ImportError: cannot import",
    }
    bad = {one.id: one.observed for one in found.criteria if one.status is Status.FAILED}
    assert words[factor] in bad["triton-bfloat16"]
    assert {name.rpartition("-")[0] for name in bad} == {"triton"}


@pytest.mark.real
def test_tf32_cut_off_takes_half_of_what_is_allowed(patient: Path, tmp_path: Path) -> None:
    found = tried(patient, tmp_path, STANDIN_TRITON="cut to TF32")
    (kernel,) = (one for one in found.kernels if (one.name, one.kind) == ("triton", "float32"))
    assert kernel.forward is not None
    assert kernel.backward is not None
    errors = {**kernel.backward.errors, **kernel.forward.errors}  # an H100: 1.1e-3, 1.9e-3, 1.9e-3, 1.3e-3, 1.2e-3
    wanted = {"forward": 1.1e-3, "dq": 1.9e-3, "dk": 1.9e-3, "dv": 1.3e-3, "dpair": 1.2e-3}
    assert errors == pytest.approx(wanted, rel=0.2)
    assert kernel.criterion.status is Status.OK


@pytest.mark.real
def test_a_pytorch_that_computes_wrongly_is_refused(patient: Path, tmp_path: Path) -> None:
    found = tried(patient, tmp_path, STANDIN_SDPA="0.99")
    bad = {one.id for one in found.criteria if one.status is Status.FAILED}
    assert (found.verdict, bad) == ("refused", {"sdpa-math-float32", "sdpa-flash-float32"})  # rounding in bfloat16 is larger
    found = tried(patient, tmp_path, STANDIN_SDPA="0.95")
    assert {one.id for one in found.criteria if one.status is Status.FAILED} >= {"sdpa-math-bfloat16", "sdpa-flash-bfloat16"}


@pytest.mark.real
def test_with_the_users_own_python(patient: Path) -> None:
    steps: list[tuple[str, str | None]] = []
    found = check_kernels(str(patient / "python"), profiles.load("dgx-spark"), 300, lambda *step: steps.append(step))
    assert found.verdict == "believed"
    assert {name for name, _ in steps} >= {"kernels", "kernels.plain", "kernels.sdpa_math"}
    assert math.isfinite(found.seed)
    gone = {one.id: one.observed for one in found.criteria if one.status is Status.SKIPPED}
    assert gone["triton-float32"] == "not available, because OpenFold3 is not installed"
