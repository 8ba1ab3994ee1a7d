"""The release of DGX OS."""

from sparkdoctor.facts import Container, Identity
from sparkdoctor.plugin import Verdict, check, ok, skip, warn
from sparkdoctor.profiles import Profile


@check
def dgx_os_outdated(identity: Identity, container: Container, profile: Profile) -> Verdict:
    """DGX OS is recent.

    Driver, firmware and kernel of a Spark are released together as DGX OS, and troubles of earlier ones (CUDA error 800
    under 580.159.03, memory lost to an old firmware carve-out) are mended only there. /etc/dgx-release gains a pair of
    lines with every update; the last one counts.

    Sources:
    - thatcooperguy/NVCheckup, docs/roadmap/spark-support.md (releases and what they carry)
    - sgl-project/sglang #40948, vllm-project/vllm #52877 (580.159.03)
    """
    if profile.dgx_os is None:
        return skip(f"the profile {profile.name} asks for no DGX OS")
    if identity.dgx_os is None:
        where = "a container does not show the host's /etc/dgx-release" if container else "there is no /etc/dgx-release"
        return skip(f"the release of DGX OS is not known: {where}")
    if identity.dgx_os not in profile.dgx_os:
        return warn(
            f"DGX OS {identity.dgx_os} is older than {profile.dgx_os}",
            expected=str(profile.dgx_os),
            observed=identity.dgx_os,
            remedy="Update in the DGX Dashboard, or so, then restart. A bare `apt upgrade` tears driver and firmware apart.",
            command="sudo apt update && sudo apt dist-upgrade && sudo reboot",
            needs_root=True,
            needs_reboot=True,
        )
    return ok(f"DGX OS {identity.dgx_os}", expected=str(profile.dgx_os), observed=identity.dgx_os)
