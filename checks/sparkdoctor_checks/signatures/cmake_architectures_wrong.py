"""CMAKE_CUDA_ARCHITECTURES."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "CMAKE_CUDA_ARCHITECTURES must be {what} if set",
    " is not one of the following:",
    "CUDA_ARCHITECTURES is empty for target",
    "Unknown CUDA Architecture Name {name} in CUDA_SELECT_NVCC_ARCH_FLAGS",
    'CUDA_ARCHITECTURES is set to "native", but',
    checks=("gpu-not-visible", "nvcc-lacks-architecture"),
)
def cmake_architectures_wrong(found: Found) -> Verdict | None:
    """CMake cannot use the CUDA architectures that it was given.

    CMake wants numbers without a point: 121, not 12.1. `native` asks the GPU that is there, and there is none in `docker build`.

    Sources:
    - k2-fsa/k2 #1344; FindCUDA/select_compute_arch.cmake
    - CMake 3.25, run; cmake.org, CMAKE_CUDA_ARCHITECTURES and CUDA_ARCHITECTURES
    """
    if "following:" in found.line and not any("CMAKE_CUDA_ARCHITECTURES" in line for line in found.before[-6:]):
        return None
    if name := found["name"].partition("(")[0]:
        return fail(
            f"the build's own list of architectures does not know {name}",
            remedy="Take newer sources, or a newer PyTorch, whose list knows it; until then, PTX for 9.0 runs here too.",
            command="export TORCH_CUDA_ARCH_LIST=9.0+PTX",
        )
    native = "native" in found.line
    what = (
        "asks for the GPU that is there, and there is none" if native else "is empty or written in a way that CMake does not know"
    )
    return fail(
        f"CMAKE_CUDA_ARCHITECTURES {what}",
        remedy="Name the architecture as CMake wants it, 121 (not by -D as well), and configure in an empty directory.",
        command="export CUDAARCHS=121",
    )
