"""A plugin with ailments that fixes of every temper are for; the kitchen is the directory in $KITCHEN."""

from typing import Self

from sparkdoctor.plugin import (
    Answer,
    Fact,
    Machine,
    MakeDirectory,
    Missing,
    NotNeeded,
    Plan,
    Refused,
    Run,
    Verdict,
    WriteFile,
    check,
    fail,
    fix,
    ok,
)


class Kitchen(Fact):
    """What each of its files holds."""

    place: str
    files: dict[str, str]
    music: str | None

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Read them."""
        place = machine.env("KITCHEN")
        if place is None:
            return Missing("there is no kitchen")
        names = machine.entries(place)
        files = {name: machine.read(f"{place}/{name}") for name in (() if isinstance(names, Missing) else names)}
        return cls(place, {name: text for name, text in files.items() if isinstance(text, str)}, machine.env("MUSIC"))


def _says(kitchen: Kitchen, name: str, good: str) -> Verdict:
    if name not in kitchen.files or kitchen.files[name] == good:
        return ok(f"the {name} is {good}")
    return fail(f"the {name} is {kitchen.files[name]}", remedy="Mend it.")


def _written(kitchen: Kitchen, name: str, text: str) -> WriteFile:
    return WriteFile(f"{kitchen.place}/{name}", text, kitchen.files.get(name))


@check(layer="kitchen")
def milk_sour(kitchen: Kitchen) -> Verdict:
    """The milk is fresh."""
    return _says(kitchen, "milk", "fresh")


@check(layer="kitchen")
def bread_stale(kitchen: Kitchen) -> Verdict:
    """The bread is fresh."""
    return _says(kitchen, "bread", "fresh")


@check(layer="kitchen")
def oven_cold(kitchen: Kitchen) -> Verdict:
    """The oven is warm."""
    return _says(kitchen, "oven", "warm")


@check(layer="kitchen")
def knife_blunt(kitchen: Kitchen) -> Verdict:
    """The knife is sharp."""
    return _says(kitchen, "knife", "sharp")


@check(layer="kitchen")
def door_shut(kitchen: Kitchen) -> Verdict:
    """The door is open."""
    return _says(kitchen, "door", "open")


@check(layer="kitchen")
def music_off(kitchen: Kitchen) -> Verdict:
    """There is music."""
    wanted = "radio" in kitchen.files
    return ok("it plays") if kitchen.music or not wanted else fail("it is quiet", remedy="Sing.")


@fix(cures=("milk-sour",))
def buy_milk(kitchen: Kitchen) -> Answer:
    """Fresh milk.

    From the shop.

    Sources:
    - the cow
    """
    if kitchen.files.get("milk") == "fresh":
        return NotNeeded("the milk is fresh")
    return Plan("the milk is fresh", (_written(kitchen, "milk", "fresh"),), ("It costs a euro.",))


@fix(cures=("oven-cold",))
def light_oven(kitchen: Kitchen) -> Answer:
    """A warm oven."""
    # A cold kitchen lets the bread go stale: that is found when it is looked at again.
    steps = (_written(kitchen, "oven", "warm"), _written(kitchen, "bread", "burnt"))
    return Plan("the oven is warm", steps)


@fix(cures=("bread-stale",), after=("light-oven",))
def bake_bread(kitchen: Kitchen) -> Answer:
    """Fresh bread."""
    return Plan("the bread is fresh", (_written(kitchen, "bread", "fresh"),))


@fix(cures=("knife-blunt",))
def grind_knife(kitchen: Kitchen) -> Answer:
    """A sharp knife."""
    if kitchen.files["knife"] == "plastic":
        return Refused("it is of plastic", "shop for a knife")
    if kitchen.files["knife"] == "strange":
        raise ZeroDivisionError("no edge")
    broken = Run(("false",), "Grind it.", undo=())
    steps = (_written(kitchen, "knife", "sharp"), MakeDirectory(f"{kitchen.place}/sparks"), broken)
    return Plan("the knife is sharp", steps)


@fix(cures=("knife-blunt",), after=("grind-knife",))
def polish_knife(kitchen: Kitchen) -> Answer:
    """A knife that shines."""
    if kitchen.files["knife"] != "sharp":
        return Refused("the knife is blunt: grind-knife comes first")
    return Plan("the knife shines", (_written(kitchen, "knife", "shining"),))


@fix(cures=("door-shut",))
def push_door(kitchen: Kitchen) -> Answer:
    """An open door."""
    return Plan("the door is open", (_written(kitchen, "door", "ajar"),))


@fix(cures=("music-off",))
def sing(kitchen: Kitchen) -> Answer:
    """Music."""
    if "song" in kitchen.files:
        return NotNeeded("the song is written down, and this shell has not read it", f". {kitchen.place}/song")
    step = _written(kitchen, "song", "export MUSIC=on\n")
    return Plan("there is music", (step,), environment=(("MUSIC", "on"),))
