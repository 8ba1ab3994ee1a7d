"""The headers of CUTLASS."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "fatal error: cutlass/{header:path}: No such file or directory",
    "fatal error: cute/{header:path}: No such file or directory",
    checks=("deepspeed-cutlass-missing",),
    because=("deepspeed-finds-no-cutlass",),
)
def cutlass_headers_not_found(found: Found) -> Verdict:
    """A compiler did not find the headers of CUTLASS.

    DeepSpeed takes them from CUTLASS_PATH; OpenFold3 0.3.1 sets that to a placeholder where it is unset, and leads to the
    headers of nvidia-cutlass by CPATH. Other projects bring CUTLASS as a submodule of git, which a plain clone leaves empty.

    Sources:
    - openfold3/hacks.py of 0.3.1; op_builder/evoformer_attn.py of DeepSpeed 0.15.4
    - flashinfer-ai/flashinfer #2203
    """
    header = found.line.partition("fatal error: ")[2].partition(":")[0]
    near = " ".join((*found.before, found.line, *found.after))
    if "evoformer" in near or "deepspeed" in near:
        return fail(
            f"the headers of CUTLASS are not where DeepSpeed looks: {header} was not found",
            remedy="Lead DeepSpeed to the headers of CUTLASS; where there are none, it says how to get them.",
            command="sparkdoctor fix find-cutlass",
        )
    return fail(
        f"the headers of CUTLASS are not there: {header} was not found",
        remedy="In a clone of git, get its submodules, then build again.",
        command="git submodule update --init --recursive",
    )
