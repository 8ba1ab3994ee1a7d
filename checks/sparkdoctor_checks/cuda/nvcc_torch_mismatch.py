"""nvcc against the CUDA of PyTorch."""

from sparkdoctor.facts import Nvcc, Torch
from sparkdoctor.plugin import Verdict, check, fail, ok, skip


@check
def nvcc_torch_mismatch(nvcc: Nvcc, torch: Torch) -> Verdict:
    """Nvcc and PyTorch are of the same CUDA major version.

    A build by setup.py stops at another major version: `The detected CUDA version (12.8) mismatches the version that was
    used to compile PyTorch (13.0)`. A build at first use is not stopped, and links the wrong libcudart. A difference in
    the minor version is allowed.

    Sources:
    - torch/utils/cpp_extension.py, _check_cuda_version
    """
    if torch.cuda is None:
        return skip("this PyTorch was built without CUDA")
    major = int(torch.cuda.partition(".")[0]) if torch.cuda.partition(".")[0].isdigit() else None
    if major is None:
        return skip(f"PyTorch names its CUDA version {torch.cuda!r}")
    if nvcc.release[0] == major:
        return ok(f"nvcc {nvcc.version}, PyTorch for CUDA {torch.cuda}", expected=torch.cuda, observed=nvcc.version)
    return fail(
        f"nvcc is CUDA {nvcc.version}, PyTorch was built with CUDA {torch.cuda}: extensions cannot be built against it",
        expected=f"CUDA {major}",
        observed=f"CUDA {nvcc.version}",
        evidence=(f"{nvcc.path}: release {nvcc.release[0]}.{nvcc.release[1]}", f"{torch.root}/version.py: cuda = {torch.cuda}"),
        remedy=f"Point CUDA_HOME at a CUDA {major} toolkit.",
        command=f"export CUDA_HOME=/usr/local/cuda-{torch.cuda}",
    )
