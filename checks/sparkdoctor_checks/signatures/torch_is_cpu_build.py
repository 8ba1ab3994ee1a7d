"""PyTorch without CUDA."""

from sparkdoctor.plugin import Found, Verdict, fail, signature
from sparkdoctor_checks.signatures.renewal import in_nvidias_image


@signature(
    "AssertionError: Torch not compiled with CUDA enabled",
    "RuntimeError: PyTorch was compiled without CUDA support",
    "RuntimeError: PyTorch is not linked with support for cuda devices",
    checks=("torch-without-cuda",),
    because=("torch-replaced",),
)
def torch_is_cpu_build(found: Found) -> Verdict:
    """The PyTorch that runs was built without CUDA.

    `pip install torch` on aarch64 took a CPU build up to 2.10; from 2.11 on the same command takes a CUDA 13 build. Another
    package that asks for an older PyTorch brings the CPU build back.

    Sources:
    - torch/cuda/__init__.py; the aarch64 wheels of PyTorch 2.8 to 2.15 on PyPI
    """
    if in_nvidias_image(found):
        return fail(
            "this PyTorch is a CPU build: something has replaced the one of NVIDIA's image",
            remedy="Start the image anew, and install nothing that brings a PyTorch of its own; pip shows which one is there.",
            command="python3 -m pip show torch",
        )
    return fail(
        "this PyTorch is a CPU build; PyPI's aarch64 wheels before 2.11 are all CPU builds",
        remedy="Install a CUDA build over it.",
        command="python3 -m pip install --force-reinstall 'torch>=2.11'",
    )
