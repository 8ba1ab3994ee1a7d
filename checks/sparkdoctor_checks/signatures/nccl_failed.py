"""NCCL's last words."""

from sparkdoctor.plugin import ANYTHING, Found, Verdict, fail, signature


@signature(
    "ncclSystemError: System call",
    "ncclUnhandledCudaError: Call to CUDA function failed",
    "ncclInternalError: Internal check failed.",
    "ncclInvalidUsage: This usually reflects invalid usage of NCCL library",
    checks=("shm-too-small", "gpu-not-visible", "memlock-limit-low"),
    because=("shm-exhausted", "gpu-index-out-of-range", "no-kernel-image", ANYTHING),
)
def nccl_failed(found: Found) -> Verdict:
    """NCCL has failed, and says too little why.

    Its general words stand for many causes; the cause is in the lines that begin with NCCL WARN, which it prints when
    NCCL_DEBUG is set.

    Sources:
    - torch/csrc/distributed/c10d/NCCLUtils.cpp; NVIDIA/nccl #290
    """
    first, *rest = (*found.after[:2], "", "")
    rank = found.line.partition("nccl")[0].strip()
    last = rest[0].strip().removeprefix(rank).strip() if "Last error:" in first else ""
    return fail(
        "NCCL failed" + (f": {last}" if last else "; its own warnings say why"),
        remedy='Run it again with its warnings, and look for the first line with "NCCL WARN".',
        command="export NCCL_DEBUG=WARN",
    )
