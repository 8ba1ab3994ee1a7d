"""Triton against PyTorch."""

from sparkdoctor.facts import Python, System, Torch, Triton
from sparkdoctor.facts.triton import triton_wanted
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok, skip


@check
def triton_torch_mismatch(torch: Torch, triton: Triton, python: Python, system: System) -> Verdict:
    """Triton is the one that PyTorch asks for.

    PyTorch's compiler uses Triton's internals: another release breaks torch.compile, and DeepSpeed 0.18.3 to 0.19.7 at
    import (`name 'BaseMuonWithAuxAdam' is not defined`). A "Triton nightly" over an older PyTorch is how this comes about.

    Sources:
    - Requires-Dist of the installed PyTorch; 2.8 to 2.15 each name one release
    - DeepSpeed 0.18.3 to 0.19.7 with torch 2.6 and Triton 3.5.1, run
    """
    wanted = triton_wanted(torch, python, system)
    if isinstance(wanted, Missing):
        return skip(wanted.reason)
    if triton.satisfies(wanted):
        return ok(f"Triton {triton.version} for PyTorch {torch.version}", expected=str(wanted.specifier), observed=triton.version)
    return fail(
        f"PyTorch {torch.version} asks for Triton {wanted.specifier}, installed is {triton.version}",
        expected=str(wanted.specifier),
        observed=triton.version,
        remedy="Install the Triton that this PyTorch asks for; for a newer Triton, a newer PyTorch.",
        command=python.pip_install(f"'{wanted.name}{wanted.specifier}'"),
    )
