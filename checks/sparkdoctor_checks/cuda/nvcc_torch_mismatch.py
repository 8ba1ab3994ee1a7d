"""nvcc against the CUDA of PyTorch."""

import re

from sparkdoctor.architecture import FIRST_TOOLKIT
from sparkdoctor.facts import CudaHome, Gpu, Nvcc, Python, Torch, target
from sparkdoctor.facts.ptxas import toolkit_release
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok, skip
from sparkdoctor.profiles import Profile


@check
def nvcc_torch_mismatch(
    nvcc: Nvcc, home: CudaHome, torch: Torch, python: Python, gpu: Gpu | Missing, profile: Profile
) -> Verdict:
    """Nvcc and PyTorch are of the same CUDA major version.

    A build by setup.py stops at another major version: `The detected CUDA version (12.8) mismatches the version that was
    used to compile PyTorch (13.0)`. A build at first use is not stopped, and links the wrong libcudart. A difference in
    the minor version is allowed.

    Sources:
    - torch/utils/cpp_extension.py, _check_cuda_version
    """
    if torch.cuda is None:
        return skip("this PyTorch was built without CUDA")
    if not re.match(r"\d+\.\d+", torch.cuda):
        return skip(f"PyTorch names its CUDA version {torch.cuda!r}")
    version = toolkit_release(torch.cuda)
    major = version[0]
    if nvcc.release[0] == major:
        return ok(f"nvcc {nvcc.version}, PyTorch for CUDA {torch.cuda}", expected=torch.cuda, observed=nvcc.version)
    wanted = target(profile, gpu)
    first = FIRST_TOOLKIT.get(wanted.number, (0, 0)) if wanted else (0, 0)
    toolkit = home.newest(max(first, (major, 0)), (major + 1, 0))
    remedy, command = torch.renewal(python, profile.torch.fresh)
    # Another toolkit helps only where one of PyTorch's CUDA can compile for this GPU.
    if toolkit or version >= first:
        remedy = f"Point CUDA_HOME at a toolkit of CUDA {major}."
        command = f"export CUDA_HOME={toolkit or f'/usr/local/cuda-{version[0]}.{version[1]}'}"
    return fail(
        f"nvcc is CUDA {nvcc.version}, PyTorch was built with CUDA {torch.cuda}: extensions cannot be built against it",
        expected=f"CUDA {major}",
        observed=f"CUDA {nvcc.version}",
        evidence=(f"{nvcc.path}: release {nvcc.release[0]}.{nvcc.release[1]}", f"{torch.root}/version.py: cuda = {torch.cuda}"),
        remedy=remedy,
        command=command,
    )
