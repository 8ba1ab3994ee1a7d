"""nvcc against the CUDA of PyTorch, as DeepSpeed compares them."""

import re

from sparkdoctor.facts import Deepspeed, DeepspeedBuilder, Nvcc, Torch
from sparkdoctor.facts.ptxas import toolkit_release
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok, skip, warn


@check
def deepspeed_cuda_mismatch(deepspeed: Deepspeed, builder: DeepspeedBuilder | Missing, nvcc: Nvcc, torch: Torch) -> Verdict:
    """DeepSpeed accepts this nvcc beside this PyTorch.

    Its builders compare the two to the minor version, and their table of minor versions that may be mixed has no CUDA 13: nvcc
    13.1 beside a PyTorch for 13.0 raises CUDAMismatchException. That holds for builds ahead of time, and at first use for the
    CPU operators (cpu_adam) of versions before 0.19.8; evoformer_attn at first use is not compared.

    Sources:
    - assert_no_cuda_mismatch and cuda_minor_mismatch_ok of the installed DeepSpeed; 0.15.4 to 0.19.8
    """
    if torch.cuda is None or not re.match(r"\d+\.\d+", torch.cuda):
        return skip("this PyTorch names no CUDA version to compare")
    theirs, ours = toolkit_release(torch.cuda), nvcc.release
    seen = f"nvcc {nvcc.version}, PyTorch for CUDA {torch.cuda}"
    if ours[0] != theirs[0]:
        return skip(f"{seen}: another major version, see nvcc-torch-mismatch")
    if deepspeed.accepted is None:
        return skip("the table of CUDA versions in its builder.py cannot be read")
    names = [f"{major}.{minor}" for major, minor in (ours, theirs)]
    listed = deepspeed.accepted.get(ours[0], ())
    step = None if isinstance(builder, Missing) else builder.mismatch
    evidence = (f"assert_no_cuda_mismatch: {step.trouble or 'accepted'}",) if step else ()
    if step and not step.trouble:
        return ok(f"{seen}: DeepSpeed takes them together", evidence=evidence)
    if not (step and step.trouble) and (ours == theirs or all(name in listed for name in names)):
        return ok(f"{seen}: DeepSpeed takes them together", expected=names[1], observed=names[0])
    if deepspeed.settings.get("DS_SKIP_CUDA_CHECK") == "1":
        return ok(f"{seen}: DS_SKIP_CUDA_CHECK=1 lets DeepSpeed take them together", evidence=evidence)
    at_first_use = any(name != "builder" for name in deepspeed.comparing)
    if not deepspeed.builds_ahead and not at_first_use:
        text = f"{seen}: DeepSpeed {deepspeed.version} would refuse them in a build ahead of time only"
        return ok(text, evidence=(*evidence, "for such a build: export DS_SKIP_CUDA_CHECK=1"))
    what = f"a build ahead of time ({deepspeed.builds_ahead})" if deepspeed.builds_ahead else "its CPU operators (cpu_adam)"
    return (fail if deepspeed.builds_ahead else warn)(
        f"{seen}: DeepSpeed {deepspeed.version} refuses to mix them in {what}",
        expected=names[1],
        observed=names[0],
        evidence=(*evidence, f"cuda_minor_mismatch_ok[{ours[0]}] = {', '.join(listed) or 'not in the table'}"),
        remedy="Within one major version they go together: tell DeepSpeed so.",
        command="export DS_SKIP_CUDA_CHECK=1",
    )
