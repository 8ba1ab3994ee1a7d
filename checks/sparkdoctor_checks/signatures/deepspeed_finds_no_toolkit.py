"""The CUDA toolkit, where DeepSpeed looks for it."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    " CUDA_HOME does not exist, unable to compile CUDA op(s)",
    "MissingCUDAException: Unable to run {nvcc:path}, unable to compile CUDA op(s)",
    "No such file or directory: '{home:path}/bin/nvcc'",
    checks=("nvcc-missing", "cuda-home-wrong", "deepspeed-import-dies"),
)
def deepspeed_finds_no_toolkit(found: Found) -> Verdict | None:
    """DeepSpeed wants to run nvcc, and finds no CUDA toolkit.

    Up to 0.19.4 `import deepspeed` itself asks nvcc for its version wherever a GPU can be seen. CUDA_HOME is looked for in the
    environment, then beside the nvcc on the PATH, then in /usr/local/cuda. The libraries that come with PyTorch are no toolkit.

    Sources:
    - installed_cuda_version in op_builder/builder.py of DeepSpeed 0.15.4 to 0.19.8, run
    - deepspeedai/DeepSpeed #2772, #7452; jingyaogong/minimind #48
    """
    home = found["home"] or found["nvcc"].removesuffix("/bin/nvcc")
    where = f"there is no nvcc in {home}/bin" if home else "no CUDA toolkit was found (CUDA_HOME is not set)"
    around = " ".join((*found.before, found.line))
    if found["home"] and ("Unable to run" in found.line or "deepspeed" not in around.lower()):
        return None
    if "git_version_info" in around or "is_compatible" in around:
        return fail(
            f"import deepspeed stops: {where}",
            remedy="Upgrade DeepSpeed: 0.19.5 no longer minds.",
            command="python3 -m pip install --upgrade 'deepspeed>=0.19.5'",
        )
    return fail(
        f"a build of DeepSpeed wants nvcc: {where}",
        remedy="Point CUDA_HOME at a CUDA toolkit with nvcc; a container needs a `devel` image for that.",
        command="export CUDA_HOME=/usr/local/cuda PATH=/usr/local/cuda/bin:$PATH",
    )
