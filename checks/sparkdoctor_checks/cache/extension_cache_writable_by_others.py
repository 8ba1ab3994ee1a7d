"""Who can put code into the cache."""

from sparkdoctor.facts import CacheAccess, Container
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok, warn


@check
def extension_cache_writable_by_others(access: CacheAccess, container: Container | Missing) -> Verdict:
    """Only this user and root can change the cache of extensions.

    PyTorch loads libraries from there and runs the commands in build.ninja: whoever can write one of them, or replace a
    directory above, runs code as this user. A directory for everybody with the sticky bit, such as /tmp, protects what is
    there but not a name that is still free. A group that has no other members, as Ubuntu gives to each user, is nobody else.

    Sources:
    - inode(7), the sticky bit; /etc/group and /etc/passwd
    """
    from shlex import quote  # noqa: PLC0415

    root = access.root
    evidence = tuple(f"{one.path} (mode {one.mode:04o}) {one.words}" for one in access.openings[:8])
    if not access.openings:
        return ok(f"nobody else can write {root.path}" + ("" if root.status else ", which is not there yet"))
    first = access.openings[0]
    if not root.status and first.mode & 0o1000:
        return warn(
            f"{root.path} is not there yet, and others can make it first: {first.path} {first.words}",
            evidence=evidence,
            remedy="Make it now, for this user alone.",
            command=f"mkdir -m 700 -p {quote(root.path)}",
        )
    owned = [one for one in access.openings if one.owner]
    if owned and len(owned) == len(access.openings) and container and not isinstance(container, Missing):
        return warn(
            f"{first.path} {first.words}, who can change what is loaded from {root.path}",
            evidence=evidence,
            remedy="See that this is you, outside of this container; else mount a directory of your own.",
        )
    if owned:
        return fail(
            f"{owned[0].path} {owned[0].words}, who can change what is loaded from {root.path}",
            expected="only this user and root can write",
            observed=owned[0].words,
            evidence=evidence,
            remedy="Build in a directory of your own.",
            command="export TORCH_EXTENSIONS_DIR=~/.cache/torch_extensions-own",
        )
    paths = " ".join(quote(one.path) for one in access.openings[:64])
    above = any(one.above for one in access.openings)
    return fail(
        f"{first.path} {first.words}: whoever can may run code as this user through {root.path}",
        expected="only this user and root can write",
        observed=f"mode {first.mode:04o}",
        evidence=evidence,
        remedy="Take the right to write from others.",
        command=f"{'sudo ' if above else ''}chmod go-w {paths}",
        needs_root=above,
    )
