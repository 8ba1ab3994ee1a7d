"""Memory for programs."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

_OTHERS = (
    "static TLS",  # each of these has a cause, and a signature, of its own
    "ibv_",
    "ulimit -l",
    "lock memory",
    "mlock",
    "unable to mmap",
    "virtual memory exhausted",
    "shared memory",
    "posix_fallocate",
    "pids",
)
_OF_SOURCE = tuple([word] for word in ("raise", "except", "class", "or", "and", "is"))
_OF_CALLS = ("is thrown", "throws", "to throw", "catch (", "<*>", "LZMA_MEM_ERROR: Cannot allocate memory.")
"""What documentation says of functions, and lists of templates of logs."""
_OF_PROSE = (" crash", " is ", " if ", " when ", " exception", " rather", " so ", " we ", " and ")
_MOST = 130_000_000_000
"""Bytes that a Spark does not have."""


@signature(
    "DefaultCPUAllocator: can't allocate memory: you tried to allocate {size:int} bytes",
    "DefaultCPUAllocator: not enough memory: you tried to allocate {size:int} bytes",
    "Unable to allocate {size} for an array with shape",
    "terminate called after throwing an instance of 'std::bad_alloc'",
    " std::bad_alloc ",
    " MemoryError ",
    "Cannot allocate memory",
    ": cannot allocate memory",
    "Not enough memory to allocate",
    checks=("memory-low", "memory-pressure"),
    because=(
        "compiler-runaway",
        "build-out-of-memory",
        "memory-limit-reached",
        "killed-by-kernel",
        "memlock-exhausted",
        "threads-exhausted",
    ),
)
def host_memory_exhausted(found: Found) -> Verdict | None:
    """A program asked for memory, and there was none.

    Either nothing was left, with what the GPU holds of the same memory, or the request was for more than a machine has: then
    the size that it was reckoned from is wrong.

    Sources:
    - PyTorch, c10/core/impl/alloc_cpu.cpp; numpy, _ArrayMemoryError; malloc(3), fork(2)
    """
    line = found.line
    if any(other in line for other in _OTHERS) or (found["size"] and "{" in found["size"]):
        return None
    if "DefaultCPUAllocator" in line and not found["size"]:  # the longer text fits
        return None
    if "MemoryError" in line.split() and (not line.endswith("MemoryError") or line.split()[-2:-1] in _OF_SOURCE):
        return None
    if any(words in line for words in _OF_CALLS) or line.rpartition("std::bad_alloc")[2].startswith(_OF_PROSE):
        return None
    size = found["size"]
    if size.isdecimal() and len(size) < 30:
        if int(size) > _MOST:
            return fail(
                f"a program asked for {int(size) / 1e9:,.0f} GB at once, more than the machine has",
                remedy="Look where that size comes from: fewer or shorter chains, a smaller batch.",
            )
        asked = f"a program asked for {int(size) / 1e9:.1f} GB"
    else:
        asked = f"a program asked for {size}" if size else "a program asked for memory"
    return fail(
        f"{asked}, and there was none",
        remedy="End programs that hold memory (models that are still loaded, notebooks), and start it again.",
        command="ps aux --sort=-rss | head",
    )
