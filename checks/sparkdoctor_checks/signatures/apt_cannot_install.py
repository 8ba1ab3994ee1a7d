"""Packages of the system's that cannot be installed."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "E: Unable to correct problems, you have held broken packages",
    "The following packages have unmet dependencies:",
    "Error: Unable to correct problems, you have held broken packages",
    "Unable to satisfy dependencies. Reached two conflicting assignments:",
    "E: Unable to locate package {package:name}",
    "Error: Unable to locate package {package:name}",
    "Package '{candidate:name}' has no installation candidate",
    checks=("dgx-os-outdated", "reboot-pending"),
    because=("network-unreachable", "dpkg-unfinished", "apt-locked", "apt-source-untrusted", "certificate-rejected"),
)
def apt_cannot_install(found: Found) -> Verdict:
    """Apt cannot install what was asked for.

    Its lists are old or empty (in a fresh container), or packages of the driver are of two releases: on a Spark driver, firmware
    and kernel are updated together, never with a bare `apt upgrade`.

    Sources:
    - the words of apt 2.6 and 3.0; NVIDIA forum t/378200
    """
    name = found["package"] or found["candidate"]
    if name:
        return fail(
            f"apt knows no package {name}",
            remedy="Bring its lists up to date and try again; check the name, and whether it is for arm64.",
            command="sudo apt update",
            needs_root=True,
        )
    if any("nvidia" in line or "cuda" in line for line in (*found.before, *found.after)):
        return fail(
            "packages of the driver or of CUDA are of releases that do not go together",
            remedy="Bring all packages to one release, then restart.",
            command="sudo apt update && sudo apt dist-upgrade && sudo reboot",
            needs_root=True,
            needs_reboot=True,
        )
    return fail(
        "packages that were asked for do not go together with those that are installed",
        remedy="Bring all packages to one release first; `apt-mark showhold` shows those that are held.",
        command="sudo apt update && sudo apt dist-upgrade",
        needs_root=True,
    )
