"""Nvcc at work."""

from sparkdoctor.facts import NvccCompile
from sparkdoctor.plugin import Verdict, check, fail, ok


@check
def nvcc_cannot_compile(compiled: NvccCompile) -> Verdict:
    """Nvcc compiles and links a small library for this GPU's architecture.

    That an nvcc accepts an architecture says nothing of the rest of the toolkit: cicc, ptxas, the headers, the static runtime and
    the host compiler must be there and fit. A host compiler that is too new ends with `unsupported GNU version! gcc versions
    later than ... are not supported!`.

    Sources:
    - the compilation, made with the nvcc that a build of a PyTorch extension calls
    """
    course = compiled.course
    if trouble := course.trouble:
        return fail(
            f"nvcc: {trouble.words}",
            expected="a library",
            observed=str(trouble.trouble).partition(":")[0],
            evidence=course.evidence,
            remedy="Install the CUDA toolkit whole, with the host compiler that it supports, and point CUDA_HOME at it.",
            command="sudo apt install cuda-toolkit-13-0 build-essential",
            needs_root=True,
        )
    done = [step.name.rpartition(" ")[2] for step in course.steps if "bytes" in step.learnt]
    return ok(f"a library for {', '.join(done)}, in {course.seconds or 0:.1f} s")
