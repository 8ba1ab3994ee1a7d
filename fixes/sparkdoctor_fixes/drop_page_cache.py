"""Page cache on unified memory."""

from sparkdoctor.facts import Container, Gpu, Memory, PageCache, gib
from sparkdoctor.facts.page_cache import DROP, in_the_way, shared_memory
from sparkdoctor.plugin import Answer, Missing, NotNeeded, Plan, Refused, Run, fix
from sparkdoctor.profiles import Profile

COMMAND = f"sh -c 'sync; echo 3 > {DROP}'"


@fix(cures=("page-cache-holds-memory",))
def drop_page_cache(
    memory: Memory, cache: PageCache, gpu: Gpu | Missing, container: Container | Missing, profile: Profile
) -> Answer:
    """CUDA sees the memory that is free.

    Writes out what is not yet on disk (`sync`), then has the kernel give up its page cache (vm.drop_caches=3), that of the whole
    machine. No data is lost, so there is nothing to take back; files that are read next come from the disk again. Only root may
    do this, and not in a container, whose /proc/sys is read-only: there it is refused, with the command for the host.

    Sources:
    - NVIDIA/dgx-spark-playbooks, troubleshooting (drop_caches)
    - Linux, Documentation/admin-guide/sysctl/vm.rst (drop_caches)
    """
    if not shared_memory(gpu, profile):
        return NotNeeded("the GPU has memory of its own, which page cache does not touch")
    if not in_the_way(memory, profile):
        return NotNeeded(f"{gib(memory.free)} is free outright, {gib(memory.page_cache)} is page cache")
    if not cache.writable:
        if container and not isinstance(container, Missing):
            return Refused("a container cannot drop the page cache of its host: on the host, run this", f"sudo {COMMAND}")
        if cache.uid != 0:
            return Refused("only root may drop the page cache", f"sudo {COMMAND}")
        return Refused(f"{DROP} cannot be written here: on the host, run this", f"sudo {COMMAND}")
    if cache.sync is None or cache.sysctl is None:
        return Refused(f"PATH has no {'sync' if cache.sync is None else 'sysctl'}", COMMAND)
    return Plan(
        f"up to {gib(memory.page_cache)} of page cache is given back: CUDA sees it as free",
        (
            Run((cache.sync,), why="writes to disk what is only in memory yet", undo=()),
            Run((cache.sysctl, "-w", "vm.drop_caches=3"), why="asks the kernel to drop page cache, dentries and inodes", undo=()),
        ),
        ("it is the page cache of the whole machine: what is read next is read from the disk again",),
    )
