"""Shared memory."""

from sparkdoctor.facts import Container, SharedMemory, gib
from sparkdoctor.facts.memory import GIB
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok, skip
from sparkdoctor.profiles import Profile


@check
def shm_too_small(shm: SharedMemory | Missing, container: Container, profile: Profile) -> Verdict:
    """/dev/shm is large enough for data loaders.

    PyTorch's data loader workers hand tensors over in /dev/shm; OpenFold3 starts ten of them. Docker gives a container
    64 MiB, and then a worker dies with `Bus error … insufficient shared memory (shm)`. /dev/shm is ordinary memory: a larger
    one takes nothing until it is used, and gives no program more memory.

    Sources:
    - docker run's documentation (--shm-size, --ipc)
    - NVIDIA/dgx-spark-playbooks (--ipc=host)
    """
    wanted = profile.shm_gib.failed
    if wanted is None:
        return skip(f"the profile {profile.name} asks for no shared memory")
    expected = f">={wanted:g} GiB"
    if container:
        remedy, command = "Start the container with --ipc=host, or with --shm-size=16g.", None
    else:
        remedy, command = "Mount it larger.", "sudo mount -o remount,size=50% /dev/shm"
    if isinstance(shm, Missing):
        return fail(
            f"there is no shared memory: {shm.reason}",
            expected=expected,
            observed="none",
            remedy=remedy,
            command=command,
            needs_root=not container,
        )
    if shm.total < wanted * GIB:
        return fail(
            f"/dev/shm has {gib(shm.total)}"
            + (", what container engines give by default" if container and shm.total <= 64 << 20 else ""),
            expected=expected,
            observed=gib(shm.total),
            remedy=remedy,
            command=command,
            needs_root=not container,
        )
    if shm.free < min(wanted * GIB, shm.total / 10):
        return fail(
            f"/dev/shm is full: {gib(shm.free)} of {gib(shm.total)} are free",
            expected=expected,
            observed=gib(shm.free),
            remedy="Remove what dead programs left in /dev/shm.",
            command="ls -la /dev/shm",
        )
    return ok(f"/dev/shm has {gib(shm.total)}", expected=expected, observed=gib(shm.total))
