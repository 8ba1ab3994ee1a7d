"""Faults of a program on the GPU."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    ": an illegal memory access was encountered",
    "results in CUDA_ERROR_ILLEGAL_ADDRESS ",
    'CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access',
    ": device-side assert triggered",
    "CUDA error: misaligned address",
    "CUDA error: unspecified launch failure",
    "CUDA error: an illegal instruction was encountered",
    "], thread: [{thread}] Assertion {assertion} failed.",
    checks=("torch-cannot-compute", "extension-cache-foreign"),
    because=("gpu-fault", "attention-kernel-unfit"),
)
def cuda_program_fault(found: Found) -> Verdict | None:
    """A kernel has done what it must not: a fault of a program.

    It read or wrote memory that it does not have, or an assertion in it failed, mostly an index out of range. The machine is
    sound. The call that reports it is a later one than the call that did it, and nothing works in that process afterwards.

    Sources:
    - CUDA runtime, errors 700, 710, 715, 716 and 719; c10/cuda/CUDAException.cpp
    - PyTorch, "CUDA semantics" (CUDA_LAUNCH_BLOCKING); Compute Sanitizer's documentation
    """
    if "raises(" in found.line or "Raises" in found.line:
        return None  # a test that expects it
    assertion = found["assertion"].strip("`'\" ")
    if assertion:
        return fail(
            f"a kernel stopped because `{assertion}` was not so: mostly an index out of range in the data or the labels",
            remedy="Compare the indices with the size of what they index; on the CPU the same call names the place.",
            command="export CUDA_LAUNCH_BLOCKING=1",
        )
    _, _, said = found.line.rpartition(": ")
    what = "an assertion in a kernel failed" if "assert" in found.line else "a kernel used memory or instructions wrongly"
    return fail(
        f"{what} ({said.partition(',')[0].rstrip('. ')}): a fault of a program, not of the machine",
        remedy="Run it again with every launch waited for: then the line that fails is the right one. "
        "compute-sanitizer names the kernel.",
        command="export CUDA_LAUNCH_BLOCKING=1",
    )
