"""The banner of NVIDIA's containers about the GPU."""

from sparkdoctor.plugin import Found, Verdict, fail, ok, signature


@signature(
    "Detected {gpu} GPU, which may not yet be supported in this version of the container",
    "Detected {gpu} GPU, which is not yet supported in this version of the container",
    "Detected {gpu} GPU, which is not supported by this container",
    "No supported GPU(s) detected to run this container",
    checks=("torch-lacks-kernels", "torch-cannot-compute"),
)
def container_does_not_know_gpu(found: Found) -> Verdict:
    """A container says that it may not know the GPU.

    “May not yet be supported” stands where the container was built for the same major version of compute capability: code for
    12.0 runs on GB10 (12.1), and the words are harmless. “Is not yet supported” stands where it was not: nothing runs.

    Sources:
    - NVIDIA's container entry point (checkSMVER.sh)
    - NVIDIA, NGC containers 25.01 to 25.05 on GB10
    """
    if "may not yet" in found.line:
        return ok("the container is older than this GPU; harmless: it has code for the same major version, which runs here")
    return fail(
        "the container was not built for this GPU",
        remedy="Take a newer image of NVIDIA's; 25.11 and later know GB10.",
        command="docker pull nvcr.io/nvidia/pytorch:25.11-py3",
    )
