"""Who may change what PyTorch loads from its cache of extensions."""

from typing import NamedTuple, Self

from sparkdoctor.facts.extensions import Extension, Extensions
from sparkdoctor.facts.places import Place
from sparkdoctor.facts.torch import Torch
from sparkdoctor.machine import Fact, FileStatus, Machine
from sparkdoctor.model import Missing

STICKY = 0o1000
_ROOT = 0
_UNMAPPED = 65534
"""How a user namespace (a rootless container) shows whom it does not know, the host's root above all."""


class Opening(NamedTuple):
    """A path that somebody else may change: its permission bits, whose it is, and in words who may.

    `owner` says that it is another user's own, whatever the bits; `above` that it is a directory over the cache; `uid` whose
    it is and `real` where it is without symbolic links, where that is known.
    """

    path: str
    mode: int
    words: str
    owner: bool = False
    above: bool = False
    uid: int | None = None
    real: str = ""


class CacheAccess(Fact):
    """What others may change of the cache, nearest to the root first.

    `root` is where the cache is or would be, `uid` this user.
    """

    part_of = Torch

    root: Place
    openings: tuple[Opening, ...]
    uid: int = _ROOT

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Judge the directories over the root, the root, its extensions, and the files in them that are loaded or run."""
        extensions = machine.need(Extensions)
        root, uid = extensions.root, machine.itself()["uid"]
        known = [status for _, status in root.above] + ([root.status] if root.status else [])
        if not known or any(status.uid is None for status in known):
            return Missing("the owners of the extension cache's directories are not known")
        found = []
        nearest = root.above[0][0] if root.above else None
        below = root.status
        for path, status in root.above:
            # Where a name is still free, a sticky directory lets anybody take it.
            guards = bool(status.mode & STICKY) and (below.uid in (uid, _ROOT) if below else path != nearest)
            found.append(_opening(machine, path, status, uid, guarded=guards, above=True))
            below = status
        if root.status:
            found.append(_opening(machine, root.path, root.status, uid))
            for path in (path for extension in extensions.found for path in _loaded(extension)):
                loaded = machine.stat(path)
                if isinstance(loaded, FileStatus):
                    found.append(_opening(machine, path, loaded, uid))
        return cls(root, tuple(opening for opening in found if opening), uid)


def _loaded(extension: Extension) -> tuple[str, ...]:
    build = extension.build
    files = (build.library, *build.objects, "build.ninja") if build else ("build.ninja", f"{extension.name}.so")
    return (extension.path, *(f"{extension.path}/{name}" for name in files if not name.startswith("/")))


def _opening(
    machine: Machine, path: str, status: FileStatus, uid: int, *, guarded: bool = False, above: bool = False
) -> Opening | None:
    """Who but this user and root may change a path; None where nobody may. `guarded` says that names in it are safe."""
    opening = Opening(path, status.mode, "", above=above, uid=status.uid, real=status.real)
    if status.uid not in (uid, _ROOT, _UNMAPPED):
        return opening._replace(words=f"belongs to uid {status.uid}", owner=True)
    if status.mode & 0o002 and not guarded:
        return opening._replace(words="may be written by everybody")
    if status.mode & 0o020 and not guarded and status.gid not in (_ROOT, None):
        others = machine.members(status.gid)
        if isinstance(others, Missing):
            return opening._replace(words=f"may be written by group {status.gid}, whose members are not known here")
        if others:
            return opening._replace(words=f"may be written by {others} other{'s' * (others > 1)} of group {status.gid}")
    return None
