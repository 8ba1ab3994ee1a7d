"""Triton's kernels and the assembler that it calls."""

from sparkdoctor.plugin import ANYTHING, Found, Verdict, fail, signature


@signature(
    "Internal Triton PTX codegen error",
    "PTXAS error: {error}",
    "`ptxas` raised {error}",
    "`ptxas` failed with error code {error}",
    checks=("triton-cannot-compile", "triton-ptxas-too-old"),
    because=("ptxas-refuses-architecture", ANYTHING),
)
def triton_codegen_failed(found: Found) -> Verdict | None:
    """Triton's assembler refused a kernel.

    What ptxas said stands below, behind "`ptxas` stderr:", and the command that repeats it behind "Repro command:".

    Sources:
    - make_cubin in triton/backends/nvidia/compiler.py of 3.4 to 3.6; triton-lang/triton #8539; mlcommons/training #826
    """
    if "raise " in found.line or "error = " in found.line:
        return None
    return fail(
        "Triton could not assemble a kernel: what ptxas said about it is the cause",
        remedy="See whether Triton's ptxas is the one for this GPU, and give it the toolkit's where it is not.",
        command="sparkdoctor check triton-ptxas-too-old",
    )
