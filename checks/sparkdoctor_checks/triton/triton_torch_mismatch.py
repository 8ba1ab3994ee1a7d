"""Triton against PyTorch."""

from sparkdoctor.facts import Python, System, Torch, Triton
from sparkdoctor.plugin import Verdict, check, fail, ok, skip


@check
def triton_torch_mismatch(torch: Torch, triton: Triton, python: Python, system: System) -> Verdict:
    """Triton is the one that PyTorch asks for.

    PyTorch's compiler uses Triton's internals: another release breaks torch.compile, and DeepSpeed 0.18.3 to 0.19.7 at
    import (`name 'BaseMuonWithAuxAdam' is not defined`). A "Triton nightly" over an older PyTorch is how this comes about.

    Sources:
    - Requires-Dist of the installed PyTorch; 2.8 to 2.15 each name one release
    - DeepSpeed 0.18.3 to 0.19.7 with torch 2.6 and Triton 3.5.1, run
    """
    if torch.triton is None:
        return skip(f"PyTorch {torch.version} names no Triton release in its metadata")
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 (only where PyTorch names one)

    try:
        wanted = Requirement(torch.triton)
    except InvalidRequirement:
        return skip(f"PyTorch's requirement {torch.triton!r} cannot be read")
    # The marker is judged for the machine that was examined, which need not be the one we run on.
    place = {
        "platform_machine": system.architecture,
        "platform_system": "Linux",
        "sys_platform": "linux",
        "os_name": "posix",
        "python_version": ".".join(python.version.split(".")[:2]),
        "python_full_version": python.version,
        "extra": "",
    }
    if wanted.marker and not wanted.marker.evaluate(place):
        return skip(f"PyTorch {torch.version} asks for no Triton on {system.architecture}")
    # A nightly names the local part too (pytorch-triton==3.5.0+gitbfeb0668).
    spellings = (triton.version, triton.version.partition("+")[0])
    if any(wanted.specifier.contains(version, prereleases=True) for version in spellings):
        return ok(f"Triton {triton.version} for PyTorch {torch.version}", expected=str(wanted.specifier), observed=triton.version)
    return fail(
        f"PyTorch {torch.version} asks for Triton {wanted.specifier}, installed is {triton.version}",
        expected=str(wanted.specifier),
        observed=triton.version,
        remedy="Install the Triton that this PyTorch asks for; for a newer Triton, a newer PyTorch.",
        command=python.pip_install(f"'{wanted.name}{wanted.specifier}'"),
    )
