"""Whether DeepSpeed is there."""

from sparkdoctor.facts import Deepspeed, Python
from sparkdoctor.plugin import Broken, Missing, Verdict, check, fail, ok, skip
from sparkdoctor.profiles import Profile


@check
def deepspeed_missing(deepspeed: Deepspeed | Missing, python: Python, profile: Profile) -> Verdict:
    """DeepSpeed is installed.

    OpenFold3 before 0.4.3 needs it for its attention (evoformer_attn); later releases use Triton by default and name
    DeepSpeed an extra.

    Sources:
    - the metadata of OpenFold3's wheels, 0.3.0 to 0.5.0
    """
    if not isinstance(deepspeed, Missing):
        return ok(f"DeepSpeed {deepspeed.version}", observed=deepspeed.version)
    if not profile.deepspeed.required and not isinstance(deepspeed, Broken):
        return skip(deepspeed.reason)
    fresh = f"deepspeed{profile.deepspeed.fresh or ''}"
    return fail(
        deepspeed.reason,
        expected=fresh,
        observed="none",
        remedy="Install it beside PyTorch; its operators are built at first use.",
        command=python.pip_install(f"'{fresh}'"),
    )
