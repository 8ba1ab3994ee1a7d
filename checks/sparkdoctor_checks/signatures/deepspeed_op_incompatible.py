"""Operators that DeepSpeed refuses to build at first use."""

from sparkdoctor.plugin import ANYTHING, Found, Verdict, fail, signature


@signature(
    "Unable to JIT load the {operator:name} op due to it not being compatible due to hardware/software issue. {reason}",
    "Unable to JIT load the {operator:name} op due to it not being compatible due to hardware/software issue",
    "Unable to JIT load the {operator:name} op due to ninja not being installed",
    checks=("deepspeed-cutlass-missing", "nvcc-missing", "libaio-missing", "ninja-missing"),
    because=("deepspeed-finds-no-cutlass", "deepspeed-without-libaio", "deepspeed-finds-no-toolkit", ANYTHING),
)
def deepspeed_op_incompatible(found: Found) -> Verdict:
    """DeepSpeed refuses to build an operator at first use.

    It asks its builder whether the operator is compatible, and prints the builder's last warning; `None` where it was told to be
    silent. For evoformer_attn that is CUTLASS, all but always.

    Sources:
    - jit_load in op_builder/builder.py of DeepSpeed 0.15.4 to 0.19.8, run
    - aqlaboratory/openfold-3 #218
    """
    operator = found["operator"]
    if "due to ninja" in found.line:
        return fail(
            f"DeepSpeed cannot build {operator}: ninja is not there",
            remedy="Install it, or activate the environment that has it.",
            command="sparkdoctor fix install-build-tools",
        )
    if operator == "evoformer_attn":
        return fail(
            "DeepSpeed refuses to build evoformer_attn: it finds no CUTLASS, or no CUDA 11 or later",
            remedy="Lead DeepSpeed to the headers of CUTLASS; where there are none, it says how to get them.",
            command="sparkdoctor fix find-cutlass",
        )
    if operator in {"async_io", "gds"}:
        return fail(
            f"DeepSpeed refuses to build {operator}: libaio is missing",
            remedy="Install libaio's development files.",
            command="sparkdoctor fix install-build-tools",
        )
    return fail(
        f"DeepSpeed refuses to build {operator}",
        remedy="Ask DeepSpeed for the reason.",
        command="python3 -m deepspeed.env_report",
    )
