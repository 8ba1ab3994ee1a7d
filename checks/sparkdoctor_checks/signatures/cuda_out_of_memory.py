"""Memory for CUDA."""

from sparkdoctor.plugin import Found, Verdict, fail, ok, signature

_GIB = 1 << 30
_UNITS = {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": _GIB, "TiB": 1 << 40}
_SPARK = 110 * _GIB, 130 * _GIB
"""What CUDA says a GB10 has in all: 119.6 to 121.7 GiB have been seen."""


@signature(
    "CUDA out of memory. Tried to allocate {size}. GPU {gpu:int} has a total capacity of {total} of which {free} is free",
    "CUDA out of memory. Tried to allocate {size}. GPU {gpu:int} has a total capacty of {total} of which {free} is free",
    "of memory. Tried to allocate {size} (GPU {gpu:int}; {total} total capacity; {allocated} already allocated; {free} free;",
    "CUDA out of memory. Tried to allocate {size}",
    "CUDA out of memory ",
    "CUDA out of memory. ",
    " code=2(cudaErrorMemoryAllocation) ",
    "CUDA error: out of memory",
    "CUDA driver error: out of memory",
    "CUDA runtime error: out of memory",
    "Triton Error [CUDA]: out of memory",
    "CUDA_ERROR_OUT_OF_MEMORY: out of memory",
    'CUDA_ERROR_OUT_OF_MEMORY, "out of memory"',
    " results in CUDA_ERROR_OUT_OF_MEMORY ",
    "CUDA runtime error in {call}: out of memory",
    "ERROR: Out of GPU memory trying to allocate {size}",
    "model requires more system memory ({size}) than is available ({free})",
    "cudaErrorMemoryAllocation: out of memory",
    "cudaErrorMemoryAllocation out of memory",
    "cudaErrorMemoryAllocation (out of memory)",
    "CUDA error 2: out of memory",
    "that might have already set an error? Error 2: out of memory",
    "cudaMalloc failed: out of memory",
    "cudaMallocManaged failed: out of memory",
    "Cuda failure 'out of memory'",
    "Cuda failure 2 'out of memory'",
    "error: CUBLAS_STATUS_ALLOC_FAILED ",
    "error: CUDNN_STATUS_ALLOC_FAILED ",
    "OutOfMemoryError: Out of memory allocating {size:word} bytes",
    "RESOURCE_EXHAUSTED: Out of memory while trying to allocate {size:word} bytes",
    "The memory capacity is unbalanced. Some GPUs may be occupied by other processes.",
    "Free memory on device ({free:number}/{total:number} GiB) on startup is less than desired GPU memory utilization",
    "Free memory on device {device:word} ({free:number}/{total:number} GiB) on startup is less than desired GPU memory",
    checks=("page-cache-holds-memory", "memory-low", "memory-pressure"),
)
def cuda_out_of_memory(found: Found) -> Verdict | None:
    """CUDA found no memory for what a program asked for.

    A GB10 has no memory of its own: what other programs hold, and the page cache of files that were read, is missing to
    CUDA. What is free by its count is less than what can be had; dropping the cache gives it back.

    Sources:
    - NVIDIA, DGX Spark known issues; NVIDIA/dgx-spark-playbooks (drop_caches)
    - PyTorch 1.13 to 2.11, c10/cuda/CUDACachingAllocator.cpp; vllm-project/vllm #35313, #20305; sgl-project/sglang #1533, #4233
    """
    line = found.line
    if _otherwise(found):
        return None
    if any("gnoring this choice" in near for near in (line, *found.after[:3])):
        return ok("a candidate of the autotuner did not fit into memory, and was left out")
    size, total, free = _bytes(found["size"]), _bytes(found["total"]), _bytes(found["free"])
    held = (
        _bytes(found["allocated"])
        or _bytes(_after(line, "this process has ", " memory in use"))
        or _bytes(_after(line, "Of the allocated memory ", " is allocated by PyTorch"))
    )
    cached = _bytes(_after(line, " and ", " is reserved by PyTorch but unallocated"))
    asked = _asked(line, found["size"].rstrip("."))
    if "on startup" in line:
        free, total = _bytes(f"{found['free']} GiB"), _bytes(f"{found['total']} GiB")
    if "more system memory" in line:
        asked = f"the model takes {found['size']}, and {found['free']} are free"
    if free is not None and total:
        asked += f": {free / _GIB:.1f} of {total / _GIB:.1f} GiB are free"
    if size and total and size > total:
        return fail(
            f"{asked}, and it asks for more than there is in all",
            remedy="Ask less of it: fewer or shorter chains, fewer samples, a smaller batch.",
        )
    if size and cached and cached >= size and cached >= _GIB:
        return fail(
            f"{asked}, and {cached / _GIB:.1f} GiB lie idle in PyTorch's own cache, in pieces",
            remedy="Let PyTorch put the pieces together, and start it again.",
            command="export PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True",
        )
    if total and not _SPARK[0] <= total <= _SPARK[1]:
        return fail(
            asked,
            remedy="End what else uses this GPU, or ask less: fewer or shorter chains, fewer samples, a smaller batch.",
            command="nvidia-smi",
        )
    if held and total and held > 0.75 * total:
        return fail(
            f"{asked}, and the program itself holds {held / _GIB:.1f}",
            remedy="Ask less of it: fewer or shorter chains, fewer samples, a smaller batch.",
        )
    return fail(
        f"{asked}; on a GB10 page cache and other programs count as used",
        remedy="Drop the page cache, end programs that hold memory, and start it again.",
        command="sparkdoctor fix drop-page-cache",
    )


def _asked(line: str, size: str) -> str:
    """What the program wanted and did not get."""
    if "unbalanced" in line:
        return "one GPU has much less free memory than the others: something else holds it"
    if "on startup" in line:
        return "the program wants more memory than is free"
    if size.isdigit() and len(size) <= 20:  # JAX says it without a unit
        size = f"{int(size) / _GIB:.1f} GiB" if int(size) >= _GIB else f"{size} bytes"
    return f"CUDA has no {size} for the program" if size else "CUDA has no memory for the program"


def _otherwise(found: Found) -> bool:
    """Whether a longer text fits this line too, or it is no such trouble."""
    line = found.line
    if not found["total"] and ("total capac" in line or (not found["size"] and "to allocate" in line and "CUDA out of" in line)):
        return True
    bare = "CUDA out of memory" in line and not found["size"]
    if "raise " in line or "except " in line or (bare and not line.rstrip(".").endswith("CUDA out of memory")):
        return True
    # If another attempt fails too, that is said again.
    return "etrying" in line or any("etrying" in near or "trying batch size" in near for near in found.after[:2])


def _bytes(text: str) -> float | None:
    """`20.00 MiB` in bytes; None where it is no size."""
    number, _, unit = text.strip().partition(" ")
    whole, _, rest = number.partition(".")
    if unit not in _UNITS or not whole.isdecimal() or not (rest or "0").isdecimal() or len(number) > 20:
        return None
    return float(number) * _UNITS[unit]


def _after(line: str, begin: str, end: str) -> str:
    """What stands between the last of `begin` before `end`, and `end`."""
    return line.partition(end)[0].rpartition(begin)[2] if end in line else ""
