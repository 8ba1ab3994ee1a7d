"""The banner of NVIDIA's containers about the GPU."""

from sparkdoctor.plugin import Found, Verdict, ok, signature, warn


@signature(
    "Detected {gpu} GPU, which may not yet be supported in this version of the container",
    "Detected {gpu} GPU, which is not yet supported in this version of the container",
    "Detected {gpu} GPU, which is not supported by this container",
    "No supported GPU(s) detected to run this container",
    checks=("torch-lacks-kernels", "torch-cannot-compute"),
)
def container_does_not_know_gpu(found: Found) -> Verdict:
    """A container says that it may not know the GPU.

    "May not yet be supported" stands where the container was built for the same major version of compute capability: code for
    12.0 runs on GB10 (12.1), and the words are harmless. "Is not yet supported" stands where it was not: then kernels that were
    compiled with it do not run, and what needs none works all the same.

    Sources:
    - ChenRocks/UNITER #90, MIC-DKFZ/nnDetection #204, fauxpilot/fauxpilot #69; notes of users of NGC 24.11 on GB10
    """
    if "may not yet" in found.line:
        return ok("the container is older than this GPU; harmless: it has code for the same major version, which runs here")
    return warn(
        "the container was not built for this GPU: its kernels do not run here",
        remedy="Take a newer image of NVIDIA's; 25.11 and later know GB10.",
        command="docker pull nvcr.io/nvidia/pytorch:25.11-py3",
    )
