"""Limits on the memory of containers, jobs and services."""

from sparkdoctor.plugin import Found, Verdict, fail, signature
from sparkdoctor_checks.signatures.build_out_of_memory import BOUND, FEWER_JOBS
from sparkdoctor_checks.signatures.compiler_runaway import COMPILERS, RUNAWAY, killed_kib


@signature(
    "emory cgroup out of memory: Killed process {pid:int} ({program}) total-vm:{virtual:int}kB, anon-rss:{resident:int}kB",
    "emory cgroup out of memory: Killed process {pid:int} ({program})",
    "emory cgroup out of memory: Kill process {pid:int} ({program}) score",
    " OOMKilled ",
    " Init:OOMKilled ",
    " OOMKilled: true ",
    '"OOMKilled": true, ',
    "Detected {count:int} oom_kill event in {step:word}",
    "Detected {count:int} oom-kill event(s) in",
    "exceeded memory limit ({}), being killed",
    "task {tasks:word} Out Of Memory ",
    checks=("oom-killed-recently", "memory-low", "build-jobs-unbounded"),
)
def memory_limit_reached(found: Found) -> Verdict | None:
    """A container, job or service reached its own memory limit, and was killed.

    The machine may have had memory left: the limit is that of docker run --memory, of a pod's resources.limits, of Slurm or
    of systemd's MemoryMax. /dev/shm counts towards it; what the GPU's driver takes on a GB10 does not.

    Sources:
    - Linux, Documentation/admin-guide/cgroup-v2.rst; docker/for-linux #1001; apache/doris #3525
    - Kubernetes, "Assign Memory Resources to Containers and Pods"; docs.nesi.org.nz, "What does oom-kill mean"
    """
    line, program = found.line, found["program"]
    raised = "Give it more memory: docker run --memory, or the pod's resources.limits.memory."
    if program:
        kib = killed_kib(line)
        if "total-vm:" in line and not found["resident"]:
            return None
        if program in COMPILERS:
            if kib >= RUNAWAY:
                return None
            return fail(
                f"the kernel killed {program}: the build reached the memory limit of its container",
                remedy=FEWER_JOBS,
                command=BOUND,
            )
        size = f", with {kib / 976562.5:.1f} GB" if kib else ""
        return fail(
            f"the kernel killed {program} (process {found['pid']}{size}): its container reached its memory limit",
            remedy=raised,
            command="docker stats --no-stream",
        )
    if any(word in line for word in ("oom_kill event", "oom-kill event", "being killed", "Out Of Memory")):
        return fail("the job reached the memory that Slurm gave it, and was killed", remedy="Ask for more with --mem.")
    if "OOMKilled:" in line or '"OOMKilled"' in line:
        return fail(
            "docker says that the container reached its memory limit, and was killed",
            remedy=raised,
            command="docker stats --no-stream",
        )
    if "eason" not in line and not any(_ready(word) for word in line.split()):  # no table, nor a description
        return None
    return fail(
        "Kubernetes says that the container reached its memory limit, and was killed",
        remedy="Raise resources.limits.memory of the pod.",
        command="kubectl top pod --containers",
    )


def _ready(word: str) -> bool:
    """Whether this is the 0/1 of kubectl get pods."""
    some, slash, whole = word.partition("/")
    return bool(slash) and some.isdigit() and whole.isdigit()
