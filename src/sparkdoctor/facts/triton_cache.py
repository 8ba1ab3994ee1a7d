"""Where Triton keeps what it has compiled."""

from posixpath import join
from typing import Self

from sparkdoctor.facts.places import Place, home, locate
from sparkdoctor.facts.triton import Triton
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Broken, Missing


class TritonCache(Fact):
    """`variable` is the one that chose the place, None for the default; `kernels` the number of entries in it."""

    part_of = Triton

    variable: str | None
    place: Place | Missing
    kernels: int

    @classmethod
    def probe(cls, machine: Machine) -> Self:
        """Do what `cache_knobs` in triton/knobs.py does."""
        triton = machine.need(Triton)
        named, above = machine.env("TRITON_CACHE_DIR"), machine.env("TRITON_HOME")
        if named == "" and triton.release >= (3, 4):
            words = f"TRITON_CACHE_DIR is set and empty: Triton {triton.version} says `Could not create or locate cache dir`"
            return cls("TRITON_CACHE_DIR", Broken(words), 0)
        if named:  # before 3.4 an empty one counted as none
            variable, path = "TRITON_CACHE_DIR", named
        elif above is not None:
            variable, path = "TRITON_HOME", join(above, ".triton", "cache")
        else:
            variable, path = None, f"{home(machine)}/.triton/cache"
        place = locate(machine, path)
        found = machine.entries(place.path) if place.status else ()
        return cls(variable, place, 0 if isinstance(found, Missing) else len(found))
