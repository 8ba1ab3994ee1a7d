"""The assembler that Triton uses."""

from sparkdoctor.facts import CudaHome, Gpu, Triton, target
from sparkdoctor.facts.triton import PLAIN, code_name
from sparkdoctor.plugin import Broken, Missing, Verdict, check, fail, ok, skip
from sparkdoctor.profiles import Profile


@check
def triton_ptxas_too_old(triton: Triton, gpu: Gpu | Missing, home: CudaHome | Missing, profile: Profile) -> Verdict:
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
    name, tool = code_name(wanted.number), triton.tools[wanted.number]
    found = triton.assemblers[wanted.number]
    newest = "python -m pip install --upgrade torch triton"
    toolkit = (None if isinstance(home, Missing) else home.home) or "/usr/local/cuda"
    # 3.5 takes a ptxas of CUDA 13 by the variable; older ones cannot, newer ones need none.
    settable = tool.knob == PLAIN and triton.release[:2] == (3, 5)
    remedy = "Let Triton use the toolkit's ptxas (CUDA 12.9 or later)." if settable else "Upgrade PyTorch and Triton."
    command = f"export {tool.knob}={toolkit}/bin/ptxas" if settable else newest
    if isinstance(found, Missing):
        return fail(
            f"Triton {triton.version} has no ptxas that runs: {found.reason}",
            expected=name,
            observed="broken" if isinstance(found, Broken) else "none",
            remedy=remedy,
            command=command,
        )
    words = found.refusals[name]
    whose = f"{tool.knob}" if triton.overridden[wanted.number] else "bundled"
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
            remedy="Name a ptxas of CUDA 12.9, or upgrade PyTorch and Triton.",
            command=newest,
        )
    return ok(f"ptxas {found.version} ({whose}) assembles {name}", expected=name, observed=f"ptxas {found.version}")
