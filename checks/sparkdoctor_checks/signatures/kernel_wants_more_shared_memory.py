"""Kernels that are too large for this GPU."""

from sparkdoctor.plugin import Found, Verdict, fail, ok, signature

SPARK = 101376
"""Bytes that a block has on GPUs of 12.x, 8.6 and 8.9."""
CHOICES = ("for benchmark choice", "Ignoring this choice", "select_algorithm.py")


@signature(
    "out of resource: {what}, Required: {required:int}, Hardware limit: {limit:int}",
    "uses too much shared data ({required:name} bytes, {limit:name} max)",
    checks=("cuequivariance-too-old",),
)
def kernel_wants_more_shared_memory(found: Found) -> Verdict:
    """A kernel wants more of the GPU's shared memory than a block has.

    Its tile sizes were chosen for another GPU: a block has 227 KB on Hopper and on B200, 99 KB on GPUs of 12.x. It is no want of
    main memory. Where PyTorch tries out tile sizes, it merely passes over those that do not fit.

    Sources:
    - OutOfResources in triton/runtime/errors.py; triton-lang/triton #8182; OpenSpaceAI/DEST3D #2; NVIDIA/cuEquivariance #244
    - CUDA C++ Programming Guide, compute capabilities
    """
    limit, required, what = found["limit"], found["required"], found["what"] or "shared memory"
    if any(mark in found.line for mark in CHOICES) or "Ignoring this choice" in " ".join(found.after[:2]):
        return ok("PyTorch tried a tile size that does not fit this GPU, and takes another")
    here = " (12.x, 8.6 and 8.9 have that)" if limit == str(SPARK) else ""
    text = f"a kernel wants {required} bytes of {what}, this GPU has {limit}{here}: it was tuned for another"
    if "cuequivariance" in " ".join(found.before).lower():
        return fail(
            text,
            remedy="Upgrade cuEquivariance; 0.9.0 is the first that knows this GPU.",
            command="python3 -m pip install --upgrade 'cuequivariance-torch>=0.9' 'cuequivariance-ops-torch-cu13>=0.9'",
        )
    return fail(
        text,
        remedy="Take a version of its package that knows GPUs of 12.x, turn the kernel off, or lower its num_stages.",
    )
