"""The assembler that Triton uses."""

from shlex import quote

from sparkdoctor.facts import CudaHome, Gpu, Nvcc, Python, Triton, target
from sparkdoctor.facts.triton import UNSETTABLE, code_name
from sparkdoctor.plugin import Broken, Missing, Verdict, check, fail, ok, skip
from sparkdoctor.profiles import Profile


@check
def triton_ptxas_too_old(
    triton: Triton, python: Python, gpu: Gpu | Missing, nvcc: Nvcc | Missing, home: CudaHome, profile: Profile
) -> Verdict:
    """Triton's ptxas can assemble for this GPU.

    Triton hands every kernel to a ptxas: a bundled one, or the one that a variable names. The one it would really take is
    asked here. Triton 3.4 and 3.5 bundle ptxas 12.8, which ends with `ptxas fatal   : Value 'sm_121a' is not defined for
    option 'gpu-name'`; from 3.6 on a second, newer one is bundled for Blackwell. Triton 3.4 and earlier refuse a ptxas of
    CUDA 13 (`Triton only support CUDA 10.0 or higher, but got CUDA version: 13.0`).

    Sources:
    - triton-lang/triton #8539, #9181, #10331
    - the bundled ptxas of Triton 3.3.1 to 3.9.0, run
    """
    wanted = target(profile, gpu)
    if wanted is None or wanted.number not in triton.assemblers:
        return skip("neither the profile nor a GPU says which architecture is wanted")
    name = code_name(wanted.number)
    found = triton.assemblers[wanted.number]
    remedy, command = _remedy(triton, wanted.number, nvcc, home)
    if command is None:
        command = python.pip_install(f"--upgrade 'torch{profile.torch.fresh or ''}' 'triton{profile.triton.fresh or ''}'")
    if isinstance(found, Missing):
        return fail(
            f"Triton {triton.version} has no ptxas that runs: {found.reason}",
            expected=name,
            observed="broken" if isinstance(found, Broken) else "none",
            remedy=remedy,
            command=command,
        )
    words = found.refusals[name]
    whose = triton.tools[wanted.number].knob if triton.overridden[wanted.number] else "bundled"
    if words:
        return fail(
            f"Triton {triton.version} uses ptxas {found.version} ({whose}), which cannot assemble {name}",
            expected=f"a ptxas that knows {name} (CUDA 12.9 or later)" if wanted.number == 121 else f"a ptxas that knows {name}",
            observed=f"ptxas {found.version}",
            evidence=(f"{found.path}: {words}",),
            remedy=remedy,
            command=command,
        )
    if found.release[0] >= 13 and triton.release and triton.release[:2] < (3, 5):
        return fail(
            f"Triton {triton.version} refuses ptxas {found.version} ({whose}): it knows CUDA up to 12 only",
            expected="ptxas 12.9",
            observed=f"ptxas {found.version}",
            remedy=remedy,
            command=command,
        )
    return ok(f"ptxas {found.version} ({whose}) assembles {name}", expected=name, observed=f"ptxas {found.version}")


def _remedy(triton: Triton, number: int, nvcc: Nvcc | Missing, home: CudaHome) -> tuple[str, str | None]:
    """What to do, and the command unless it is to upgrade."""
    knob = triton.tools[number].knob
    if triton.overridden[number] and triton.release >= (3, 6):
        return f"Unset {knob}: the bundled ptxas is newer.", f"unset {knob}"
    # Triton takes a ptxas of CUDA 13 from 3.5 on.
    serves = not isinstance(nvcc, Missing) and not nvcc.refusals.get(number, "not asked")
    accepted = serves and not isinstance(nvcc, Missing) and (triton.release >= (3, 5) or nvcc.release < (13, 0))
    if accepted and knob != UNSETTABLE and home.home:
        return "Let Triton use the toolkit's ptxas.", f"export {knob}={quote(home.home)}/bin/ptxas"
    return "Upgrade PyTorch and Triton.", None
