"""The CUDA of PyTorch against the driver."""

import re

from sparkdoctor.architecture import jitted, native
from sparkdoctor.facts import Driver, Gpu, Torch, target
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok, skip, warn
from sparkdoctor.profiles import Profile


@check
def cuda_newer_than_driver(driver: Driver, torch: Torch, gpu: Gpu | Missing, profile: Profile) -> Verdict:
    """The driver can run PyTorch's CUDA version.

    Within one major version a newer CUDA runs on an older driver: a container of CUDA 13.2 works on driver 580, whatever
    its banner says. Two things do not: another major version (`CUDA driver version is insufficient for CUDA runtime
    version`), and PTX, which an older driver cannot compile (error 222, `the provided PTX was compiled with an unsupported
    toolchain`).

    Sources:
    - NVIDIA, CUDA Compatibility, "Minor Version Compatibility"
    - eugr/spark-vllm-docker #266 (banner for 590 on driver 580)
    """
    if driver.cuda is None:
        return skip("NVML does not say which CUDA version the driver runs")
    version = re.match(r"(\d+)\.(\d+)", torch.cuda or "")
    if version is None:
        return skip("this PyTorch was built without CUDA")
    needed, runs = (int(version[1]), int(version[2])), f"{driver.cuda[0]}.{driver.cuda[1]}"
    if needed[0] > driver.cuda[0]:
        return fail(
            f"PyTorch needs CUDA {torch.cuda}; driver {driver.version} runs up to {runs}",
            expected=f">={needed[0]}.0",
            observed=runs,
            remedy="Update the driver (DGX OS) and restart, or install a PyTorch for the driver's CUDA.",
            command="sudo apt update && sudo apt dist-upgrade && sudo reboot",
            needs_root=True,
            needs_reboot=True,
        )
    if needed <= driver.cuda:
        return ok(f"PyTorch for CUDA {torch.cuda}, driver for up to {runs}", expected=f"<={runs}", observed=torch.cuda)
    wanted = target(profile, gpu)
    if wanted and torch.architectures and not native(torch.architectures, wanted) and jitted(torch.architectures, wanted):
        return warn(
            f"PyTorch for CUDA {torch.cuda} has only PTX for {wanted}; driver {driver.version} (CUDA {runs}) may not compile it",
            expected=f"<={runs}",
            observed=torch.cuda,
            remedy="Install a PyTorch with machine code for this GPU, or a newer driver.",
        )
    return ok(
        f"PyTorch for CUDA {torch.cuda} runs on driver {driver.version} (CUDA {runs}) by minor version compatibility",
        expected=f"{driver.cuda[0]}.x",
        observed=torch.cuda,
    )
