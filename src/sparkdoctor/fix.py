"""The decorator `fix` and what it makes."""

from collections.abc import Callable
from typing import Any

from sparkdoctor.check import Described
from sparkdoctor.plan import Answer


class Fix(Described):
    """A named function from facts to a plan.

    `cures` are the ids of the checks that must pass afterwards, `after` those of the fixes that go before it where both run.
    What it needs of these it finds in the facts, which are read anew for each fix.
    """

    kind = "fix"

    def __init__(
        self,
        function: Callable[..., Answer],
        id: str,  # noqa: A002 (it is the word of the reports)
        cures: tuple[str, ...],
        after: tuple[str, ...] = (),
    ) -> None:
        super().__init__(function, id)
        self.cures = cures
        self.after = after


def fix(*, cures: tuple[str, ...], after: tuple[str, ...] = ()) -> Callable[[Callable[..., Answer]], Fix]:
    """Make a fix of a function whose parameters are facts (or the profile) and whose result is a plan, or why there is none.

    The id is the function's name with hyphens.
    """

    def make(function: Callable[..., Any]) -> Fix:
        return Fix(function, function.__name__.replace("_", "-"), cures, after)

    return make
