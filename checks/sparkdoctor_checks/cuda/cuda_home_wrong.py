"""CUDA_HOME."""

from shlex import quote

from sparkdoctor.facts import CudaHome, Nvcc
from sparkdoctor.facts.nvcc import fault
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok, warn


@check
def cuda_home_wrong(home: CudaHome, nvcc: Nvcc | Missing) -> Verdict:
    """CUDA_HOME, where it is set, names the toolkit that is meant.

    A CUDA_HOME without bin/nvcc stops every build, and `import deepspeed` before 0.19.5. One that names another toolkit
    than the nvcc on PATH makes builds at first use differ from what you see in your shell.

    Sources:
    - torch/utils/cpp_extension.py, _find_cuda_home
    - DeepSpeed 0.15.4 to 0.19.4, run with a CUDA_HOME without nvcc: FileNotFoundError
    """
    if home.variable is None:
        return ok(f"not set; builds find {home.home}" if home.home else "not set, and there is no toolkit to name")
    problem = fault(home, nvcc)
    if isinstance(nvcc, Missing):
        better = home.on_path.removesuffix("/bin/nvcc") if home.on_path else "/usr/local/cuda"
        return fail(
            problem.words if problem else nvcc.reason,
            expected=f"{home.home}/bin/nvcc",
            observed="none",
            remedy="Point it at the toolkit, or unset it.",
            command=f"export {home.variable}={quote(better)}",
        )
    if problem:
        return (fail if problem.fatal else warn)(
            problem.words,
            expected=f"one toolkit ({home.on_path})",
            observed=nvcc.path,
            remedy="Make the variable and PATH name the same toolkit.",
            command=f"export {home.variable}={quote(str(home.on_path).removesuffix('/bin/nvcc'))}",
        )
    return ok(f"{home.variable}={home.home}, CUDA {nvcc.version}")
