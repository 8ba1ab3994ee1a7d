"""Tasks that stand still."""

from sparkdoctor.plugin import Found, Verdict, signature, warn


@signature(
    "task {task:word} blocked for more than {seconds:int} seconds",
    "soft lockup - CPU#{cpu:int} stuck for {seconds:int}s",
    "rcu_preempt detected stalls on CPUs/tasks",
    "rcu_preempt self-detected stall on CPU",
    "rcu_sched detected stalls on CPUs/tasks",
    checks=("memory-pressure", "memory-low"),
    because=("compiler-runaway", "killed-by-kernel", "memory-limit-reached", "driver-refused-memory", "cuda-out-of-memory"),
)
def task_hung(found: Found) -> Verdict | None:
    """Tasks stood still for seconds or minutes.

    On a GB10 this is how memory that ran out shows: what the GPU holds cannot be paged out, and all others wait for the rest.
    A slow disk or a network file system does it too.

    Sources:
    - Linux, kernel/hung_task.c, kernel/watchdog.c
    - AEON-7/vllm-ultimate-dgx-spark #9
    """
    if any(word in near for near in found.after for word in (" nfs", "nfs4_", "rpc_wait", "cifs_", "fuse_")):
        return None
    seconds = f" for {found['seconds']} seconds" if found["seconds"] else ""
    who = found["task"].rpartition(":")[0] if found["task"] else "a processor"
    return warn(
        f"{who} stood still{seconds}: on a GB10 mostly for want of memory",
        remedy="End the largest programs before the machine freezes.",
        command="ps aux --sort=-rss | head",
    )
