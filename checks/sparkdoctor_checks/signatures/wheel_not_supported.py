"""Wheels against Python and the platform."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "{wheel:path} is not a supported wheel on this platform",
    "A path dependency is incompatible with the current platform: {wheel:path}",
    "A URL dependency is incompatible with the current platform: {wheel:path}",
    checks=("wheel-for-other-machine", "torch-missing"),
)
def wheel_not_supported(found: Found) -> Verdict:
    """A wheel is for another Python, processor or system.

    The tags in its name say what it is for: cp312 is CPython 3.12; x86_64 or aarch64 the processor; manylinux_2_28 the oldest
    glibc. A file renamed in the download (`torch.whl`) has no tags that pip can read.

    Sources:
    - the specification of wheels' names ("Platform compatibility tags"); pip 23, run
    """
    wheel = found["wheel"].rpartition("/")[2]
    if wheel.count("-") < 4:
        return fail(
            f"{wheel} is no wheel's name: pip reads from it what the wheel is for",
            remedy="Give the file the name again that it was published with.",
        )
    if "x86_64" in wheel or "amd64" in wheel:
        text, remedy = "is for x86-64; this processor is another", "Take the wheel for aarch64."
    elif "aarch64" in wheel:
        text, remedy = "is for another Python, an older or newer one, or another system", "Compare its cp tag with `python3 -V`."
    else:
        text, remedy = "is for another Python or system", "Compare its cp tag with `python3 -V`."
    return fail(
        f"{wheel} {text}", remedy=remedy, command="python3 -c 'import sys, platform; print(sys.version, platform.machine())'"
    )
