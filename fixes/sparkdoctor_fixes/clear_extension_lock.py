"""Locks of builds that have ended."""

from sparkdoctor.facts import Container, Extensions
from sparkdoctor.facts.extension_locks import PATIENCE, doubt, lock_age
from sparkdoctor.facts.extensions import Extension, State
from sparkdoctor.plugin import Answer, Missing, NotNeeded, Plan, Refused, RemoveFile, fix


@fix(cures=("extension-cache-locked",))
def clear_extension_lock(extensions: Extensions, container: Container | Missing) -> Answer:
    """Locks that builds have left behind are removed.

    Removes the empty file `lock` of an extension that no process has open and in whose directory no compiler works. Where not
    everybody who might build can be seen (another machine, container or user), it removes only a lock that is more than an hour
    old. PyTorch 2.14 and later lock in another way; their file means nothing and is left alone.

    A program that waits for the lock then loads the extension; where that was never built to its end, the program fails and has
    to be started again.

    Sources:
    - torch/utils/file_baton.py (2.13), torch/utils/_filelock.py (2.14)
    - measured with PyTorch 2.13: a waiter whose lock is removed loads what is there, docs/sources.md
    """
    from shlex import quote  # noqa: PLC0415

    locked = extensions.having(State.LOCKED)
    if not locked:
        building = extensions.having(State.BUILDING)
        busy = "; ".join(f"{one.name} {one.state}: {', '.join(one.reasons)}" for one in building)
        return NotNeeded(busy or "no extension is locked")
    kept = {one.path: why for one in locked if (why := _obstacle(extensions, container, one))}
    stale = [one for one in locked if one.path not in kept]
    if not stale:
        orphans = sorted({holder.pid for one in locked for holder in one.holders})
        waits = "".join(f"tail --pid={pid} -f /dev/null; " for pid in orphans)
        sudo = "" if all(one.writable for one in locked) else "sudo "
        linked = any(one.linked for one in locked)
        locks = " ".join(quote(f"{one.path}/lock") for one in locked)
        return Refused("; ".join(kept.values()), None if linked else f"{waits}{sudo}rm {locks}")
    doubts = [
        f"{one.name}'s lock is more than an hour old, but {why}" for one in stale if (why := doubt(extensions, container, one))
    ]
    library = [one.name for one in stale if one.build is None]
    return Plan(
        f"{_names(stale)} wait{'s' if len(stale) == 1 else ''} no more for a build that has ended",
        tuple(RemoveFile(f"{one.path}/lock", "", one.lock.mtime) for one in stale if one.lock and one.lock.mtime is not None),
        (
            *doubts,
            *kept.values(),
            *([f"{_names(stale)} was never built to its end: start again what waits for it"] if library else []),
        ),
    )


def _names(extensions: list[Extension]) -> str:
    return " and ".join(one.name for one in extensions)


def _obstacle(extensions: Extensions, container: Container | Missing, one: Extension) -> str | None:
    """Why this lock is not removed."""
    lock = f"{one.path}/lock"
    if one.holders:
        return f"compilers of {one.name}'s build still run: {', '.join(one.reasons)}"
    if one.lock is None or one.lock.mtime is None:
        return f"when {lock} was made is not known"
    if one.linked or one.lock.real != lock:
        return f"{lock} is reached through a symbolic link"
    if one.lock.size:
        return f"{lock} has content, so it is no lock of PyTorch's"
    if lock_age(extensions, one) < PATIENCE and (why := doubt(extensions, container, one)):
        return f"whether somebody builds {one.name} cannot be seen: {why}"
    return None if one.writable else f"{one.path} cannot be written by this user"
