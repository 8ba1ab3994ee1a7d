"""PyTorch with CUDA."""

from sparkdoctor.facts import Python, System, Torch
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok
from sparkdoctor.profiles import Profile, Requirement


@check
def torch_without_cuda(torch: Torch, python: Python, system: System | Missing, profile: Profile) -> Verdict:
    """PyTorch was built with CUDA.

    `pip install torch` on aarch64 took a CPU build for 2.8 to 2.10: it installs and imports, and torch.cuda.is_available()
    is False with the best of drivers. From 2.11 on the same command takes a CUDA 13 build.

    Sources:
    - the aarch64 wheels of PyTorch 2.8 to 2.15 on PyPI, unpacked (torch/version.py)
    """
    if torch.cuda is not None:
        return ok(f"PyTorch {torch.version}, CUDA {torch.cuda}", observed=torch.cuda)
    old = torch.version not in Requirement(">=2.11")
    arm = old and not isinstance(system, Missing) and system.architecture == "aarch64"
    why = "; PyPI's aarch64 wheels before 2.11 are all CPU builds" if arm else ""
    return fail(
        f"PyTorch {torch.version} is a CPU build{why}",
        expected="a CUDA build",
        observed=torch.version,
        evidence=(f"{torch.root}/version.py: cuda = None",),
        remedy="Install a CUDA build over it.",
        command=python.pip_install(f"--force-reinstall 'torch{profile.torch.fresh or ''}'"),
    )
