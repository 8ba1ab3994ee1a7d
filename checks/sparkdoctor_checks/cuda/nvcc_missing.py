"""The CUDA compiler."""

from sparkdoctor.facts import CudaHome, Nvcc
from sparkdoctor.plugin import Broken, Missing, Verdict, check, fail, ok, warn


@check
def nvcc_missing(nvcc: Nvcc | Missing, home: CudaHome) -> Verdict:
    """A CUDA compiler is where builds look for it.

    PyTorch extensions (DeepSpeed's operators among them) look in CUDA_HOME or CUDA_PATH, else for nvcc on PATH, else in
    /usr/local/cuda. DGX OS brings CUDA 13.0 there, often without nvcc on PATH. Ready-made wheels need no nvcc.

    Sources:
    - torch/utils/cpp_extension.py, _find_cuda_home
    """
    if isinstance(nvcc, Missing):
        where = f"; builds look in {home.home} (${home.variable})" if home.variable else ""
        text = nvcc.reason if nvcc.reason.startswith("there is no nvcc") else f"no usable nvcc: {nvcc.reason}{where}"
        remedy = "Install the CUDA toolkit and point CUDA_HOME at it."
        command = "sudo apt install cuda-toolkit-13-0 && export CUDA_HOME=/usr/local/cuda"
        return (fail if isinstance(nvcc, Broken) else warn)(text, remedy=remedy, command=command, needs_root=True)
    if nvcc.lacks:
        return fail(
            f"the toolkit of {nvcc.path} is not whole: {nvcc.lacks} does not exist",
            observed=nvcc.version,
            remedy="Install the whole CUDA toolkit (a pip-installed nvcc lacks parts) and point CUDA_HOME at it.",
            command="sudo apt install cuda-toolkit-13-0 && export CUDA_HOME=/usr/local/cuda",
            needs_root=True,
        )
    return ok(f"{nvcc.path}, CUDA {nvcc.version}", observed=nvcc.version)
