"""What jobs are called, so that each can be told from the others."""

from collections.abc import Mapping, Sequence
from posixpath import basename

LONGEST = 255
"""Letters of a name that are kept: its end, where the file's own name is."""


def short(name: str) -> str:
    """A name as it is kept: of one that is too long, its end."""
    return name if len(name) <= LONGEST else "…" + name[1 - LONGEST :]


def told_apart(names: Sequence[str]) -> list[str]:
    """What to call jobs: the file's name, with as many directories as tell it from others, and numbers where they do not."""
    made = [basename(name.rstrip("/")) or name for name in names]
    for parts in range(2, 12):
        twins = {short: {names[place] for place in places} for short, places in _places(made).items() if len(places) > 1}
        again = [place for place, short in enumerate(made) if len(twins.get(short, ())) > 1]
        if not again:
            break
        for place in again:
            made[place] = "/".join(names[place].split("/")[-parts:])
    taken = set(made)
    for short, places in _places(made).items():
        number = 1
        for place in places[1:]:
            number += 1
            while f"{short} ({number})" in taken:  # somebody's file has that very name
                number += 1
            made[place] = f"{short} ({number})"
    return made


def _places(names: Sequence[str]) -> Mapping[str, list[int]]:
    found: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        found.setdefault(name, []).append(place)
    return found
