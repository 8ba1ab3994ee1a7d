"""The banner of NVIDIA's containers where there is no driver."""

from sparkdoctor.plugin import Found, Verdict, signature, warn


@signature(
    "WARNING: The NVIDIA Driver was not detected.",
    checks=("gpu-not-visible", "driver-missing"),
)
def container_without_gpu(found: Found) -> Verdict:
    """A container was started without the GPU.

    No driver reaches it: it was started without --gpus all (or --runtime=nvidia), or the host has none. What needs no GPU, as
    a build, works all the same.

    Sources:
    - NVIDIA's container entry point (10-banner.sh, 50-gpu-driver-check.sh)
    - NVIDIA Container Toolkit documentation
    """
    del found
    return warn(
        "the container was started without the GPU: it sees no driver",
        remedy="Start it with --gpus all (podman: --device nvidia.com/gpu=all); first see whether docker can hand the GPU on.",
        command="docker run --rm --gpus all ubuntu nvidia-smi",
    )
