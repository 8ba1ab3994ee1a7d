"""GPUs that a running container has lost."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "Failed to initialize NVML: Unknown Error",
    checks=("gpu-not-visible",),
)
def container_lost_gpu(found: Found) -> Verdict:
    """A running container has lost its GPU.

    `systemctl daemon-reload` on the host, as updates do, takes the device nodes from containers whose control group systemd
    manages. A new start of the container gives them back.

    Sources:
    - NVIDIA/nvidia-container-toolkit #48, #1227; NVIDIA/nvidia-docker #1671, #1730
    """
    del found
    return fail(
        "the container has lost its GPU: a reload of systemd on the host takes the device nodes from running containers",
        remedy="Start the container again; with --device=nvidia.com/gpu=all (CDI) it does not come back.",
    )
