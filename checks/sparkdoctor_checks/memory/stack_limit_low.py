"""The stack."""

from sparkdoctor.facts import Container, Limits, gib
from sparkdoctor.plugin import Verdict, check, fail, ok, skip
from sparkdoctor.profiles import Profile


@check
def stack_limit_low(limits: Limits, container: Container, profile: Profile) -> Verdict:
    """The stack limit leaves room.

    Compilers of heavily templated CUDA code and some solvers use deep stacks and die with SIGSEGV where the limit is
    small. 8 MiB is what Linux gives; NVIDIA starts its containers with 64 MiB (--ulimit stack=67108864).

    Sources:
    - NVIDIA/dgx-spark-playbooks; the banner of NGC containers
    """
    wanted = profile.stack_mib.failed
    if wanted is None:
        return skip(f"the profile {profile.name} asks for no stack")
    soft = limits.stack.soft
    shown = "unlimited" if soft is None else gib(soft)
    expected = f">={wanted:g} MiB"
    if soft is None or soft >= wanted * (1 << 20):
        return ok(f"stack limit {shown}", expected=expected, observed=shown)
    raisable = limits.stack.hard is None or limits.stack.hard >= wanted * (1 << 20)
    kib = int(wanted * 1024)
    if raisable:
        remedy, command = "Raise the limit in this shell (or in the service that starts the program).", f"ulimit -s {kib}"
    elif container:
        remedy, command = f"Start the container with --ulimit stack={max(64 << 20, kib << 10)}.", None
    else:
        remedy, command = "Raise the hard limit in /etc/security/limits.conf and log in again.", None
    return fail(
        f"the stack limit is {shown}",
        expected=expected,
        observed=shown,
        evidence=limits.evidence,
        remedy=remedy,
        command=command,
        needs_root=not raisable and not container,
    )
