"""PyTorch Lightning without a GPU."""

from sparkdoctor.plugin import ANYTHING, Found, Verdict, fail, signature


@signature(
    "No supported gpu backend found!",
    "{accelerator:word} can not run on your system since the accelerator is not available",
    "You requested gpu: {wanted}",
    "But your machine only has: []",
    checks=("gpu-not-visible", "torch-without-cuda", "driver-missing"),
    because=("container-without-gpu", ANYTHING),
)
def gpu_backend_not_found(found: Found) -> Verdict | None:
    """PyTorch reaches no GPU, and the settings ask for one.

    It was built without CUDA, or is in a container without `--gpus all`, or the driver does not answer.

    Sources:
    - OpenFold3 0.5.0, run on a machine without a GPU; lightning's accelerator_connector.py
    """
    if "raise " in found.line or (
        found["accelerator"] and "CUDA" not in found["accelerator"] and "GPU" not in found["accelerator"]
    ):
        return None
    if found["wanted"] and not any("only has: []" in line for line in found.after[:2]):
        return None
    return fail(
        "PyTorch reaches no GPU: it has no CUDA, the container has no GPU, or the driver does not answer",
        remedy="See which of these it is.",
        command="sparkdoctor check gpu-not-visible torch-without-cuda",
    )
