"""torch.compile."""

from sparkdoctor.plugin import ANYTHING, Found, Verdict, fail, ok, signature


@signature(
    "BackendCompilerFailed: backend='{backend:name}' raised: ",
    "BackendCompilerFailed: {backend:name} raised {error}",
    " torch._inductor.exc.InductorError: {error}",
    checks=("triton-cannot-compile", "compiler-missing", "python-headers-missing"),
    because=("triton-compiler-failed", ANYTHING),
)
def torch_compile_failed(found: Found) -> Verdict:
    """torch.compile could not compile a model.

    The error of Triton or of the C compiler that it names is the cause. A process that was told to suppress such errors prints
    them, and goes on without compiling.

    Sources:
    - torch/_dynamo/exc.py and torch/_inductor/exc.py of PyTorch 2.13; unslothai/unsloth #1175; FoundationVision/Infinity #31
    """
    if "convert_frame.py" in found.line or "WON'T CONVERT" in " ".join(found.before):
        return ok("torch.compile left a part of the model uncompiled, which runs all the same")
    return fail(
        "torch.compile could not compile: the error that it names is the cause",
        remedy="Mend what that error says; until then, run without compiling.",
        command="export TORCH_COMPILE_DISABLE=1",
    )
