"""Triton without a driver."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

BUILDS = ("docker build", "docker buildx", "podman build", "buildah", "RUN ", "/bin/sh -c", "Dockerfile")


@signature(
    "0 active drivers ([]). There should only be one",
    "libcuda.so cannot found!",
    "RuntimeError: Could not find an active GPU backend",
    checks=("driver-missing", "gpu-not-visible", "deepspeed-import-dies"),
)
def triton_finds_no_driver(found: Found) -> Verdict:
    """Triton finds no driver of a GPU.

    It loads libcuda.so.1, which comes with the driver and is put into a container by the container toolkit when that is started
    with a GPU; never while an image is built. torch.compile's workers say it in their own words. DeepSpeed 0.15 with Triton
    3.2 asks for it at import already.

    Sources:
    - triton/runtime/driver.py and backends/nvidia/driver.py of Triton 3.1 to 3.9, run
    - deepspeedai/DeepSpeed #7028; deepseek-ai/DeepSeek-R1 #493; triton-lang/triton #1981, #2883
    - set_driver_to_gpu in torch/_inductor/runtime/triton_helpers.py; pytorch/pytorch #177357
    """
    if "active GPU backend" in found.line:
        return fail(
            "a worker process of torch.compile sees no GPU, though the program itself may",
            remedy="Let it compile in the program's own process.",
            command="export TORCHINDUCTOR_COMPILE_THREADS=1",
        )
    around = " ".join((*found.before, found.line, *found.after))
    if any(mark in around for mark in BUILDS):
        return fail(
            "Triton was asked for a GPU while an image was built, where there is none",
            remedy="Leave to the first start what needs the GPU; a DeepSpeed from 0.17.6 on can be imported without one.",
        )
    if "Possible files are located" in around:
        return fail(
            "Triton finds libcuda.so.1, and wants a libcuda.so beside it",
            remedy="Say where the driver's library lies, or upgrade Triton.",
            command="export TRITON_LIBCUDA_PATH=/usr/lib/aarch64-linux-gnu",
        )
    return fail(
        "Triton finds no driver: no GPU can be seen from here",
        remedy="Start the container with the GPU (--gpus all); outside of one, look after the driver.",
        command="sparkdoctor check driver-missing gpu-not-visible",
    )
