"""CUTLASS for DeepSpeed's evoformer_attn."""

from sparkdoctor.plugin import Found, Verdict, fail, ok, signature, warn

REMEDY = "Lead DeepSpeed to the headers of CUTLASS; where there are none, it says how to get them."
COMMAND = "sparkdoctor fix find-cutlass"


@signature(
    "Please specify the CUTLASS repo directory as environment variable $CUTLASS_PATH",
    "Please specify CUTLASS location directory as environment variable CUTLASS_PATH",
    "Please use CUTLASS version >= 3.1.0",
    "Please pip install nvidia-cutlass",
    "Unable to locate CUTLASS. Install nvidia-cutlass, clone CUTLASS next to DeepSpeed",
    "Unable to locate CUTLASS from the nvidia-cutlass Python package",
    "CUTLASS_PATH {path:path} does not contain CUTLASS headers",
    checks=("deepspeed-cutlass-missing",),
)
def deepspeed_finds_no_cutlass(found: Found) -> Verdict:
    """DeepSpeed finds no CUTLASS to build evoformer_attn with.

    Up to 0.18.4 CUTLASS_PATH must name a checkout whose CHANGELOG.md mentions 3.1.0. The package nvidia-cutlass does not have
    that file, and from 4.2 on no module `cutlass` either: so `Please pip install nvidia-cutlass` is printed where it is
    installed. A report or an installation that mentions this goes on without the operator.

    Sources:
    - op_builder/evoformer_attn.py of DeepSpeed 0.15.4 to 0.19.8
    - aqlaboratory/openfold-3 #218; deepspeedai/DeepSpeed #4658, #7760, #8001
    """
    if "CUTLASS version" in found.line:
        what = "the CUTLASS that DeepSpeed finds is older than 3.1, or has no CHANGELOG.md that says so"
    elif found["path"]:
        what = f"CUTLASS_PATH is {found['path']}, where there are no headers of CUTLASS"
    else:
        what = "DeepSpeed finds no CUTLASS for evoformer_attn"
    around = " ".join((*found.before[-3:], *found.after))
    if (
        "Error: " in found.line
        or "Unable to JIT load" in found.line
        or "Unable to JIT load" in around
        or "Unable to pre-compile evoformer_attn" in around
    ):
        return fail(what, remedy=REMEDY, command=COMMAND)
    if any(
        mark in around for mark in ("op report", "requires ninja", "[OKAY]", "Skip pre-compile", "Successfully ", "Install Ops")
    ):
        return ok(f"{what}, which matters only where evoformer_attn is used")
    return warn(f"{what}, which OpenFold3 needs where its DeepSpeed kernels are on", remedy=REMEDY, command=COMMAND)
