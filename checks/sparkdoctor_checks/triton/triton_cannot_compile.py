"""Triton at work."""

from sparkdoctor.facts import Compute, Gpu, Python, Triton, TritonCompile, target
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok, skip
from sparkdoctor.profiles import Profile

TOLERANCE = 1e-5
"""Relative error of one multiplication and addition in float32."""


@check
def triton_cannot_compile(
    compiled: TritonCompile, compute: Compute | Missing, triton: Triton, python: Python, gpu: Gpu | Missing, profile: Profile
) -> Verdict:
    """Triton compiles a kernel for this GPU, and the kernel is right.

    A kernel goes through all of Triton to machine code for the wanted architecture, which needs no GPU; where there is one,
    it is launched too and its result compared. That proves ptxas, the C compiler, Python's headers and the driver
    together.

    Sources:
    - the compilation, made in the patient's interpreter (`triton.compile` with an explicit target)
    - triton-lang/triton #8539 (`Value 'sm_121a' is not defined for option 'gpu-name'`)
    """
    wanted = target(profile, gpu)
    course = compiled.course
    fresh = python.pip_install(f"--upgrade 'torch{profile.torch.fresh or ''}' 'triton{profile.triton.fresh or ''}'")
    if trouble := course.trouble:
        ptxas = "ptxas" in str(trouble.trouble)
        return fail(
            f"Triton {triton.version}: {trouble.words}",
            expected=f"machine code for {wanted}" if wanted else "machine code",
            observed=str(trouble.trouble).partition(":")[0],
            evidence=course.evidence,
            remedy="Give Triton another ptxas, as triton-ptxas-too-old says."
            if ptxas
            else "Install a PyTorch and its Triton anew.",
            command="sparkdoctor check triton-ptxas-too-old triton-ptxas-path-ignored" if ptxas else fresh,
        )
    done = [step.name.rpartition(" ")[2] for step in course.steps if "bytes" in step.learnt]
    if not done:
        return skip("neither the profile nor a GPU says which architecture is wanted")
    launch = None if isinstance(compute, Missing) else compute.course.step("launch a Triton kernel")
    if launch is None:
        return ok(f"Triton {triton.version} compiles for {', '.join(done)}; nothing was launched: PyTorch reaches no GPU")
    error = launch.learnt.get("error")
    if launch.trouble or error is None or error > TOLERANCE:
        return fail(
            f"Triton {triton.version}: {launch.words}"
            if launch.trouble
            else f"a Triton kernel computes wrong: relative error {error}",
            expected="the result of the CPU",
            observed=launch.trouble.partition(":")[0] if launch.trouble else f"relative error {error}",
            evidence=() if isinstance(compute, Missing) else compute.course.evidence,
            remedy="Install a PyTorch and its Triton anew, once compiler-missing and python-headers-missing pass.",
            command=fresh,
        )
    return ok(f"Triton {triton.version} compiles for {', '.join(done)}; a kernel was launched and is right")
