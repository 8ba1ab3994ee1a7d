"""Processes and threads."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

_OF_THREADS = ("thread", "fork", "spawn", "what():")
"""What a line says that is about processes or threads: EAGAIN is said of locks and sockets too."""


@signature(
    "RuntimeError: can't start new thread",
    "error: can't start new thread",
    "pthread_create failed for thread {number:int} of {threads:int}: {reason}",
    "blas_thread_init: pthread_create: {reason}",
    "pthread_create failed: Resource temporarily unavailable",
    "pthread_create: Resource temporarily unavailable",
    "Thread creation failed: Resource temporarily unavailable",
    "fork: retry: Resource temporarily unavailable",
    "fork: retry: No child processes",
    "fork: Resource temporarily unavailable",
    "vfork: Resource temporarily unavailable",
    "posix_spawn: Resource temporarily unavailable",
    "fork() for {}: Resource temporarily unavailable",
    "fork/exec {program:path}: resource temporarily unavailable",
    " Resource temporarily unavailable ",
    "[Errno 11] Resource temporarily unavailable",
    "cgroup: fork rejected by pids controller in {cgroup:path}",
    "failed to create new OS thread (have {number:int} already; errno=11)",
    "System unable to allocate necessary resources for OMP thread",
)
def threads_exhausted(found: Found) -> Verdict | None:
    """No more processes or threads may be started.

    A container's limit (--pids-limit), a service's (TasksMax) or a user's (ulimit -u) is reached. OpenBLAS and OpenMP start a
    thread for each processor in each process, so a data loader's workers multiply them. `Operation not permitted` is another
    matter: a docker before 20.10.10 forbids the system call that a newer glibc starts threads with.

    Sources:
    - coqui-ai/TTS #3439; OpenMathLib/OpenBLAS #1668; vladmandic/sdnext #2642; OpenBMB/XAgent #266
    - moby/moby #42680 (clone3)
    """
    line = found.line
    if "Operation not permitted" in line:
        return fail(
            "this docker forbids what the container's glibc starts threads with: it is older than 20.10.10",
            remedy="Install a current docker.",
            command="docker version",
        )
    if not any(word in line.lower() for word in _OF_THREADS):
        forks = any(word in near for near in found.before for word in ("fork", "Popen", "_launch", ".start()"))
        if "[Errno 11]" not in line or not forks:
            return None
    if "ccept failed" in line:  # a socket's, of NCCL's service thread
        return None
    if "pthread_create failed for" in line and not found["number"]:  # the longer text fits
        return None
    if found["reason"] and "unavailable" not in found["reason"]:
        return None
    if "can't start new thread" in line and any("pthread_create failed" in near for near in found.before):
        return None
    return fail(
        "no more processes or threads may be started",
        remedy="Allow more: start the container with --pids-limit=-1; outside, raise the limit of this shell.",
        command="ulimit -u 65536",
    )
