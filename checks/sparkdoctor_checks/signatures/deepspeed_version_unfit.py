"""Versions of DeepSpeed that do not go with what is around them."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

UPGRADE = "python3 -m pip install --upgrade 'deepspeed>=0.18.7'"


@signature(
    "No module named 'torch._six'",
    "cannot import name '{name:name}' from 'torch.distributed.elastic.agent.server.api'",
    "TypeError: object of type 'PosixPath' has no len()",
    "{library:name} version mismatch! DeepSpeed ops were compiled and installed with a different version",
    checks=("deepspeed-version-conflict",),
)
def deepspeed_version_unfit(found: Found) -> Verdict | None:
    """DeepSpeed does not go with this PyTorch, or is a broken release.

    `torch._six` went with PyTorch 2.0, `log` of the elastic agent with 2.3: an older DeepSpeed imports them. 0.18.5 and
    0.18.6 cannot build evoformer_attn from a CUTLASS_PATH. Operators that were built on installation hold for that PyTorch
    and CUDA only.

    Sources:
    - deepspeedai/DeepSpeed #2845, #5337, #7760, #7862; validate_torch_version in op_builder/builder.py
    """
    ours = "deepspeed" in " ".join(found.before).lower()
    if "PosixPath" in found.line:
        if not ours:
            return None
        return fail(
            "this DeepSpeed (0.18.5 or 0.18.6) cannot build evoformer_attn: it takes the length of a path",
            remedy="Install a DeepSpeed that suits.",
            command=UPGRADE,
        )
    if found["library"]:
        return fail(
            f"DeepSpeed's operators were built for another {found['library']} than the one that runs",
            remedy="Install DeepSpeed anew, without building operators: they are built when they are first used.",
            command="DS_BUILD_OPS=0 python3 -m pip install --force-reinstall --no-deps --no-cache-dir deepspeed",
        )
    whose = "this DeepSpeed" if ours or "elastic" in found.line else "a package"
    return fail(
        f"{whose} is older than the PyTorch beside it, and imports what is no longer there",
        remedy="Upgrade the package that the traceback names." if whose == "a package" else "Install a DeepSpeed that suits.",
        command=None if whose == "a package" else UPGRADE,
    )
