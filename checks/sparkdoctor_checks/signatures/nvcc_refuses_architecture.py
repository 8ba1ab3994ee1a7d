"""nvcc and the architectures that it is asked for."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "Unsupported gpu architecture '{architecture}'",
    checks=("deepspeed-misparses-architecture", "nvcc-lacks-architecture", "arch-list-wrong"),
)
def nvcc_refuses_architecture(found: Found) -> Verdict:
    """The compiler nvcc does not know the architecture that it was asked for.

    `compute_1.` is what DeepSpeed before 0.16.4 makes of 12.1; `compute_121` is known to nvcc from CUDA 12.9 on; `compute_60`,
    `61` and `70` were dropped with CUDA 13, and are DeepSpeed's default for builds without TORCH_CUDA_ARCH_LIST.

    Sources:
    - nvcc 12.8 to 13.5 asked; deepspeedai/DeepSpeed #6991
    """
    architecture = found["architecture"]
    digits = architecture.rpartition("_")[2].rstrip("af")
    if digits.endswith("."):
        return fail(
            f"nvcc was asked for {architecture}: DeepSpeed before 0.16.4 reads 12.1 as “1.”",
            remedy="Mend DeepSpeed's builder, or take DeepSpeed 0.16.4 or later.",
            command="sparkdoctor fix patch-deepspeed",
        )
    if digits.isdigit() and int(digits) < 75:
        return fail(
            f"nvcc was asked for {architecture}, which CUDA 13 has dropped",
            remedy="Name this GPU's architecture, and build again.",
            command="export TORCH_CUDA_ARCH_LIST=12.1",
        )
    return fail(
        f"nvcc was asked for {architecture}, which it does not know: 12.1 needs CUDA 12.9 or later",
        remedy="Build with a toolkit of CUDA 13; with 12.8, build for 12.0, which runs on 12.1 too.",
        command="export CUDA_HOME=/usr/local/cuda-13.0 PATH=/usr/local/cuda-13.0/bin:$PATH",
    )
