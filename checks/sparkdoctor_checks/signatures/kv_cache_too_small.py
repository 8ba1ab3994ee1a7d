"""The KV cache of vLLM and SGLang."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "max seq len ({wanted:int}), ({needs:number} GiB KV cache is needed, which is larger than",
    "max seq len ({wanted:int}), {needs:number} GiB KV cache is needed, which is larger than",
    "max seq len ({wanted:int}) is larger than the maximum number of tokens that can be stored in KV cache ({tokens:int})",
    "ValueError: No available memory for the cache blocks",
    "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static",
    checks=("memory-low", "page-cache-holds-memory"),
)
def kv_cache_too_small(found: Found) -> Verdict | None:
    """A model's weights leave too little of its share for the KV cache.

    vLLM and SGLang take a share of the memory, put the weights into it, and the KV cache into what is left. That must hold one
    request of the full context. On a GB10 the share is of all memory, which the CPU's programs need too.

    Sources:
    - vllm-project/vllm, check_enough_kv_cache_memory in vllm/v1/core/kv_cache_utils.py
    - sgl-project/sglang, python/sglang/srt/model_executor
    """
    line = found.line
    if "mem-fraction-static" in line:
        return fail(
            "the model's weights leave no memory for SGLang's KV cache within its share",
            remedy="Give it a larger share (--mem-fraction-static, which holds weights and KV cache), or take a smaller model.",
        )
    if not (wanted := found["wanted"]):
        return fail(
            "the model's weights leave no memory for vLLM's KV cache within its share",
            remedy="Give it a larger share (--gpu-memory-utilization, up to 0.85 on a GB10), or take a smaller model.",
        )
    what = f"vLLM's KV cache does not hold one request of {wanted} tokens"
    if needs := found["needs"]:
        has = line.partition("KV cache memory (")[2].partition(" ")[0]
        what += f": that takes {needs} GiB" + (f", and {has} are left" if has else "")
    most = found["tokens"] or line.partition("stimated maximum model length is ")[2].split(" ")[0].rstrip(".")
    length = f"--max-model-len {most}" if most.isdecimal() else "a smaller --max-model-len"
    return fail(
        what,
        remedy=f"Start it with {length}, or with a larger share (--gpu-memory-utilization, up to 0.85 on a GB10).",
    )
