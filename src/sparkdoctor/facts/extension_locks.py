"""Whether somebody who cannot be seen may be building an extension: the rule of the check and of the fixes."""

from sparkdoctor.facts.container import Container
from sparkdoctor.facts.extensions import Extension, Extensions
from sparkdoctor.model import Missing

PATIENCE = 3600
"""Seconds after which a lock whose holder cannot be seen is taken for left over; a cold build takes minutes."""


def lock_age(extensions: Extensions, one: Extension) -> int:
    """The lock's age in seconds; none where it is not known."""
    made = one.lock.mtime if one.lock else None
    now = None if extensions.holders is None or isinstance(extensions.holders, Missing) else extensions.holders.now
    return 0 if made is None or now is None else max(0, now - made)


def doubt(extensions: Extensions, container: Container | Missing, one: Extension) -> str | None:
    """Why a holder of its lock might not be seen from here."""
    holders = extensions.holders
    if holders is None or isinstance(holders, Missing):
        return "which processes run could not be read" + (f": {holders.reason}" if holders else "")
    if extensions.root.remote and extensions.root.mount:
        return f"{extensions.root.path} is on {extensions.root.mount.kind}: other machines may build there"
    if container and not isinstance(container, Missing) and not extensions.root.fleeting:
        return f"this is a container ({container.engine}): processes outside of it cannot be seen"
    owner = one.lock.uid if one.lock else None
    if owner not in (extensions.uid, None) and (holders.hidden or extensions.uid != 0):
        return f"the lock is uid {owner}'s, and {holders.hidden} processes of others could not be looked into"
    return None


def hindrance(extensions: Extensions, container: Container | Missing, one: Extension) -> str | None:
    """Why we do not move an extension aside. One with a lock of the kernel's may be in the hands of somebody out of sight."""
    root, place = extensions.root, one.place
    if one.linked and place:
        return f"{one.path} is reached through a symbolic link, to {place.real}"
    if root.obstacle:
        return root.obstacle
    if root.status and root.status.mode & 0o1000 and place and extensions.uid not in (0, place.uid, root.status.uid):
        return f"{one.path} belongs to uid {place.uid}, and {root.path} has the sticky bit"
    if one.lock and lock_age(extensions, one) < PATIENCE and (why := doubt(extensions, container, one)):
        return f"{one.name} may be in the making: {why}"
    return None
