"""Memory that may be locked."""

from sparkdoctor.facts import Container, Limits, gib
from sparkdoctor.plugin import Verdict, check, ok, skip, warn
from sparkdoctor.profiles import Profile


@check
def memlock_limit_low(limits: Limits, container: Container, profile: Profile) -> Verdict:
    """Memory may be locked.

    RDMA (two Sparks over ConnectX-7, NCCL) pins its buffers, which the limit on locked memory bounds; docker's default is
    8 MiB or less. A single machine does without.

    Sources:
    - the banner of NGC containers (--ulimit memlock=-1)
    - graham33/nixos-dgx-spark (nvidia-spark-limits)
    """
    wanted = profile.memlock_mib.warning
    if wanted is None:
        return skip(f"the profile {profile.name} asks for no locked memory")
    soft = limits.memlock.soft
    shown = "unlimited" if soft is None else gib(soft)
    expected = f">={wanted:g} MiB"
    if soft is None or soft >= wanted * (1 << 20):
        return ok(f"{shown} may be locked", expected=expected, observed=shown)
    return warn(
        f"only {shown} may be locked; RDMA and NCCL between machines need more",
        expected=expected,
        observed=shown,
        evidence=limits.evidence,
        remedy="Start the container with --ulimit memlock=-1."
        if container
        else "Raise memlock in /etc/security/limits.conf and log in again.",
        needs_root=not container,
    )
