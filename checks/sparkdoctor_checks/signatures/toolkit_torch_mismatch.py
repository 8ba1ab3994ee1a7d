"""nvcc against PyTorch, in builds by setup.py."""

from sparkdoctor.plugin import Found, Verdict, fail, signature
from sparkdoctor_checks.signatures.renewal import renewed


@signature(
    "The detected CUDA version ({toolkit:number}) mismatches the version that was used to compile",
    "RuntimeError: ('The detected CUDA version (%s) mismatches the version that",
    "Cuda extensions are being compiled with a version of Cuda that does not match the version used to compile Pytorch binaries",
    checks=("nvcc-torch-mismatch", "cuda-home-wrong", "torch-without-cuda"),
)
def toolkit_torch_mismatch(found: Found) -> Verdict:
    """An extension is built with another CUDA than PyTorch was built with.

    PyTorch's BuildExtension stops where the major versions differ. Either another toolkit must be found (CUDA_HOME, else nvcc on
    PATH, else /usr/local/cuda), or the PyTorch in this environment is the wrong one: pip's isolated builds may fetch their own.

    Sources:
    - torch/utils/cpp_extension.py, _check_cuda_version (2.13 prints the pieces of its message); NVIDIA/apex, setup.py
    """
    toolkit = found["toolkit"]
    near = " ".join((found.line, *found.after[:2]))
    torch = _number(near.partition("PyTorch (")[2]) or _number(near.partition("were compiled with Cuda ")[2])
    if "(%s)" in found.line:
        quoted = near.partition("versions.'")[2].split("'")
        toolkit, torch = (_number(quoted[1]), _number(quoted[3])) if len(quoted) > 3 else ("", "")
    if not toolkit or not torch:
        return fail(
            "the toolkit and PyTorch are of different CUDA versions",
            remedy="Point CUDA_HOME at a toolkit of PyTorch's CUDA version.",
            command="python3 -c 'import torch; print(torch.version.cuda)'; nvcc --version; ls -d /usr/local/cuda-*",
        )
    text = f"the toolkit is CUDA {toolkit}, PyTorch was built with CUDA {torch}"
    if any(mark in line for line in (*found.before, found.line) for mark in ("pip-build-env", "builds-v0")):
        return fail(
            f"{text}: that PyTorch is one which the build has fetched for itself",
            remedy="Install the build tools first, then the package with --no-build-isolation.",
            command="python3 -m pip install setuptools wheel packaging psutil ninja",
        )
    if _major(toolkit) < _major(torch):
        return fail(
            f"{text}: the toolkit is too old for this PyTorch",
            remedy=f"Point CUDA_HOME at a toolkit of CUDA {_major(torch)}.",
            command=f"export CUDA_HOME=/usr/local/cuda-{torch} PATH=/usr/local/cuda-{torch}/bin:$PATH",
        )
    remedy, command = renewed(
        found,
        f"Install a PyTorch for CUDA {_major(toolkit)}, in the environment that builds.",
        "--force-reinstall 'torch>=2.11'",
    )
    return fail(f"{text}: this PyTorch is too old for the toolkit", remedy=remedy, command=command)


def _number(text: str) -> str:
    """The version that a text begins with."""
    end = next((at for at, one in enumerate(text) if one not in "0123456789."), len(text))
    return text[:end].strip(".")


def _major(version: str) -> int:
    return int(version.partition(".")[0] or 0)
