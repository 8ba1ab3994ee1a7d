"""apt's lock."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "E: Could not get lock {file:path}",
    "E: Unable to acquire the dpkg frontend lock ({file:path})",
    "E: Could not open lock file {file:path}",
    "E: Unable to lock directory {file:path}",
    "E: Unable to lock the administration directory ({file:path})",
    "Error: Could not get lock {file:path}",
    "Error: Unable to acquire the dpkg frontend lock ({file:path})",
    "Error: Could not open lock file {file:path}",
    "Error: Unable to lock directory {file:path}",
    "dpkg: error: dpkg frontend lock was locked by another process",
    "dpkg: error: dpkg status database is locked by another process",
    "dpkg: error: requested operation requires superuser privilege",
)
def apt_locked(found: Found) -> Verdict:
    """Apt may not work now: another one does, or it was not started as root.

    After the start of the machine unattended-upgrades holds the lock for some minutes. The lock's file is no leftover to remove:
    the kernel frees it when its process ends. From apt 3.0 on `Error:` stands where `E:` stood.

    Sources:
    - apt 2.6, run as another user; the words of dpkg
    """
    near = " ".join((*found.before[-2:], found.line, *found.after[:2]))
    if "Permission denied" in near or "are you root?" in near or "superuser" in near:
        return fail(
            "apt was not started as root, and may not change the system's packages",
            remedy="Run the same command with sudo in front.",
        )
    return fail(
        "another apt or dpkg is at work and holds the lock",
        remedy="Wait until it has ended (unattended-upgrades takes minutes); do not remove the lock's file.",
        command="sudo lsof /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock",
        needs_root=True,
    )
