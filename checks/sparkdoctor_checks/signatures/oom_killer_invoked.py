"""The kernel's out-of-memory killer, at work."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "{program:word} invoked oom-killer: gfp_mask={}",
    checks=("memory-low", "memory-pressure", "oom-killed-recently"),
    because=("killed-by-kernel", "memory-limit-reached", "compiler-runaway"),
)
def oom_killer_invoked(found: Found) -> Verdict:
    """The kernel found no memory for a process, and looked for one to kill.

    The one that is named here only asked for memory at the wrong time; which one was killed stands some fifty lines below.

    Sources:
    - Linux, mm/oom_kill.c (dump_header)
    """
    return fail(
        f"memory ran out when {found['program']} asked for some: `Killed process` below names the one that was killed",
        remedy="Ask the kernel which process it killed.",
        command="sudo dmesg -T | grep -iE 'out of memory|killed process'",
        needs_root=True,
    )
