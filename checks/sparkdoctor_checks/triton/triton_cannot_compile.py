"""Triton at work."""

from sparkdoctor.facts import Python, Triton, TritonCompile, TritonLaunch
from sparkdoctor.facts.course import START
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok
from sparkdoctor.profiles import Profile

TOLERANCE = 1e-5
"""Relative error of one multiplication and addition in float32."""


@check
def triton_cannot_compile(
    compiled: TritonCompile, launched: TritonLaunch | Missing, triton: Triton, python: Python, profile: Profile
) -> Verdict:
    """Triton compiles a kernel for this GPU, and the kernel is right.

    A kernel goes through all of Triton to machine code for the wanted architecture, which needs no GPU; where there is one,
    it is launched too and its result compared. That proves ptxas, the C compiler, Python's headers and the driver
    together.

    Sources:
    - the compilation, made in the patient's interpreter (`triton.compile` with an explicit target)
    - triton-lang/triton #8539 (`Value 'sm_121a' is not defined for option 'gpu-name'`)
    """
    whose = f"Triton {triton.version}"
    fresh = python.pip_install(f"--upgrade 'torch{profile.torch.fresh or ''}' 'triton{profile.triton.fresh or ''}'")
    if trouble := compiled.course.trouble:
        ptxas = "ptxas" in str(trouble.trouble)
        return fail(
            f"{whose}: {trouble.words}",
            expected="machine code",
            observed=str(trouble.trouble).partition(":")[0],
            evidence=compiled.course.evidence,
            remedy="Give Triton another ptxas, as triton-ptxas-too-old says."
            if ptxas
            else "Install a PyTorch and its Triton anew.",
            command="sparkdoctor check triton-ptxas-too-old triton-ptxas-path-ignored" if ptxas else fresh,
        )
    done = ", ".join(step.name.rpartition(" ")[2] for step in compiled.course.steps if "bytes" in step.learnt)
    if isinstance(launched, Missing):
        return ok(f"{whose} compiles for {done}; nothing was launched: {launched.reason}")
    trouble, error = launched.course.trouble, launched.course.number("launch a Triton kernel", "error")
    off = "it is not finite" if error is None else f"relative error {error:.1e}"
    if trouble and trouble.name in (START, "import torch", "torch.cuda.init"):
        return ok(f"{whose} compiles for {done}; nothing was launched: PyTorch reaches no GPU")
    if trouble or error is None or error > TOLERANCE:
        wrong = trouble.words if trouble else f"a kernel was launched and its result is wrong: {off}"
        return fail(
            f"{whose}: {wrong}",
            expected="the result of the CPU",
            observed=str(trouble.trouble).partition(":")[0] if trouble else off,
            evidence=launched.course.evidence,
            remedy="Install a PyTorch and its Triton anew, once compiler-missing and python-headers-missing pass.",
            command=fresh,
        )
    return ok(f"{whose} compiles for {done}; a kernel was launched and is right")
