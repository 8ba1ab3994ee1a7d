"""PyTorch on the GPU."""

from sparkdoctor.facts import Compute, Gpu, Python, Torch
from sparkdoctor.facts.course import Course, Step
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok, skip
from sparkdoctor.profiles import Profile

TOLERANCE = {"float32": 1e-3, "bfloat16": 1e-2}
"""Relative errors that rounding explains: float32 may be TF32 (3e-4), bfloat16 has 8 bits (2e-3)."""
BACKENDS = ("FLASH_ATTENTION", "EFFICIENT_ATTENTION", "CUDNN_ATTENTION")


@check
def torch_cannot_compute(compute: Compute, torch: Torch, python: Python, gpu: Gpu | Missing, profile: Profile) -> Verdict:
    """PyTorch computes on the GPU what the CPU computes.

    Matrix products in float32 and bfloat16 and attention at ubiquitin's size, by PyTorch's choice and by each of its
    implementations, are launched and compared with the CPU in float64. A wheel without code for this GPU ends with `no kernel
    image is available for execution on the device`; builds with native sm_121 code were seen to die with `FATAL: kernel ...
    is for sm80-sm100, but was built for sm121`, or to compute wrong attention without a word.

    Sources:
    - the launches, made in the patient's interpreter
    - pytorch/pytorch #176093 (sm121 attention kernels), #172629 (the capability warning, harmless)
    """
    course = compute.course
    reached = course.step("torch.cuda.is_available")
    if reached is None:
        return skip(f"{course.trouble.words if course.trouble else 'nothing was reported'}; see torch-import-dies")
    if not reached.trouble and not reached.learnt.get("available") and isinstance(gpu, Missing):
        return skip(f"PyTorch sees no GPU: {gpu.reason}")
    said, command = torch.renewal(python, profile.torch.fresh)
    if not reached.trouble and reached.learnt.get("built") is None:
        return skip("this PyTorch was built without CUDA; see torch-without-cuda")
    bad = next((words for step in course.steps if (words := _wrong(step))), None)
    if bad:
        trouble = course.trouble
        return fail(
            bad,
            expected="the results of the CPU",
            observed="wrong results" if trouble is None else str(trouble.trouble).partition(":")[0],
            evidence=(*course.evidence, *_told(course), *reached.texts("warnings")),
            remedy=said,
            command=command,
        )
    launched = [step for step in course.steps if "error" in step.learnt]
    device = course.learnt("torch.cuda.init")
    if not launched:
        return skip("nothing was launched")
    return ok(f"{len(launched)} results on {device.get('name', 'the GPU')} agree with the CPU", evidence=_told(course))


def _wrong(step: Step) -> str | None:
    """What is wrong with a step, in words; the clocks are another's business."""
    name, _, kind = step.name.rpartition(" ")
    launched = name in ("matmul", "scaled_dot_product_attention", *BACKENDS) and kind in TOLERANCE
    if not launched and not step.name.startswith("torch.cuda"):
        return None
    if step.trouble:
        return step.words
    if not launched or "error" not in step.learnt:
        return None
    error = step.number("error")
    if error is None or not step.learnt.get("finite"):
        return f"{step.name} gives numbers that are not finite"
    if error > TOLERANCE[kind]:
        return f"{step.name} is wrong: relative error {error:.2g} against the CPU, more than {TOLERANCE[kind]:g}"
    return None


def _told(course: Course) -> tuple[str, ...]:
    """Each result with its error."""
    told = ((step.name, step.number("error")) for step in course.steps if "error" in step.learnt)
    return tuple(f"{name}: " + ("not a number" if error is None else f"relative error {error:.1e}") for name, error in told)
