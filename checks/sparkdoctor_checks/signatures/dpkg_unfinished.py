"""An installation of packages that was not finished."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "dpkg was interrupted, you must manually run",
    "Unmet dependencies. Try 'apt --fix-broken install'",
    "Unmet dependencies. Try 'apt-get --fix-broken install'",
    "You might want to run 'apt --fix-broken install' to correct these",
    "You might want to run 'apt-get -f install' to correct these",
    "trying to overwrite '{file:path}', which is also in package {package:path}",
    "package is in a very bad inconsistent state",
    checks=("reboot-pending", "driver-library-mismatch"),
)
def dpkg_unfinished(found: Found) -> Verdict:
    """An earlier installation stopped halfway, and must be finished first.

    An update that was interrupted leaves packages unpacked and not configured; kernel module and library of a
    driver then differ.

    Sources:
    - the words of dpkg and apt; NVIDIA forum t/378200 (torn updates)
    """
    if found["file"]:
        return fail(
            f"two packages bring {found['file']}: {'drivers' if 'nvidia' in found.line else 'packages'} of two sources are mixed",
            remedy="Let apt finish with one of them, then bring all packages to one release.",
            command="sudo apt --fix-broken install -o Dpkg::Options::=--force-overwrite && sudo apt dist-upgrade",
            needs_root=True,
        )
    return fail(
        "an earlier installation of packages stopped halfway",
        remedy="Let dpkg finish it, and bring all packages to one release.",
        command="sudo dpkg --configure -a && sudo apt --fix-broken install && sudo apt dist-upgrade",
        needs_root=True,
    )
