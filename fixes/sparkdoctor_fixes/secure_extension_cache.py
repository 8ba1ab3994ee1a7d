"""Who can put code into the cache."""

from sparkdoctor.facts import CacheAccess
from sparkdoctor.facts.cache_access import STICKY, Opening
from sparkdoctor.plugin import Answer, MakeDirectory, NotNeeded, Plan, Refused, SetMode, Step, fix

OTHERS = 0o022
"""The right to write of group and others."""
PRIVATE = "export TORCH_EXTENSIONS_DIR=~/.cache/torch_extensions-own"


@fix(cures=("extension-cache-writable-by-others",), after=("rebuild-extension",))
def secure_extension_cache(access: CacheAccess) -> Answer:
    """Only this user and root can change the cache of extensions.

    Takes the right to write from group and others, and nothing else, of each directory and file that the check names. A cache
    that is not there yet, in a directory where anybody can make it first (/tmp), is made, for this user alone. What others have
    put there before stays: where that is to be feared, remove the cache.

    All or nothing, since one path that stays open is enough to get in. So it is refused where a path belongs to somebody else,
    who could open it again, or is a symbolic link; and a directory above the cache is changed only where it is this user's own:
    root does not take /tmp from everybody. The other way is a private directory in TORCH_EXTENSIONS_DIR.

    Sources:
    - inode(7), the sticky bit; chmod(2): only the owner and root may
    """
    from shlex import quote  # noqa: PLC0415

    root, openings = access.root, access.openings
    if not openings:
        return NotNeeded(f"nobody else can write {root.path}")
    if not root.status and openings[0].mode & STICKY:
        return _made(access)
    stuck = {one.path: why for one in openings if (why := _obstacle(access, one))}
    if stuck:
        why = "; ".join(list(stuck.values())[:4])
        if any(one.owner or one.real not in ("", one.path) for one in openings):
            private = "a directory of your own in TORCH_EXTENSIONS_DIR is private"
            return Refused(f"{why}; {private}", PRIVATE)
        paths = " ".join(quote(one.path) for one in openings)
        sudo = "" if access.uid == 0 else "sudo "
        return Refused(f"{why}: who else needs to write there is for you to judge", f"{sudo}chmod go-w {paths}")
    return Plan(
        f"only this user and root can write {root.path}",
        tuple(SetMode(one.path, one.mode & ~OTHERS, one.mode) for one in openings),
        ("what others have put there before stays: where that is to be feared, remove the cache",),
    )


def _obstacle(access: CacheAccess, one: Opening) -> str | None:
    """Why the mode of this path is not ours to change."""
    if one.owner:
        return f"{one.path} {one.words}, who could open it again"
    if one.real != one.path:
        return f"{one.path} is reached through a symbolic link"
    if one.above and (one.uid != access.uid or one.uid == 0):
        return f"{one.path}, above the cache, {one.words}"
    if one.uid != access.uid:
        return f"{one.path} {one.words} and is not this user's own"
    return None


def _made(access: CacheAccess) -> Answer:
    """Make the cache before somebody else does."""
    root = access.root
    there = root.above[0][0] if root.above else ""
    nearest, *others = access.openings
    if nearest.path == there and not nearest.owner and not others and not root.obstacle:
        steps: list[Step] = []
        path = there.rstrip("/")
        for name in root.path[len(path) + 1 :].split("/"):
            path = f"{path}/{name}"
            steps.append(MakeDirectory(path, 0o700))
        return Plan(f"{root.path} is this user's alone, before others can make it", tuple(steps))
    why = [f"{one.path} {one.words}" for one in access.openings[:4]] + ([root.obstacle] if root.obstacle else [])
    return Refused(f"{root.path} is not there yet, and {'; '.join(why)}", PRIVATE)
