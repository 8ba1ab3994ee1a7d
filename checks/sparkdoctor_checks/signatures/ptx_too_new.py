"""PTX that a newer CUDA has made."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

_CUDA_13 = "CUDA_HOME=/usr/local/cuda-13.0 PATH=/usr/local/cuda-13.0/bin:$PATH"
_CUDA = {"8.5": "12.5", "8.6": "12.7", "8.7": "12.8", "8.8": "12.9", "9.0": "13.0", "9.1": "13.1", "9.2": "13.2"}
"""The CUDA whose PTX has that version."""


@signature(
    "the provided PTX was compiled with an unsupported toolchain",
    "results in CUDA_ERROR_UNSUPPORTED_PTX_VERSION ",
    "Unsupported .version {version:number}; current version is '{current:number}'",
    " code=222(cudaErrorUnsupportedPtxVersion) ",
    " code=222( cudaErrorUnsupportedPtxVersion ) ",
    ": a PTX JIT compilation failed",
    "results in CUDA_ERROR_INVALID_PTX ",
    checks=("cuda-newer-than-driver", "driver-too-old", "triton-ptxas-too-old"),
    because=("container-wants-newer-driver",),
)
def ptx_too_new(found: Found) -> Verdict | None:
    """PTX was made by a newer CUDA than the one that is to compile it.

    Machine code of a newer CUDA runs on an older driver of the same major version; PTX does not: the driver, or an older
    ptxas, refuses to compile it (error 222). Code that was built for this GPU's own architecture needs no PTX.

    Sources:
    - CUDA runtime, errors 222 and 218; NVIDIA, CUDA Compatibility, "Minor Version Compatibility"
    - EricLBuehler/mistral.rs #2272 (GB10); huggingface/candle #1846; ptxas 12.8 to 13.0 asked
    """
    version, current = found["version"], found["current"]
    before, said, _ = found.line.partition("the provided PTX was compiled with")
    if said and not _printed(before):
        return None
    if version:
        made, has = (f" (CUDA {_CUDA[name]})" if name in _CUDA else "" for name in (version, current))
        what = f"PTX of version {version}{made} is too new for what compiles it, which knows {current}{has}"
        if "ptx input" not in found.line and "application" not in found.line:
            if any("triton" in line.lower() for line in (*found.before, *found.after)):
                return fail(
                    what,
                    remedy="Unset the variables that name another ptxas: the one that Triton brings goes with it.",
                    command="unset TRITON_PTXAS_PATH TRITON_PTXAS_BLACKWELL_PATH",
                )
            return fail(
                what,
                remedy="Use the ptxas of the CUDA that made it: see which one is found, and which toolkits are there.",
                command="command -v ptxas; ptxas --version; ls -d /usr/local/cuda*",
            )
    elif "INVALID_PTX" in found.line or "JIT compilation failed" in found.line:
        what = "the driver could not compile the PTX of a program: it is too new for this driver, or for another GPU"
    else:
        what = "the PTX of a program was made by a newer CUDA than the driver's"
    return _older_cuda(found, what)


def _older_cuda(found: Found, what: str) -> Verdict:
    """How what failed is told to compile for this driver."""
    near = " ".join((*found.before[-6:], found.line, *found.after[:3]))
    if "numba" in near or "cuLinkAdd" in near:
        return fail(
            what,
            remedy="Let numba compile with a CUDA no newer than the driver's; nvidia-smi shows it.",
            command="python3 -m pip install 'numba-cuda[cu13]' 'cuda-toolkit==13.0.*'",
        )
    if "ERROR_UNSUPPORTED_PTX_VERSION)" in found.line or ".julia/" in near:
        return fail(
            what,
            remedy="Let CUDA.jl use a CUDA no newer than the driver's; nvidia-smi shows it.",
            command="julia -e 'using CUDA; CUDA.set_runtime_version!(v\"13.0\")'",
        )
    if "DriverError(" in found.line:
        return fail(
            what,
            remedy="Build it anew for this GPU, with a CUDA no newer than the driver's; nvidia-smi shows it.",
            command=f"export CUDA_COMPUTE_CAP=121 {_CUDA_13} && cargo clean",
        )
    return fail(
        what,
        remedy="Build the program for this GPU's own architecture with a CUDA no newer than the driver's; nvidia-smi shows it.",
        command=f"export TORCH_CUDA_ARCH_LIST=12.1 CUDAARCHS=121 {_CUDA_13}",
    )


def _printed(before: str) -> bool:
    """Whether a program says so, and nobody writes about it: a sign stands before it, or one of the words of such messages."""
    words = before.rstrip()
    if before.endswith(('"', "'", "`")) and words[:-1].endswith(" "):
        words = words[:-1].rstrip()
        return not words or not words[-1].isalnum()
    return not words or not words[-1].isalpha() or words.lower().endswith(("error", "failed"))
