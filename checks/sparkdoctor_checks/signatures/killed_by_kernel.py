"""The kernel's out-of-memory killer, for want of memory in the machine."""

from sparkdoctor.plugin import Found, Verdict, fail, signature
from sparkdoctor_checks.signatures.build_out_of_memory import BOUND, FEWER_JOBS
from sparkdoctor_checks.signatures.compiler_runaway import COMPILERS, RUNAWAY, killed_kib


@signature(
    "Killed process {pid:int} ({program}) total-vm:{virtual:int}kB, anon-rss:{resident:int}kB",
    "Killed process {pid:int} ({program}), UID {uid:int}, total-vm:{virtual:int}kB, anon-rss:{resident:int}kB",
    "Killed process {pid:int} ({program}) ",
    "Out of memory: Killed process {pid:int} ({program})",
    "Out of memory: Kill process {pid:int} ({program}) score",
    checks=("memory-low", "memory-pressure", "build-jobs-unbounded", "oom-killed-recently"),
)
def killed_by_kernel(found: Found) -> Verdict | None:
    """The kernel killed a process because the machine was out of memory.

    On a GB10 what the GPU holds is the machine's memory too, and is not in the figures that the kernel prints of a process.
    Whom it kills need not be who took the memory.

    Sources:
    - Linux, mm/oom_kill.c
    - NVIDIA/TransformerEngine #1996; ggml-org/llama.cpp #17844 (a build); MiaAI-Lab/GLM-5.3-Flash-EXL3-2x-DGX-Sparks #193
    """
    line, program = found.line, found["program"]
    if "emory cgroup" in line or (not found["resident"] and "total-vm:" in line):
        return None
    # Before Linux 4.19 it took two lines to say.
    if any("emory cgroup out of memory: Kill process" in near for near in found.before[-2:]):
        return None
    if "Kill process" in line and any("Killed process" in near for near in found.after[:2]):
        return None
    kib = killed_kib(line)
    size = f", {kib / 976562.5:.1f} GB" if kib else ""
    if program in COMPILERS:
        if kib >= RUNAWAY:
            return None
        return fail(
            f"the machine was out of memory, and the kernel killed {program} (process {found['pid']}{size}) in a build",
            remedy=FEWER_JOBS,
            command=BOUND,
        )
    return fail(
        f"the machine was out of memory, and the kernel killed {program} (process {found['pid']}{size})",
        remedy="End programs that hold memory (models that are still loaded, notebooks), and start it again.",
        command="ps aux --sort=-rss | head",
    )
