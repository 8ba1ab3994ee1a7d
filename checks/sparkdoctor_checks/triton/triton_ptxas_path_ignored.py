"""The variables that name a ptxas for Triton."""

from shlex import quote

from sparkdoctor.facts import Gpu, Triton, target
from sparkdoctor.facts.triton import code_name
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
    number = wanted.number
    tool, found = triton.tools[number], triton.assemblers[number]
    serves = not isinstance(found, Missing) and not found.refusals[code_name(number)]
    used = "no ptxas that runs" if isinstance(found, Missing) else f"the bundled ptxas {found.version}"
    level = warn if serves else fail
    if tool.knob in triton.knobs:
        path = triton.knobs[tool.knob]
        if triton.overridden[number] and isinstance(found, Missing):
            return fail(
                found.reason,
                expected="a ptxas that runs",
                observed=path or "an empty value",
                remedy="Name a ptxas that exists and may be executed, or unset the variable.",
                command=f"unset {tool.knob}",
            )
        if triton.overridden[number]:
            return ok(f"{tool.knob}={path} is used", observed=path)
        return level(
            f"{tool.knob}={path} does not run; Triton {triton.version} falls back to {used} without a word",
            expected="a ptxas that runs",
            observed=path,
            remedy="Name a ptxas that exists and may be executed, or unset the variable.",
            command=f"unset {tool.knob}",
        )
    name, path = next(iter(triton.knobs.items()))
    settable = tool.knob.replace("_", "").isalnum()
    if serves:
        remedy, command = f"Unset {name}: the bundled ptxas serves this GPU.", f"unset {name}"
    elif settable:
        remedy, command = f"Set {tool.knob} instead.", f"export {tool.knob}={quote(path)}"
    else:
        remedy, command = "Upgrade PyTorch and Triton.", None
    reads = tool.knob if settable else "a variable that no shell can set"
    return level(
        f"Triton {triton.version} ignores {name} for {wanted}: it reads {reads}, and so takes {used}",
        expected=reads,
        observed=name,
        remedy=remedy,
        command=command,
    )
