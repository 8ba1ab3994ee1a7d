"""The GPU's compute capability."""

from sparkdoctor.facts import Gpu
from sparkdoctor.plugin import Verdict, check, fail, ok, skip
from sparkdoctor.profiles import Profile


@check
def compute_capability_mismatch(gpu: Gpu, profile: Profile) -> Verdict:
    """The GPU has the compute capability of the profile.

    GB10 is 12.1. All that this doctor says about compilers, wheels and kernels is said for the profile's capability: for
    another GPU the answers differ.

    Sources:
    - NVIDIA, CUDA GPU Compute Capability
    - lablup/all-smi #80 (`nvidia-smi --query-gpu=compute_cap` on GB10)
    """
    wanted = profile.compute_capability
    if wanted is None:
        return skip(f"the profile {profile.name} asks for no compute capability")
    others = [device for device in gpu.devices if device.capability != wanted]
    if not others:
        return ok(f"compute capability {wanted}", expected=str(wanted), observed=str(wanted))
    other = others[0]
    return fail(
        f"{other.name} has compute capability {other.capability}; the profile {profile.name} is for {wanted} ({profile.title}). "
        f"What the other lines say of compilers and wheels is said for {wanted}, not for this GPU",
        expected=str(wanted),
        observed=str(other.capability),
        remedy="Choose the profile of this GPU (sparkdoctor check --profile hopper, gb200 or a file of your own).",
    )
