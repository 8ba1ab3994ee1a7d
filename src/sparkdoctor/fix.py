"""The decorator `fix` and what it makes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sparkdoctor.check import Described
from sparkdoctor.plan import Answer


@dataclass(frozen=True)
class Fix(Described):
    """A named function from facts to a plan.

    `cures` are the ids of the checks that must pass afterwards, `after` those of the fixes that go before it where both run.
    """

    function: Callable[..., Answer]
    cures: tuple[str, ...]
    after: tuple[str, ...] = ()


def fix(*, cures: tuple[str, ...], after: tuple[str, ...] = ()) -> Callable[[Callable[..., Answer]], Fix]:
    """Make a fix of a function whose parameters are facts (or the profile) and whose result is a plan, or why there is none.

    The id is the function's name with hyphens.
    """

    def make(function: Callable[..., Any]) -> Fix:
        return Fix(function, function.__name__.replace("_", "-"), cures, after)

    return make
