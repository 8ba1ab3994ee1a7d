"""LLVM in Triton and other packages."""

from sparkdoctor.plugin import Found, Verdict, fail, signature, warn
from sparkdoctor_checks.signatures.renewal import renewed


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
    - NVIDIA/cuEquivariance #255; lllyasviel/FramePack #8; woct0rdho/triton-windows #93; fishaudio/fish-speech #907
    - triton-lang/triton #6087, #6859
    """
    if "computeCapability" in found.line:
        remedy, command = renewed(
            found, "Upgrade PyTorch, which brings the Triton that belongs to it.", "--upgrade 'torch>=2.11'"
        )
        what = "this Triton is older than the GPU, and ends at its first matrix product"
        return fail(what, remedy=remedy, command=command)
    architecture = found["architecture"]
    if not architecture.startswith("sm_"):
        return None
    if any("cuequivariance" in line.lower() for line in (*found.before, found.line, *found.after)):
        return warn(
            f"the compiler (LLVM) in cuEquivariance's operators does not know {architecture}",
            remedy="Take cuEquivariance 0.9 or later, with the operators for PyTorch's CUDA.",
            command="python3 -m pip install --upgrade 'cuequivariance-torch>=0.9' 'cuequivariance-ops-torch-cu13>=0.9'",
        )
    remedy, command = renewed(found, "Upgrade PyTorch and Triton.", "--upgrade 'torch>=2.11' 'triton>=3.6'")
    return warn(f"a compiler in a Python package (LLVM) does not know {architecture}", remedy=remedy, command=command)
