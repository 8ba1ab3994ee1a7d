"""nvcc against PyTorch, as DeepSpeed compares them."""

from sparkdoctor.plugin import Found, Verdict, fail, ok, signature
from sparkdoctor_checks.signatures.renewal import renewed


@signature(
    "Installed CUDA version {toolkit:number} does not match the version torch was compiled with {torch:number}",
    checks=("deepspeed-cuda-mismatch", "nvcc-torch-mismatch", "cuda-home-wrong"),
)
def deepspeed_refuses_toolkit(found: Found) -> Verdict:
    """DeepSpeed does not build with this CUDA beside this PyTorch.

    It compares to the minor version, and its table of minor versions that may be mixed knows no CUDA 13. Within one major version
    the check may be switched off; across two it is right.

    Sources:
    - DeepSpeed, op_builder/builder.py (assert_no_cuda_mismatch), 0.15.4 to 0.19.8
    """
    toolkit, torch = found["toolkit"].strip("."), found["torch"].strip(".")
    text = f"the toolkit is CUDA {toolkit}, PyTorch was built with CUDA {torch}"
    if "accepting this combination" in found.line or "Allowing this combination" in found.line:
        return ok(f"{text}: DeepSpeed takes them together")
    if toolkit.partition(".")[0] == torch.partition(".")[0]:
        return fail(
            f"{text}: DeepSpeed refuses to mix them, though within one major version they go together",
            remedy="Tell DeepSpeed so.",
            command="export DS_SKIP_CUDA_CHECK=1",
        )
    if _major(toolkit) < _major(torch):
        return fail(
            f"{text}: the toolkit is too old for this PyTorch",
            remedy=f"Point CUDA_HOME at a toolkit of CUDA {_major(torch)}.",
            command=f"export CUDA_HOME=/usr/local/cuda-{torch} PATH=/usr/local/cuda-{torch}/bin:$PATH",
        )
    remedy, command = renewed(found, f"Install a PyTorch for CUDA {_major(toolkit)}.", "--force-reinstall 'torch>=2.11'")
    return fail(f"{text}: this PyTorch is too old for the toolkit", remedy=remedy, command=command)


def _major(version: str) -> int:
    return int(version.partition(".")[0] or 0)
