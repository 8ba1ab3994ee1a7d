"""nvcc and the architectures that it is asked for."""

from sparkdoctor.plugin import Found, Verdict, fail, signature
from sparkdoctor_checks.signatures.renewal import renewed

FIRST = {"120": "12.8", "100": "12.8", "103": "12.9", "121": "12.9", "110": "13.0", "90": "11.8", "89": "11.8"}
"""The toolkits that brought an architecture."""


@signature(
    "Unsupported gpu architecture '{architecture}'",
    "Value '{architecture}' is not defined for option 'gpu-architecture'",
    "Value '{architecture}' is not defined for option 'gpu-code'",
    "unsupported CUDA gpu architecture: {architecture:name}",
    "nvrtc: error: invalid value for --gpu-architecture (-arch)",
    checks=("deepspeed-misparses-architecture", "nvcc-lacks-architecture", "arch-list-wrong"),
)
def nvcc_refuses_architecture(found: Found) -> Verdict | None:
    """The CUDA compiler does not know the architecture that it was asked for.

    `compute_1.` is what DeepSpeed before 0.16.4 makes of 12.1; `compute_121` is known to nvcc from CUDA 12.9 on; all before
    `compute_75` were dropped with CUDA 13, and 6.0, 6.1 and 7.0 are DeepSpeed's default for builds without
    TORCH_CUDA_ARCH_LIST. nvrtc, which compiles at run time, says the same without a name.

    Sources:
    - nvcc 12.8 to 13.5 asked; deepspeedai/DeepSpeed #6991
    - ServeurpersoCom/acestep.cpp #11, laugh12321/TensorRT-YOLO #286, pytorch/pytorch #47658, #173754
    """
    architecture = found["architecture"].strip("'\"`")
    if "{" in architecture:
        return None
    if not architecture:
        remedy, command = renewed(found, "Install a PyTorch that is built with CUDA 13.", "--upgrade 'torch>=2.11'")
        return fail(
            "nvrtc, which compiles at run time, does not know this GPU's architecture: 12.1 needs CUDA 12.9 or later",
            remedy=remedy,
            command=command,
        )
    digits = architecture.rpartition("_")[2].rstrip("af")
    if digits.endswith("."):
        return fail(
            f"nvcc was asked for {architecture}: DeepSpeed before 0.16.4 reads 12.1 as `1.`",
            remedy="Mend DeepSpeed's builder, or take DeepSpeed 0.16.4 or later.",
            command="sparkdoctor fix patch-deepspeed",
        )
    if digits.isdigit() and (int(digits) < 75 or digits == "101"):
        return fail(
            f"nvcc was asked for {architecture}, which it has dropped (CUDA 13 begins with 7.5)",
            remedy="Name this GPU's architecture, and build again; in a CMake project, -DCMAKE_CUDA_ARCHITECTURES=121.",
            command="export TORCH_CUDA_ARCH_LIST=12.1 CUDAARCHS=121",
        )
    if not digits:
        return fail(
            f"nvcc was asked for `{architecture}`, an architecture without a number: the build saw no GPU to take it from",
            remedy="Name the architecture, and build again.",
            command="export TORCH_CUDA_ARCH_LIST=12.1 CUDAARCHS=121",
        )
    if not digits.isdigit():
        return fail(
            f"nvcc was asked for {architecture}, which is not the name of an architecture: a GB10 is sm_121",
            remedy="Write it without a point: sm_121 or compute_121 for nvcc, 121 for CMake, 12.1 for PyTorch.",
            command="export TORCH_CUDA_ARCH_LIST=12.1 CUDAARCHS=121",
        )
    first = "12.9" if architecture.endswith("f") else FIRST.get(digits)
    need = f": it came with CUDA {first}" if first else ": it needs a newer CUDA"
    return fail(
        f"nvcc was asked for {architecture}, which it does not know{need}",
        remedy="Build with a toolkit of CUDA 13; with 12.8, build for 12.0, which runs on 12.1 too.",
        command="export CUDA_HOME=/usr/local/cuda-13.0 PATH=/usr/local/cuda-13.0/bin:$PATH",
    )
