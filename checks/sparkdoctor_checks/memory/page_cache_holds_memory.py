"""Page cache on unified memory."""

from sparkdoctor.facts import Gpu, Memory, gib
from sparkdoctor.facts.page_cache import in_the_way, shared_memory, wanted_free
from sparkdoctor.plugin import Missing, Verdict, check, ok, skip, warn
from sparkdoctor.profiles import Profile


@check
def page_cache_holds_memory(memory: Memory, gpu: Gpu | Missing, profile: Profile) -> Verdict:
    """CUDA sees the memory that is free.

    The kernel keeps files that were read (weights, images) in otherwise idle memory. That is not lost: it is given back
    when asked. But cudaMemGetInfo counts only what is free outright, so programs that size themselves by it see a few GiB
    on a machine that has a hundred. NVIDIA's advice is to drop the cache.

    Sources:
    - NVIDIA/dgx-spark-playbooks, troubleshooting (drop_caches)
    - vllm-project/vllm #35313
    """
    if not shared_memory(gpu, profile):
        return skip("the GPU has memory of its own, which page cache does not touch")
    if not in_the_way(memory, profile):
        return ok(f"{gib(memory.free)} is free outright, {gib(memory.page_cache)} is page cache", observed=gib(memory.free))
    return warn(
        f"page cache holds {gib(memory.page_cache)}: CUDA sees {gib(memory.free)} free, though {gib(memory.available)} is",
        expected=f">={gib(wanted_free(profile))} free",
        observed=gib(memory.free),
        remedy="Drop the page cache before a program that sizes itself by CUDA's figure; nothing is lost by it.",
        command="sync && echo 3 | sudo tee /proc/sys/vm/drop_caches",
        needs_root=True,
    )
