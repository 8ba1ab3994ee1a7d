"""Triton's compiler."""

from sparkdoctor.plugin import ANYTHING, Found, Verdict, fail, signature


@signature(
    "RuntimeError: PassManager::run failed",
    "Internal Triton PTX codegen error",
    "`ptxas` failed with error code {code:int}",
    "`ptxas` raised SIGSEGV",
    checks=("triton-cannot-compile", "triton-ptxas-too-old", "triton-torch-mismatch"),
    because=("instruction-not-on-this-gpu", "llvm-lacks-architecture", "triton-refuses-ptxas", ANYTHING),
)
def triton_compiler_failed(found: Found) -> Verdict:
    """Triton could not compile a kernel.

    What its own passes or ptxas say of it stands near by, and is the cause.

    Sources:
    - make_ttgir, make_llir and make_cubin in triton/backends/nvidia/compiler.py of Triton 3.1 to 3.9
    - triton-lang/triton #8539; lllyasviel/FramePack #350
    """
    whose = "Triton's own passes" if "PassManager" in found.line else "ptxas"
    return fail(
        f"Triton could not compile a kernel: {whose} failed",
        remedy="See whether Triton can compile anything here; if so, it is this kernel's trouble with this Triton.",
        command="sparkdoctor check --deep triton-cannot-compile triton-ptxas-too-old",
    )
