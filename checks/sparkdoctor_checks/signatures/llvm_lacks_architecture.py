"""LLVM in Triton and other packages."""

from sparkdoctor.plugin import Found, Verdict, fail, signature, warn


@signature(
    "'{architecture:name}' is not a recognized processor for this target",
    'Assertion `false && "computeCapability not supported"\' failed',
    'Assertion failed: false && "computeCapability not supported"',
    checks=("triton-torch-mismatch", "triton-cannot-compile", "cuequivariance-too-old"),
)
def llvm_lacks_architecture(found: Found) -> Verdict | None:
    """A package's compiler (LLVM, Triton) does not know this GPU.

    It goes on as for a very old GPU. Simple kernels work; one that needs anything newer ends the process with
    `LLVM ERROR: Cannot select`. Triton knows 12.x from 3.3 on, cuEquivariance 12.1 from 0.9 on.

    Sources:
    - NVIDIA/cuEquivariance #209, #255; lllyasviel/FramePack #8; triton-lang/triton #6087, #6859
    """
    if "computeCapability" in found.line:
        return fail(
            "this Triton is older than the GPU, and ends at its first matrix product",
            remedy="Upgrade PyTorch, which brings the Triton that belongs to it.",
            command="python -m pip install --upgrade 'torch>=2.11'",
        )
    architecture = found["architecture"]
    if not architecture.startswith("sm_"):
        return None
    return warn(
        f"a compiler in a Python package (LLVM) does not know {architecture}",
        remedy="Upgrade PyTorch and Triton, and the package that brings its own compiler.",
        command="python -m pip install --upgrade 'torch>=2.11' 'triton>=3.6'",
    )
