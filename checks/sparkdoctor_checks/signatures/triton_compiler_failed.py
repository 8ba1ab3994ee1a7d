"""Triton's compiler."""

from sparkdoctor.plugin import ANYTHING, Found, Verdict, fail, signature


@signature(
    "RuntimeError: PassManager::run failed",
    checks=("triton-cannot-compile", "triton-torch-mismatch"),
    because=("instruction-not-on-this-gpu", "llvm-lacks-architecture", "triton-refuses-ptxas", ANYTHING),
)
def triton_compiler_failed(found: Found) -> Verdict:
    """Triton's own passes could not compile a kernel.

    What they say of it stands above, and is the cause: most often an operation that this Triton cannot yet do for this GPU.

    Sources:
    - make_ttgir and make_llir in triton/backends/nvidia/compiler.py of Triton 3.1 to 3.9
    - meta-recsys/generative-recommenders #202; lllyasviel/FramePack #350
    """
    del found
    return fail(
        "Triton could not compile a kernel: its own passes failed",
        remedy="See whether Triton can compile anything here; if so, it is this kernel's trouble with this Triton.",
        command="sparkdoctor check --deep triton-cannot-compile",
    )
