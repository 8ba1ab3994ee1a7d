"""Memory that may be locked."""

from sparkdoctor.plugin import Found, Verdict, fail, signature, warn

_REMEDY = "Start the container with --ulimit memlock=-1; outside of one, raise memlock and log in again."
_RAISED = "printf '* - memlock unlimited\\n' | sudo tee /etc/security/limits.d/memlock.conf"


@signature(
    "Call to ibv_{call:name} failed with error Cannot allocate memory",
    "ibv_{call} failed: Cannot allocate memory",
    "Please set max locked memory (ulimit -l) to 'unlimited'",
    "failed to mlock {size:int}-byte buffer",
    checks=("memlock-limit-low",),
)
def memlock_exhausted(found: Found) -> Verdict:
    """More memory was to be locked than may be.

    RDMA pins its buffers, and the limit on locked memory (ulimit -l) bounds them: 8 MiB is Ubuntu's default, docker's no more
    than that. The error says `Cannot allocate memory`, though there is plenty.

    Sources:
    - NVIDIA/nccl-tests #206; openucx/ucx #8229, #6264, #8684
    - NCCL's documentation, "Troubleshooting"
    """
    if found["size"]:
        return warn(
            f"a program may not lock {found['size']} bytes of its memory, and goes on without",
            remedy=_REMEDY,
            command=_RAISED,
            needs_root=True,
        )
    return fail("RDMA may not lock the memory that it needs", remedy=_REMEDY, command=_RAISED, needs_root=True)
