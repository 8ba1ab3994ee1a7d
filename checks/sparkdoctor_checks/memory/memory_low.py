"""Memory that can be had now."""

from sparkdoctor.facts import Cgroup, Memory, gib
from sparkdoctor.facts.memory import GIB
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok, skip, warn
from sparkdoctor.profiles import Profile


@check
def memory_low(memory: Memory, cgroup: Cgroup | Missing, profile: Profile) -> Verdict:
    """There is memory to work with.

    On a GB10 the GPU has no memory of its own. What can be had is MemAvailable + SwapFree, or the free huge pages where
    huge pages are reserved; cudaMemGetInfo says less, since it counts neither page cache nor swap. When it runs out the
    machine freezes rather than raising an error. A container's limit is counted too, though the driver's allocations are
    not bound by it.

    Sources:
    - NVIDIA, DGX Spark known issues ("Allocatable memory")
    - vllm-project/vllm #35313 (cudaMemGetInfo)
    """
    host = memory.allocatable
    limited = None if isinstance(cgroup, Missing) else cgroup.free
    here = host if limited is None else min(host, limited)
    bounds = profile.memory_gib
    if memory.huge_pages:
        made_of = f"{gib(memory.huge_free)} of {gib(memory.huge_pages)} huge pages are free"
    else:
        made_of = f"MemAvailable {gib(memory.available)} + SwapFree {gib(memory.swap_free)}"
    evidence = [f"{made_of}, of {gib(memory.total)}"]
    if limited is not None and not isinstance(cgroup, Missing) and cgroup.limit is not None:
        evidence.append(f"this container may use {gib(cgroup.limit)} and has {gib(limited)} left")
    text = f"{gib(here)} can be allocated"
    if limited is not None and limited < host:
        remedy, command = "Give the container more memory (docker run --memory), or end what else runs in it.", None
    else:
        remedy, command = "End programs that hold memory (models that are still loaded, notebooks).", "ps aux --sort=-rss | head"
    for level, bound in ((fail, bounds.failed), (warn, bounds.warning)):
        if bound is not None and here < bound * GIB:
            return level(
                f"only {text}",
                expected=f">={bound:g} GiB",
                observed=gib(here),
                evidence=tuple(evidence),
                remedy=remedy,
                command=command,
            )
    if bounds.failed is None and bounds.warning is None:
        return skip(f"the profile {profile.name} asks for no amount of memory")
    return ok(f"{text} ({made_of})", expected=f">={bounds.failed or bounds.warning or 0:g} GiB", observed=gib(here))
