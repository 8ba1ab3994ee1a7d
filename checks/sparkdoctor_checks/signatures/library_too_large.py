"""Libraries of more than 2 GB."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "relocation truncated to fit: R_{kind:name} against",
    "relocation R_{kind:name} out of range",
    checks=("arch-list-wrong",),
)
def library_too_large(found: Found) -> Verdict | None:
    """A library that is linked has grown beyond what its code can reach.

    Code reaches 2 GB on x86-64 and 4 GB on aarch64. A CUDA library holds every kernel once for each architecture, and one that is
    built for all of them grows beyond that.

    Sources:
    - pytorch/pytorch #70521, ginkgo-project/ginkgo #1734
    """
    around = " ".join((*found.before, found.line, *found.after)).lower()
    if not any(mark in around for mark in ("cuda", "nvcc", ".cu.o", "fatbin")):
        return None
    return fail(
        "a library with CUDA code is too large to be linked: it is built for too many architectures",
        remedy="Build it for this GPU alone; where CMake builds it, with -DCMAKE_CUDA_ARCHITECTURES=121.",
        command="export TORCH_CUDA_ARCH_LIST=12.1",
    )
