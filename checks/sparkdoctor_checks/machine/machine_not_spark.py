"""The machine against the profile."""

from fnmatch import fnmatchcase

from sparkdoctor.facts import Gpu, Identity, System
from sparkdoctor.plugin import Missing, Verdict, check, ok, warn
from sparkdoctor.profiles import Profile


@check
def machine_not_spark(system: System, identity: Identity, gpu: Gpu | Missing, profile: Profile) -> Verdict:
    """This machine is what the profile is for.

    The firmware's product family is `DGX Spark` on NVIDIA's own machine and on the partners' (ASUS Ascent GX10, Dell Pro
    Max with GB10, HP ZGX Nano, …); the processor is aarch64 and the GPU an NVIDIA GB10. Where one of them disagrees, the
    other checks judge the wrong machine: choose another profile, or replay a tape of the right one.

    Sources:
    - /sys/class/dmi/id of GB10 machines (sparktop's README; captures in GitHub issues)
    - NVIDIA/k8s-device-plugin #1482 (`NVIDIA GB10`)
    """
    wrong: list[str] = []
    right: list[str] = []
    if profile.architectures:
        (right if system.architecture in profile.architectures else wrong).append(f"processor {system.architecture}")
    if profile.product_families and identity.family:
        (right if identity.family in profile.product_families else wrong).append(f"product family {identity.family!r}")
    if profile.gpus and not isinstance(gpu, Missing):
        known = all(any(fnmatchcase(device.name, name) for name in profile.gpus) for device in gpu.devices)
        (right if known else wrong).append(f"GPU {gpu.name!r}")
    expected = "; ".join(" or ".join(names) for names in (profile.architectures, profile.product_families, profile.gpus) if names)
    if wrong:
        return warn(
            f"this is not a machine of the profile {profile.name}: {', '.join(wrong)}",
            expected=expected,
            observed=identity.name or wrong[0],
            remedy="Choose the profile that fits this machine (sparkdoctor check --profile gb200, hopper or a file of your own).",
        )
    seen = f"{identity.name} ({', '.join(right)})" if identity.name and right else identity.name or ", ".join(right)
    return ok(f"{profile.title or profile.name}: {seen}" if seen else "the profile asks for no particular machine")
