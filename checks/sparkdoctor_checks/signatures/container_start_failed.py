"""Containers that were not started."""

from sparkdoctor.plugin import ANYTHING, Found, Verdict, fail, signature


@signature(
    "OCI runtime create failed: {words}",
    "failed to create task for container: {words}",
    "failed to create shim task: {words}",
    "failed to create containerd task: {words}",
    "Error: failed to start container {words}",
    "Error: failed to create containerd container: {words}",
    "error during container init: {words}",
    "OCI runtime exec failed: {words}",
    because=(ANYTHING,),
)
def container_start_failed(found: Found) -> Verdict:
    """A container could not be started.

    These words only wrap those of the runtime: the end of the line, or the next one, says why.

    Sources:
    - NVIDIA/nvidia-container-toolkit #102, #1239; AbdBarho/stable-diffusion-webui-docker #703
    """
    del found
    return fail(
        "the container was not started: the end of the line, or the next one, says why",
        remedy="Read it from the end. Start the same image without the GPU to see whether that is the reason.",
        command="docker info | grep -iE 'runtime|cdi|root dir'",
    )
