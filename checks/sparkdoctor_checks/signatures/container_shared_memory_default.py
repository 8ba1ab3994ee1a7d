"""The banner of NVIDIA's containers about shared memory."""

from sparkdoctor.plugin import Found, Verdict, ok, signature


@signature(
    "NOTE: The SHMEM allocation limit is set to the default of {size:path}",
    checks=("shm-too-small",),
)
def container_shared_memory_default(found: Found) -> Verdict:
    """A container was started with docker's 64 MB of shared memory.

    That does no harm as such; data loaders with worker processes, and NCCL, need more and then die with a bus error. It has
    nothing to do with the memory of the GPU.

    Sources:
    - NVIDIA's NGC containers, their banner; docker run's documentation (--shm-size, --ipc)
    """
    size = found["size"].rstrip(".")
    return ok(f"the container has {size} of shared memory; harmless until data loaders use workers (then --ipc=host)")
