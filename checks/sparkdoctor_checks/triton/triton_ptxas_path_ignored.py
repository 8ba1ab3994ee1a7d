"""The variables that name a ptxas for Triton."""

from shlex import quote

from sparkdoctor.facts import Gpu, Triton, target
from sparkdoctor.facts.triton import UNSETTABLE, code_name, misled
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok, skip, warn
from sparkdoctor.profiles import Profile


@check
def triton_ptxas_path_ignored(triton: Triton, gpu: Gpu | Missing, profile: Profile) -> Verdict:
    """Triton heeds the ptxas variable that is set.

    For Blackwell, Triton from 3.6 on reads TRITON_PTXAS_BLACKWELL_PATH and ignores TRITON_PTXAS_PATH; 3.4 and 3.5 read only
    TRITON_PTXAS_PATH; 3.3 reads a name with a hyphen that no shell can set. A path that does not exist, or that
    names no version, is passed over in silence for the bundled ptxas; where that one serves this GPU too, this is a warning.
    A path that is there and cannot be started (and from 3.5 on an empty value) ends Triton with `PermissionError`.

    Sources:
    - get_ptxas in triton/backends/nvidia/compiler.py and triton/knobs.py, 3.2.0 to 3.9.0
    """
    wanted = target(profile, gpu)
    if wanted is None or wanted.number not in triton.tools:
        return skip("neither the profile nor a GPU says which architecture is wanted")
    if not triton.knobs:
        return ok("none is set")
    tool, found = triton.tools[wanted.number], triton.assemblers[wanted.number]
    problem = misled(triton, wanted)
    if problem is None:
        return ok(f"{tool.knob}={triton.knobs[tool.knob]} is used", observed=triton.knobs[tool.knob])
    name, words = problem
    path = triton.knobs[name]
    serves = not isinstance(found, Missing) and not found.refusals[code_name(wanted.number)]
    level = warn if serves else fail
    if name == tool.knob:
        stops = triton.overridden[wanted.number]
        return (fail if stops else level)(
            words,
            expected="a ptxas that runs",
            observed=path or "an empty value" if stops else path,
            remedy="Name a ptxas that exists and may be executed, or unset the variable.",
            command=f"unset {name}",
        )
    settable = tool.knob != UNSETTABLE
    if serves:
        remedy, command = f"Unset {name}: the bundled ptxas serves this GPU.", f"unset {name}"
    elif settable:
        remedy, command = f"Set {tool.knob} instead.", f"export {tool.knob}={quote(path)}"
    else:
        remedy, command = "Upgrade PyTorch and Triton.", None
    return level(
        words,
        expected=tool.knob if settable else "a variable that no shell can set",
        observed=name,
        remedy=remedy,
        command=command,
    )
