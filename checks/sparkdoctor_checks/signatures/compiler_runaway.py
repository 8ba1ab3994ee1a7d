"""Compilers that grow without bounds."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

COMPILERS = frozenset(
    "cudafe++ cicc ptxas fatbinary nvcc nvlink cc1plus cc1 lto1 lto1-wpa lto1-ltrans ld ld.bfd ld.gold lld clang clang++ rustc"
    " as ninja make gcc g++ c++".split()
)
ANOTHER_TOOLKIT = "Build with another toolkit (CUDA 13.0); fewer jobs do not help."
TAKE_IT = "export CUDA_HOME=/usr/local/cuda-13.0 PATH=/usr/local/cuda-13.0/bin:$PATH"
_NVIDIAS = frozenset(("cudafe++", "cicc", "ptxas", "fatbinary", "nvcc", "nvlink"))
RUNAWAY = 20 << 20
"""KiB that no sound compiler takes: 3 to 5 GB is what CUTLASS needs."""
_UNITS = {"k": 1, "m": 1 << 10, "g": 1 << 20, "t": 1 << 30}


@signature(
    "Killed process {pid:int} ({program}) total-vm:{virtual:int}kB, anon-rss:{resident:int}kB",
    "Killed process {pid:int} ({program}), UID {uid:int}, total-vm:{virtual:int}kB, anon-rss:{resident:int}kB",
    " R {cpu:number} {percent:number} {time:word} cudafe++ ",
    " D {cpu:number} {percent:number} {time:word} cudafe++ ",
    " R {cpu:number} {percent:number} {time:word} cicc ",
    " R {cpu:number} {percent:number} {time:word} ptxas ",
    " R {cpu:number} {percent:number} {time:word} cc1plus ",
    checks=("nvcc-lacks-architecture", "oom-killed-recently", "memory-low"),
)
def compiler_runaway(found: Found) -> Verdict | None:
    """One compiler process took more memory than any source file needs.

    The front end cudafe++ of CUDA 12.8 grew to 140 GB for one file of TransformerEngine on aarch64, cicc to 46 GB for one
    of MFEM; MAX_JOBS=1 changed nothing. Another toolkit is the cure, not fewer jobs, and swap only prolongs it.

    Sources:
    - NVIDIA/TransformerEngine #1996; mfem/mfem #5363; cms-sw/cmssw #43117
    """
    program, resident = (found["program"], killed_kib(found.line)) if found["program"] else _top(found.line)
    if program not in COMPILERS or resident < RUNAWAY:
        return None
    size = f"{resident / 976562.5:.0f} GB" if found["program"] else "more than 20 GB"  # several lines of top are one trouble
    if program not in _NVIDIAS:
        return fail(
            f"{program} took {size} by itself: it grows without bounds",
            remedy="Build with another version of it, or without link-time optimisation; fewer jobs do not help.",
        )
    return fail(
        f"{program} took {size} for one source file: it grows without bounds",
        remedy=ANOTHER_TOOLKIT,
        command=TAKE_IT,
    )


def killed_kib(line: str) -> int:
    """What the process that the kernel killed had in memory, in KiB; shared memory counts too, as pinned buffers are there."""
    total = 0
    for name in ("anon-rss:", "file-rss:", "shmem-rss:"):
        digits = line.partition(name)[2].partition("kB")[0]
        total += int(digits) if digits.isdecimal() and len(digits) < 16 else 0
    return total


def _top(line: str) -> tuple[str, int]:
    """The program and its resident KiB, from a line of top: PID USER PR NI VIRT RES SHR S %CPU %MEM TIME+ COMMAND."""
    words = line.split()
    program = words[-1]
    resident = words[-7] if len(words) >= 12 else ""
    number, unit = (resident[:-1], resident[-1:].lower()) if resident[-1:].isalpha() else (resident, "k")
    whole, _, rest = number.partition(".")
    if unit not in _UNITS or not (whole.isdecimal() and len(whole) < 12 and (rest or "0").isdecimal()):
        return program, 0
    return program, int(float(number) * _UNITS[unit])
