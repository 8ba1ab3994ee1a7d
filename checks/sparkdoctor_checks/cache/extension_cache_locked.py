"""Locks that nobody will open again."""

from sparkdoctor.facts import Container, Extensions
from sparkdoctor.facts.extension_locks import PATIENCE, doubt, lock_age
from sparkdoctor.facts.extensions import Extension, State
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok, skip, warn


@check
def extension_cache_locked(extensions: Extensions, container: Container | Missing) -> Verdict:
    """No extension is locked by a build that has ended.

    Up to version 2.13 PyTorch locks an extension with a file that is there or not. A build that was killed leaves it, and every
    later use waits for it silently and for ever, even where the library is complete. From 2.14 on the kernel holds the lock,
    and the file that stays behind means nothing. A live build has the file open, or runs compilers in the directory; compilers
    whose build was killed go on by themselves, and the lock stays when they are done.

    Sources:
    - torch/utils/file_baton.py (2.13), torch/utils/_filelock.py (2.14); pytorch/pytorch #189245
    - measured: builds ended by SIGINT, SIGTERM and SIGKILL, docs/sources.md
    """
    if not extensions.found:
        return skip(extensions.none)
    locked = extensions.having(State.LOCKED)
    building = extensions.having(State.BUILDING)
    if not locked:
        busy = "; ".join(f"{one.name} {one.state}: {', '.join(one.reasons)}" for one in building)
        files = sum(one.lock is not None for one in extensions.found)
        free = f"no lock among {len(extensions.found)} extensions"
        if files and extensions.flocks:
            free = f"{files} lock files, which mean nothing: this PyTorch's locks are the kernel's"
        return ok((busy or free) + extensions.but)
    from shlex import quote  # noqa: PLC0415

    evidence = tuple(f"{one.path}/lock, {_age(extensions, one)}; {_who(one)}" for one in locked)
    locks = " ".join(quote(f"{one.path}/lock") for one in locked)
    names = " and ".join(one.name for one in locked)
    orphans = {holder.pid: holder.name for one in locked for holder in one.holders}
    if orphans:
        waits = "; ".join(f"tail --pid={pid} -f /dev/null" for pid in list(orphans)[:8])
        shown = ", ".join(f"{name} (pid {pid})" for pid, name in orphans.items())
        return fail(
            f"the build of {names} was killed, but {shown} of it still runs; the lock will stay and every use will wait for ever",
            expected="a live builder, or no lock",
            observed="compilers without their builder",
            evidence=evidence,
            remedy="Let them finish, then remove the lock.",
            command=f"{waits}; rm {locks}",
        )
    doubts = tuple(why for one in locked if (why := doubt(extensions, container, one)))
    young = doubts and any(lock_age(extensions, one) < PATIENCE for one in locked)
    if young:
        return warn(
            f"{names} may be locked for ever: nobody who builds can be seen, but not everybody can",
            evidence=(*evidence, *doubts),
            remedy="Wait for the build, if there is one; if none is running anywhere, remove the lock.",
            command=f"rm {locks}",
        )
    return fail(
        f"{names} is locked by a build that has ended; every use waits for ever, without a word",
        expected="a live builder, or no lock",
        observed="a lock and nobody who holds it" + (" that can be seen" if doubts else ""),
        evidence=(*evidence, *doubts),
        remedy="Remove the lock, and restart what waits for it.",
        command=f"rm {locks}",
    )


def _age(extensions: Extensions, one: Extension) -> str:
    seconds = lock_age(extensions, one)
    return f"{seconds // 60} min old" if seconds < 2 * 3600 else f"{seconds // 3600} h old"


def _who(one: Extension) -> str:
    return ", ".join(one.reasons) or "no process has it open and no compiler works there"
