"""What builds want of the CUDA toolkit."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

HEADERS = frozenset(
    (
        "cuda.h cuda_runtime.h cuda_runtime_api.h cuda_fp16.h cuda_bf16.h cuda_fp8.h cuda_device_runtime_api.h "
        "device_launch_parameters.h device_functions.h host_config.h host_defines.h cublas_v2.h cublas.h cublasLt.h "
        "cublas_api.h cusparse.h cusparse_v2.h cusolverDn.h cusolverSp.h cusolver_common.h curand.h curand_kernel.h "
        "curand_mtgp32_kernel.h cufft.h cufftXt.h nvrtc.h nvJitLink.h nvml.h nvToolsExt.h cupti.h cuda_profiler_api.h "
        "cudaProfiler.h cooperative_groups.h vector_types.h npp.h nppi.h"
    ).split()
)
LIBRARIES = frozenset(
    (
        "cudart cudart_static cudadevrt curand cublas cublasLt cusparse cusolver cufft nvrtc nvToolsExt nvJitLink cupti nppc cuda"
    ).split()
)
PROGRAMS = frozenset(("cicc cudafe++ ptxas fatbinary nvlink bin2c nvdisasm cuobjdump").split())
CCCL = ("thrust/", "cub/", "cuda/std/", "nv/target")


@signature(
    "fatal error: {header:path}: No such file or directory",
    "fatal error: '{header:path}' file not found",
    " cannot find -l{library:name}",
    "unable to find library -l{library:name}",
    " {program:path}: not found ",
    " {program:path}: No such file or directory ",
    "Path to libdevice library not specified",
    checks=("curand-missing", "nvcc-missing", "nvcc-cannot-compile"),
)
def toolkit_incomplete(found: Found) -> Verdict | None:
    """A header, library or program of the CUDA toolkit was not found.

    PyTorch's headers include cusparse.h, cublas_v2.h and cusolverDn.h, kernels curand_kernel.h, and linkers want libcurand and
    libcudart: a toolkit with nvcc alone does not do, nor one that pip installed in parts. Conda keeps libraries in
    targets/sbsa-linux/lib, where no linker looks by itself. CUDA 13 moved Thrust and CUB to include/cccl.

    Sources:
    - DeepSpeed 0.15.4's evoformer_attn, compiled with nvcc 13.0.88 and without these headers
    - OpenFold3's installation page (LIBRARY_PATH for aarch64); deepmodeling/abacus-develop #7155, hz-b/rayx #473 (include/cccl)
    - microsoft/TRELLIS #195, facebookresearch/xformers #516
    """
    if found["header"]:
        return _header(found["header"], found.line)
    if found["library"]:
        return _library(found["library"], " ".join((*found.before, found.line)))
    program = found["program"].rpartition("/")[2] if found["program"] else "libdevice"
    return _lacking(program) if program in PROGRAMS or not found["program"] else None


def _lacking(what: str) -> Verdict:
    return fail(
        f"the CUDA toolkit that is used is not whole: {what} was not found",
        remedy="Install the whole CUDA toolkit and point CUDA_HOME at it.",
        command="sudo apt install cuda-toolkit-13-0 && export CUDA_HOME=/usr/local/cuda",
        needs_root=True,
    )


def _header(header: str, line: str) -> Verdict | None:
    name = header.rpartition("/")[2]
    if "conftest" in line or "CMakeScratch" in line:
        return None
    if name == "cuda_cmake_macros.h":
        return fail(
            f"{name} was not found: the PyTorch that is installed was built without CUDA",
            remedy="Install a PyTorch with CUDA, and build again.",
            command="python3 -m pip install --force-reinstall 'torch>=2.11'",
        )
    if header.startswith(CCCL):
        return fail(
            f"{header} was not found: CUDA 13 keeps Thrust, CUB and libcu++ in include/cccl",
            remedy="Show the compiler the way.",
            command="export CPLUS_INCLUDE_PATH=/usr/local/cuda/include/cccl:$CPLUS_INCLUDE_PATH",
        )
    if name == "nvToolsExt.h" and not header.startswith("nvtx3/"):
        return fail(
            f"{name} was not found: CUDA 13 has it as nvtx3/nvToolsExt.h alone",
            remedy="Take a version of the package that knows CUDA 13, or show the compiler the way.",
            command="export CPLUS_INCLUDE_PATH=/usr/local/cuda/include/nvtx3:$CPLUS_INCLUDE_PATH",
        )
    return _lacking(header) if name in HEADERS else None


def _library(library: str, near: str) -> Verdict | None:
    if library not in LIBRARIES:
        return None
    if library == "cuda":
        return fail(
            "the linker did not find libcuda, which is the driver's, not the toolkit's",
            remedy="Show it the toolkit's stand-in for it; in a container, start that with the GPU.",
            command="export LIBRARY_PATH=/usr/local/cuda/lib64/stubs:$LIBRARY_PATH",
        )
    if "conda" in near or "sbsa-linux" in near:
        return fail(
            f"the linker did not find lib{library}, which conda keeps where no linker looks by itself",
            remedy="Show the linker the way.",
            command="export LIBRARY_PATH=$CONDA_PREFIX/targets/sbsa-linux/lib:$LIBRARY_PATH",
        )
    return _lacking(f"lib{library}")
