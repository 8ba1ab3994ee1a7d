"""The libraries of bitsandbytes."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "Could not find the bitsandbytes CUDA binary at {file}",
    "Configured {backend:word} binary not found at {file:path}",
    "CUDA SETUP: Required library version not found: {file:path}. Maybe you need to compile it from source?",
    "Library not found: {file:path}. Maybe you need to compile it from source?",
    "Could not load bitsandbytes native library: {why}",
    "CUDA Setup failed despite {what:word} being available",
    checks=("torch-without-cuda",),
    because=(
        "cuda-library-missing",
        "libstdcxx-too-old",
        "library-for-other-machine",
        "torch-is-cpu-build",
        "no-cuda-device",
        "driver-not-found",
    ),
)
def bitsandbytes_not_loaded(found: Found) -> Verdict | None:
    """Bitsandbytes has no library for the CUDA that PyTorch was built with.

    It brings one for each version of CUDA that its release knows, and takes that of PyTorch, or of BNB_CUDA_VERSION. Wheels for
    aarch64, and for CUDA 13, came late; the old `py3-none-any` wheels hold code for x86-64 only.

    Sources:
    - bitsandbytes-foundation/bitsandbytes #427, #1172, #1559, #1615, #1848; unslothai/unsloth #2615
    """
    file = found["file"].rstrip("').\"").rpartition("/")[2]
    around = (*found.before, found.line, *found.after)
    if file and "libbitsandbytes" not in file:
        return None
    if 'f"' in found.line or "raise " in found.line:
        return None
    digits = file.partition("_cuda")[2].partition(".")[0].partition("_")[0]
    version = f"{digits[:-1]}.{digits[-1]}" if digits.isdigit() and len(digits) > 2 else ""
    if any("BNB_CUDA_VERSION=" in line and "detected" in line for line in around):
        return fail(
            f"bitsandbytes was told by BNB_CUDA_VERSION to load what it does not have{f' (CUDA {version})' if version else ''}",
            remedy="Let it take the CUDA that PyTorch was built with.",
            command="unset BNB_CUDA_VERSION",
        )
    if digits.isdigit() and int(digits) > 130:
        return fail(
            f"this bitsandbytes has no library for CUDA {version}",
            remedy="Let it take that for CUDA 13.0, which goes with every CUDA 13; or upgrade it.",
            command="export BNB_CUDA_VERSION=130",
        )
    return fail(
        f"this bitsandbytes has no library for {f'CUDA {version}' if version else 'this machine and this CUDA'}",
        remedy="Upgrade it: its newer releases have those for CUDA 13 and for aarch64.",
        command="python3 -m pip install --upgrade bitsandbytes",
    )
