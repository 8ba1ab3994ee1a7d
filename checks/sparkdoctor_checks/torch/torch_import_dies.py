"""Whether PyTorch can be imported."""

from sparkdoctor.facts import Compute, Python, Torch
from sparkdoctor.plugin import Verdict, check, fail, ok, warn
from sparkdoctor.profiles import Profile

STEP = "import torch"


@check
def torch_import_dies(compute: Compute, torch: Torch, python: Python, profile: Profile) -> Verdict:
    """PyTorch can be imported.

    The import is made in a process of its own, so that one that crashes, hangs or ends it is told like any other. A wheel for
    CUDA 12 on a machine with CUDA 13 alone ends with `libcudart.so.12: cannot open shared object file`; libraries of another
    version that come first in LD_LIBRARY_PATH with `undefined symbol`.

    Sources:
    - the import, made in the patient's interpreter
    """
    course = compute.course
    step = course.step(STEP)
    said, command = torch.renewal(python, profile.torch.fresh)
    if step is None:
        return fail(
            f"{python.path} {course.ended} before it came to {STEP}",
            evidence=course.printed,
            remedy="Mend this Python first: a sitecustomize.py or a .pth file in it runs before any program.",
        )
    if step.trouble:
        known = next((words for mark, words in _CAUSES.items() if mark in "\n".join((step.trouble, *course.printed))), None)
        return fail(
            step.words,
            expected="an import that ends",
            observed=step.trouble.partition(":")[0],
            evidence=course.evidence,
            remedy=known or said,
            command=None if known else command,
        )
    if course.left:
        return warn(
            f"{STEP} left a process behind, which was ended: {', '.join(course.left)}",
            observed=", ".join(course.left),
            remedy="Find out which package starts it: something in this environment does more than be imported.",
            command=f"{python.path} -X importtime -c 'import torch'",
        )
    if step.learnt.get("closed"):
        return warn(
            f"{STEP} closed or redirected the standard output or error",
            remedy="Find out which package does: what programs print afterwards is lost.",
            command=f"{python.path} -X importtime -c 'import torch'",
        )
    after = next((later.began for later in course.steps if later.began > step.began), course.seconds)
    return ok(f"PyTorch {step.learnt.get('version', torch.version)}" + (f", in {after:.1f} s" if after else ""))


_CAUSES = {
    "libcudart.so.12": "Install a PyTorch that was built for CUDA 13: the libraries of CUDA 12 are not here.",
    "undefined symbol": "Unset LD_LIBRARY_PATH and PYTHONPATH and try again: libraries of different versions meet.",
    "No space left": "Make room on the disk that the message names.",
    "SIGILL": "Install a wheel from PyPI: this build uses instructions that this processor lacks.",
}
"""What the words of a failed import are known to mean."""
