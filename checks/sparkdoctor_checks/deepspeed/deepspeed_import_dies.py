"""Importing DeepSpeed."""

import re

from sparkdoctor.facts import CudaHome, Deepspeed, DeepspeedBuilder, Gpu, Nvcc, Python, System, Torch, Triton
from sparkdoctor.facts.triton import triton_wanted
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok, skip, warn
from sparkdoctor.profiles import Profile

TOOLKIT = "it asks nvcc for its version whenever a GPU can be seen, and finds none"
MUON = "its Muon optimizer calls torch.compile at import, and Triton is not the one that PyTorch asks for"
DRIVERLESS = "it asks Triton 3.2 for a GPU at import, and no driver can be seen"
CAUSES = (
    (r"MissingCUDAException|CUDA_HOME does not exist|No such file or directory: '[^']*bin/nvcc'", TOOLKIT),
    (r"BaseMuonWithAuxAdam|AttrsDescriptor", MUON),
    (r"0 active drivers", DRIVERLESS),
)
"""What an error of the import comes from."""


@check
def deepspeed_import_dies(  # noqa: PLR0913, PLR0917 (each has killed it)
    deepspeed: Deepspeed,
    builder: DeepspeedBuilder | Missing,
    torch: Torch | Missing,
    triton: Triton | Missing,
    home: CudaHome,
    nvcc: Nvcc | Missing,
    gpu: Gpu | Missing,
    system: System,
    python: Python,
    profile: Profile,
) -> Verdict:
    """DeepSpeed can be imported.

    Three things are known to end `import deepspeed`: up to 0.19.4 a GPU without a CUDA toolkit (MissingCUDAException, or
    FileNotFoundError where CUDA_HOME has no nvcc); from 0.18.3 to 0.19.7 a Triton that is not PyTorch's own
    (`name 'BaseMuonWithAuxAdam' is not defined`); and 0.15.4 with Triton 3.2 where no driver is visible, as in `docker build`.

    Sources:
    - DeepSpeed 0.15.4 to 0.19.8, imported under these conditions
    - deepspeedai/DeepSpeed #7028, #7452, #7648
    """
    upgrade = python.pip_install(f"--upgrade 'deepspeed{profile.deepspeed.fresh or ''}'")
    if not isinstance(builder, Missing):
        stopped, step = builder.stopped, builder.course.step("import deepspeed")
        if stopped and stopped is not step:
            return skip(f"{stopped.words}; see torch-import-dies")
        if step and not step.trouble:
            return ok(f"import deepspeed {deepspeed.version}", observed=deepspeed.version)
        error = str(step.trouble if step else builder.course.ended)
        cause = next((cause for pattern, cause in CAUSES if re.search(pattern, error)), None)
        lacking = re.search(r"No module named '([\w.]+)'", error)
        remedy, command = _remedy(cause, upgrade)
        if lacking and not cause:
            remedy, command = "Install what it imports.", python.pip_install(lacking[1].split(".")[0])
        return fail(
            f"import deepspeed {deepspeed.version} {error.strip().splitlines()[0]}" + (f": {cause}" if cause else ""),
            expected="no error",
            observed=error.partition(":")[0],
            evidence=builder.course.evidence,
            remedy=remedy,
            command=command,
        )
    release = deepspeed.release
    if (0,) < release < (0, 19, 5) and isinstance(nvcc, Missing) and not isinstance(gpu, Missing) and _for_cuda(torch):
        kind = "MissingCUDAException" if home.home is None else "FileNotFoundError"
        remedy, command = _remedy(TOOLKIT, upgrade)
        return fail(
            f"import deepspeed {deepspeed.version} will end with {kind}: {TOOLKIT}",
            expected="CUDA_HOME with bin/nvcc, or DeepSpeed 0.19.5",
            observed=nvcc.reason,
            remedy=remedy,
            command=command,
        )
    if (0, 18, 3) <= release < (0, 19, 8) and not isinstance(triton, Missing) and not isinstance(torch, Missing):
        wanted = triton_wanted(torch, python, system)
        if not isinstance(wanted, Missing) and not triton.satisfies(wanted):
            return warn(
                f"import deepspeed {deepspeed.version} may die (--deep tries it): {MUON}; see triton-torch-mismatch",
                expected=str(wanted.specifier),
                observed=triton.version,
                remedy="Install the Triton that this PyTorch asks for.",
                command=python.pip_install(f"'{wanted.name}{wanted.specifier}'"),
            )
    if (
        (0,) < release < (0, 17, 6)
        and not isinstance(triton, Missing)
        and triton.release[:2] == (3, 2)
        and isinstance(gpu, Missing)
    ):
        return warn(
            f"import deepspeed {deepspeed.version} may die (--deep tries it): {DRIVERLESS}",
            expected="a visible GPU, or DeepSpeed 0.17.6",
            observed=gpu.reason,
            remedy="Upgrade DeepSpeed, or import it only where a GPU is visible.",
            command=upgrade,
        )
    return ok(f"nothing is known to end the import of DeepSpeed {deepspeed.version} here; --deep tries it")


def _for_cuda(torch: Torch | Missing) -> bool:
    """Whether PyTorch could see a GPU."""
    return not isinstance(torch, Missing) and torch.cuda is not None


def _remedy(cause: str | None, upgrade: str) -> tuple[str, str | None]:
    if cause == TOOLKIT:
        return "Upgrade DeepSpeed (0.19.5 no longer minds), or install the CUDA toolkit and point CUDA_HOME at it.", upgrade
    if cause == MUON:
        return "Install the Triton that PyTorch asks for (see triton-torch-mismatch), or a DeepSpeed from 0.19.8 on.", upgrade
    return "Upgrade DeepSpeed.", upgrade
