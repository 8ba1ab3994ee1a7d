"""Extensions of another environment."""

from sparkdoctor.facts import Container, Extensions, Rebuilds
from sparkdoctor.facts.extension_locks import hindrance
from sparkdoctor.facts.extensions import State, move_aside
from sparkdoctor.plugin import Answer, Missing, Move, NotNeeded, Plan, Refused, fix


@fix(cures=("extension-cache-foreign",), after=("clear-extension-lock",))
def quarantine_foreign_extension(extensions: Extensions, rebuilds: Rebuilds | Missing, container: Container | Missing) -> Answer:
    """Extensions built for another environment are out of the way.

    Each is renamed within the cache (`NAME.aside`), nothing is deleted; the next use builds it for today's environment. That
    includes those that would still load, as after an update of PyTorch in its place: ninja does not notice that they are stale.

    Refused where a directory is a symbolic link, cannot be renamed by this user, or may be in use by a build that cannot be seen.
    Where several environments share one TORCH_EXTENSIONS_DIR, the other one then builds anew too: better give each a directory
    of its own.

    Sources:
    - _get_build_directory in torch/utils/cpp_extension.py: PyTorch looks for an extension by its exact name
    """
    foreign = extensions.having(State.FOREIGN)
    if not foreign:
        return NotNeeded(
            f"no extension is seen to be for something else than what is here{extensions.others(State.FOREIGN)}"
            if extensions.found
            else extensions.none
        )
    if isinstance(rebuilds, Missing):
        return Refused(f"what is in {extensions.root.path} could not be read: {rebuilds.reason}")
    kept = {one.path: why for one in foreign if (why := hindrance(extensions, container, one))}
    moved = [one for one in foreign if one.path not in kept]
    if not moved:
        return Refused("; ".join(dict.fromkeys(kept.values())), move_aside(foreign, sudo=bool(extensions.root.obstacle)))
    moves = tuple(Move(one.path, rebuilds.aside(one)) for one in moved)
    what = "is out of the way; its" if len(moved) == 1 else "are out of the way; their"
    return Plan(
        f"{' and '.join(one.name for one in moved)} {what} next use builds for what is here today",
        moves,
        (*(f"{one.name}: {reason}" for one in moved for reason in one.reasons[:3]), *dict.fromkeys(kept.values())),
    )
