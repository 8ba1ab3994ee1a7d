"""NCCL and shared memory."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "NCCL WARN Error while creating shared memory segment {file:path}",
    "NCCL WARN Error: failed to extend {file:path} to {size:int} bytes",
    "NCCL WARN Call to posix_fallocate failed : No space left on device",
    "Error while creating shared memory segment /dev/shm/nccl-{name:name} (size",
    checks=("shm-too-small",),
)
def nccl_shared_memory_full(found: Found) -> Verdict:
    """NCCL found no room in shared memory.

    docker gives a container 64 MB of it. What follows is told as `unhandled system error`.

    Sources:
    - NVIDIA/nccl #290, #525, #342; NCCL's documentation, "Troubleshooting", "Shared memory"
    """
    del found
    return fail(
        "NCCL found no room in /dev/shm",
        remedy="Start the container with --ipc=host, or with --shm-size=16g; on the machine itself, let /dev/shm grow.",
        command="sparkdoctor fix grow-shm",
    )
