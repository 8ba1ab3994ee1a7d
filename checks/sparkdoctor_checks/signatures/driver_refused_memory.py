"""Memory for the kernel and the GPU's driver."""

from sparkdoctor.plugin import Found, Verdict, signature, warn


@signature(
    "Out of memory [NV_ERR_NO_MEMORY]",
    "{program:word} page allocation failure: order:{order:int}, mode:{}",
    checks=("page-cache-holds-memory", "memory-low", "memory-pressure"),
    because=("cuda-out-of-memory", "killed-by-kernel", "compiler-runaway", "memory-limit-reached"),
)
def driver_refused_memory(found: Found) -> Verdict:
    """The kernel had no free pages for the GPU's driver, or for another.

    On a GB10 this is printed in runs that succeed too: the driver tries again with smaller pieces. Together with a machine
    that stands still it is how memory ran out; page cache that leaves no large free blocks brings it on.

    Sources:
    - vllm-project/vllm #56824 (seen where all went well); NVIDIA/open-gpu-kernel-modules #1358
    - NVIDIA/dgx-spark-playbooks #97
    """
    who = "the GPU's driver" if not found["program"] else found["program"].rstrip(":")
    return warn(
        f"{who} was refused memory by the kernel; alone this may be harmless, before a freeze it is the cause",
        remedy="Drop the page cache before you start large programs, and leave more memory free.",
        command="sparkdoctor fix drop-page-cache",
    )
