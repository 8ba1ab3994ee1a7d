"""DeepSpeed's operators, built on installation."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    " Unable to pre-compile {operator:name}",
    checks=("libaio-missing", "deepspeed-cutlass-missing"),
    because=(
        "deepspeed-finds-no-cutlass",
        "deepspeed-without-libaio",
        "deepspeed-finds-no-toolkit",
        "cuda-toolkit-not-found",
    ),
)
def deepspeed_precompile_fails(found: Found) -> Verdict:
    """DeepSpeed's installation stops at an operator that it cannot build.

    DS_BUILD_OPS=1 asks for all operators, and before 0.15.1 one that cannot be built ends it. 0 does not mean without them: each
    is built when it is first used.

    Sources:
    - setup.py of DeepSpeed 0.15.1; deepspeedai/DeepSpeed #1401, #3211, #4658, #4968
    """
    operator = found["operator"].rstrip(",.")
    if "torch installed" in found.line or "install torch" in found.line:
        return fail(
            "DeepSpeed was to be installed with its operators built, and there is no PyTorch to build them for",
            remedy="Install PyTorch first, and let the build see it.",
            command="python3 -m pip install 'torch>=2.11' && python3 -m pip install --no-build-isolation deepspeed",
        )
    return fail(
        f"DeepSpeed was to be installed with {operator} built, which cannot be built here",
        remedy="Install it without building: each is built when it is first used.",
        command="DS_BUILD_OPS=0 python3 -m pip install --no-build-isolation deepspeed",
    )
