"""Shared memory."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "DataLoader worker (pid {pid:int}) is killed by signal: Bus error",
    "Unexpected bus error encountered in worker",
    "This might be caused by insufficient shared memory",
    "dataloader's workers are out of shared memory",
    "unable to allocate shared memory(shm) for file <{file:path}>: {reason}",
    "unable to open shared memory object <{file:path}> in read-write mode: No space left on device",
    "unable to write to file </torch_{}>",
    "unable to resize file </torch_{}>",
    "Error while creating shared memory segment {file:path} (size {size:int})",
    "failed to extend {file:path} to {size:int} bytes",
    "Call to posix_fallocate failed : No space left on device",
    "Call to posix_fallocate failed: No space left on device",
    "No space left on device: '/dev/shm{}'",
    "OSError: [Errno 28] No space left on device",
    "/dev/shm/{segment:path}: No space left on device",
    "Signal 7 (SIGBUS) received by PID {pid:int}",
    " Bus error ",
    "/dev/shm/{segment:path}': No space left on device",
    checks=("shm-too-small", "extension-cache-incomplete"),
    because=("extension-library-damaged",),
)
def shm_exhausted(found: Found) -> Verdict | None:
    """/dev/shm is full, or too small.

    The workers of a data loader hand tensors over in /dev/shm, NCCL its buffers. Docker gives a container 64 MiB; who writes
    beyond the end of what there is gets a bus error; a library that was cut off does the same. More of it takes nothing from
    a GB10 until it is used, and gives no program more memory.

    Sources:
    - pytorch/pytorch #5040, #5247, #25730; NVIDIA/nccl #290, #342, #525; pytorch/ci-infra #490
    """
    line = found.line
    if "[Errno 28]" in line and "/dev/shm" not in line and not any("SemLock" in near for near in found.before[-3:]):
        return None  # a disk
    if "creating shared memory segment" in line:
        if any(word in near for near in found.before[-3:] for word in ("Cuda failure", "failed to extend", "posix_fallocate")):
            return None  # that is the cause, or has been found already
        reason = line.partition(", error: ")[2]
        if reason and not reason.startswith(("No space", "Cannot")):
            return None
    if " Bus error " in f"{line} " and "core dumped" not in line:
        return None
    if "failed to extend" in line and "/shm" not in line:
        return None
    if "NCCL" in line:
        who = "NCCL found no room for its buffers"
    elif "[Errno 28]" in line and "/dev/shm" not in line:
        who = "there was no room for a semaphore"
    elif "core dumped" in line or "SIGBUS" in line:
        who = "a process ended with a bus error, which is how a full /dev/shm shows"
    else:
        who = "a worker of the data loader found no room"
    return fail(
        f"/dev/shm is too small or full: {who}",
        remedy="Give it more room: start the container with --ipc=host or --shm-size=16g, or remount it.",
        command="sparkdoctor fix grow-shm",
        needs_root=True,
    )
