"""Shared memory."""

from math import ceil

from sparkdoctor.facts import Container, SharedMemory, ShmMount, gib
from sparkdoctor.facts.memory import GIB
from sparkdoctor.facts.shm_mount import SHM
from sparkdoctor.plugin import Answer, Missing, NotNeeded, Plan, Refused, Run, fix
from sparkdoctor.profiles import Profile


@fix(cures=("shm-too-small",))
def grow_shm(shm: SharedMemory | Missing, mount: ShmMount | Missing, container: Container | Missing, profile: Profile) -> Answer:
    """/dev/shm is large enough for data loaders.

    Remounts it with the size that the profile asks for and all its other options as they are, until the next boot; the plan
    names the line of /etc/fstab that does it for good. Undo gives it the size that it had. With --ipc=host it is the host's
    /dev/shm that grows.

    That takes root with CAP_SYS_ADMIN, which docker gives only to those who ask: in a container without it this is refused,
    with the option to start the container with.

    Sources:
    - mount(8): with the device and the directory given, -o remount replaces the options and reads no /etc/fstab
    - tmpfs(5); measured: remounted to the former size, mountinfo says what it said before, docs/sources.md
    """
    wanted = profile.shm_gib.failed
    if wanted is None:
        return NotNeeded(f"the profile {profile.name} asks for no shared memory")
    inside = container if not isinstance(container, Missing) and container else None
    if not isinstance(shm, Missing) and shm.total >= wanted * GIB:
        if shm.free < min(wanted * GIB, shm.total / 10):
            return Refused(f"{SHM} is large enough but full: what dead programs left there is for you to judge", f"ls -la {SHM}")
        return NotNeeded(f"{SHM} has {gib(shm.total)}")
    if isinstance(shm, Missing) or isinstance(mount, Missing):
        gone = next(one for one in (shm, mount) if isinstance(one, Missing))
        return Refused(f"{gone.reason}: {_start(inside, wanted)}")
    kib = ceil(wanted * GIB / 1024)
    if obstacle := _obstacle(shm, mount, inside, wanted, kib):
        return obstacle

    def remount(size: int) -> tuple[str, ...]:
        return ("mount", "-o", ",".join(("remount", *mount.options, f"size={size}k")), mount.source, SHM)

    return Plan(
        f"{SHM} has {gib(kib * 1024)}",
        (Run(remount(kib), why=f"gives {SHM} more room: {gib(shm.total)} is too little", undo=remount(shm.total // 1024)),),
        (
            f"it is the same file system for all who share it: with --ipc=host, the host's {SHM}",
            f"until the next {'start of the container' if inside else 'boot'}; for good, {_start(inside, wanted)}",
        ),
    )


def _obstacle(shm: SharedMemory, mount: ShmMount, inside: Container | None, wanted: float, kib: int) -> Refused | None:
    """Why we do not remount it."""
    if mount.kind != "tmpfs" or shm.total == 0:
        found = "a tmpfs without a bound" if mount.kind == "tmpfs" else mount.kind
        return Refused(f"{SHM} is {found}, which is not remounted with another size")
    if mount.uid == 0 and mount.admin:
        return None
    if inside:
        return Refused(f"this {inside.engine} container may not mount: {_start(inside, wanted)}")
    if mount.uid == 0:
        return Refused(f"this process may not mount (it lacks CAP_SYS_ADMIN): {_start(inside, wanted)}")
    return Refused(f"only root may remount {SHM}; for good, {_start(inside, wanted)}", f"sudo mount -o remount,size={kib}k {SHM}")


def _start(inside: Container | None, wanted: float) -> str:
    """What to do where nothing can be remounted."""
    size = f"{ceil(wanted)}"
    if inside and inside.engine == "kubernetes":
        return f"mount a volume with `emptyDir: {{medium: Memory, sizeLimit: {size}Gi}}` at {SHM} of the pod"
    if inside:
        return f"start the container with --shm-size={size}g, or with --ipc=host"
    return f"let a line of /etc/fstab say `tmpfs {SHM} tmpfs rw,nosuid,nodev,size={size}g 0 0`"
