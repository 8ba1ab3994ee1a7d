"""Room on disks."""

from sparkdoctor.plugin import Found, Verdict, fail, signature, warn

_OTHERS = ("/dev/shm", "/torch_", "posix_fallocate", "nccl", "NCCL", "inotify", "watch", "/sys/fs/", "semaphore")


@signature(
    "No space left on device",
    "no space left on device",
    "NoSpaceLeftError: No space left on devices",
    "Disk quota exceeded",
    "disk quota exceeded",
    "PytorchStreamWriter failed writing file {file}: file write failed",
    "Not enough free disk space to download the file.",
    "You don't have enough free space in {file:path}",
    "There is not enough space on the disk",
    checks=("disk-low",),
)
def disk_full(found: Found) -> Verdict | None:
    """A disk is full.

    An NGC image takes 20 to 25 GB, weights 2 GB, a build of kernels a few, most of it below /var/lib/docker, the home
    directory and /tmp. A file system without free inodes says the same, though df shows room.

    Sources:
    - moby/moby #29508, #28404; NVIDIA/nvidia-docker #792; floydhub/dl-docker #21; errno(3)
    """
    line = found.line
    if any(other in line for other in _OTHERS) or any("SemLock" in near for near in found.before[-3:]):
        return None
    if "uota exceeded" in line:
        return fail(
            "the quota of this user or project on the disk is used up",
            remedy="Remove what is no longer needed, or point caches elsewhere (TORCH_EXTENSIONS_DIR, TRITON_CACHE_DIR, TMPDIR).",
            command="quota -s; du -xhd1 ~/.cache | sort -h | tail",
        )
    remedy = "Make room, or point caches elsewhere (TORCH_EXTENSIONS_DIR, TRITON_CACHE_DIR, OPENFOLD_CACHE, TMPDIR)."
    command = "docker system df; du -xhd1 ~/.cache | sort -h | tail"
    if "Not enough free disk space" in line:
        return warn("there is less room on the disk than a download needs", remedy=remedy, command=command)
    place = _place(line)
    return fail(
        f"the disk is full: {place} could not be written" if place else "the disk is full", remedy=remedy, command=command
    )


def _place(line: str) -> str:
    """The file that had no room, where the line names it."""
    before, _, behind = line.partition(" space left on device")
    quoted = behind.partition("'")[2].partition("'")[0]
    if quoted.startswith("/"):
        return quoted
    words = before.rpartition(":")[0].split()
    last = words[-1].strip("'\":,") if words else ""
    return last if last.startswith("/") and len(last) > 1 else ""
