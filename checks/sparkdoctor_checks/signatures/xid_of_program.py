"""Xid events that tell of a program."""

from sparkdoctor.plugin import Found, Verdict, signature, warn

_MEANS = {
    8: "the GPU waited too long for a program",
    13: "a kernel did what the GPU refuses (an address or an instruction out of order)",
    31: "a kernel touched memory that it does not have",
    32: "a program sent the GPU what it could not read",
    43: "the GPU stopped a program after a fault",
    45: "the GPU cleaned up after a program that was ended",
    68: "the video decoder met a fault",
    69: "a program used the GPU's graphics in a way that it refuses",
}


@signature(
    "NVRM: Xid ({device:path}): {xid:int}",
    "NVRM: Xid {xid:int}, ",
    checks=("torch-cannot-compute", "driver-branch-unsupported"),
    because=("gpu-fault", "cuda-program-fault", "no-kernel-image", "operation-not-permitted"),
)
def xid_of_program(found: Found) -> Verdict | None:
    """The driver has reported a fault of a program on the GPU.

    Xid 13, 31, 43 and 45 mostly tell of a program, not of the machine: the GPU goes on working for all others. What that
    program itself printed says more.

    Sources:
    - NVIDIA, Xid Errors, "Analyzing Xid Errors with the Xid Catalog"
    - vllm-project/vllm #52877
    """
    means = _MEANS.get(int(found["xid"]))
    if means is None:
        return None
    _, _, name = found.line.partition(", name=")
    program = name.partition(",")[0].strip()
    return warn(
        f"Xid {found['xid']}{f' of {program}' if program else ''}: {means}; mostly the fault of a program, not of the machine",
        remedy="Look at what that program printed; with every launch waited for, the line that fails is the right one.",
        command="export CUDA_LAUNCH_BLOCKING=1",
    )
