"""Processes that the kernel killed."""

from sparkdoctor.facts import Cgroup, Container
from sparkdoctor.plugin import Verdict, check, ok, warn


@check
def oom_killed_recently(cgroup: Cgroup, container: Container) -> Verdict:
    """No process here was killed for want of memory.

    A build or a prediction that ends with `Killed`, or with exit status 137, met the kernel's OOM killer. The count is that
    of this process's control group and its parents, since they were made.

    Sources:
    - Linux, Documentation/admin-guide/cgroup-v2.rst (memory.events, oom_kill)
    """
    if cgroup.oom_kills == 0:
        return ok("the kernel killed nothing in this control group")
    where = "in this container" if container else "in this session's control group"
    many = "a process" if cgroup.oom_kills == 1 else f"{cgroup.oom_kills} processes"
    return warn(
        f"the kernel has killed {many} {where} for want of memory",
        expected="0",
        observed=str(cgroup.oom_kills),
        remedy="If it was a build, bound its jobs (build-jobs-unbounded); if a prediction, free memory first (memory-low).",
    )
