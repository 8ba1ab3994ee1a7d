"""The decorator `signature` and what it makes: what a log says when something certain went wrong."""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

from sparkdoctor.check import Described, Need
from sparkdoctor.model import Verdict
from sparkdoctor.wording import Wording

ANYTHING = "*"
"""In `because`: whatever else went wrong is the cause."""


class Found:
    """A line of a log that one of a signature's texts fits.

    `line` is it, with single blanks, without colours; `number` counts from 1. `held` is what the text's holes hold, by name.
    `before` and `after` are up to 12 lines each around it, as they were printed, but for colours.
    """

    def __init__(
        self,
        line: str,
        held: Mapping[str, str],
        number: int = 1,
        around: Callable[[], tuple[tuple[str, ...], tuple[str, ...]]] = lambda: ((), ()),
    ) -> None:
        """`around` is asked where a signature wants to know what stands before and after."""
        self.line = line
        self.held = held
        self.number = number
        self._around = around

    def __getitem__(self, name: str) -> str:
        """What a hole holds; empty where the text that was found has no such hole."""
        return self.held.get(name, "")

    @cached_property
    def before(self) -> tuple[str, ...]:
        """The lines above it, the nearest last."""
        return self._around()[0]

    @cached_property
    def after(self) -> tuple[str, ...]:
        """The lines below it."""
        return self._around()[1]


class Signature(Described):
    """A named function from a line that was found in a log to what it means.

    `texts` are what tools print (see `Wording`), `checks` the ids of those that tell whether this machine is so, `because` the
    ids of the signatures that this one is a consequence of, where they are in the same log. With `at_end` it counts only in the
    last lines.
    """

    kind = "signature"

    def __init__(
        self,
        function: Callable[[Found], Verdict | None],
        id: str,  # noqa: A002 (it is the word of the reports)
        texts: Iterable[str],
        *,
        checks: tuple[str, ...] = (),
        because: tuple[str, ...] = (),
        at_end: bool = False,
    ) -> None:
        super().__init__(function, id)
        self.wordings = tuple(Wording(text) for text in texts)
        self.checks = checks
        self.because = because
        self.at_end = at_end

    @cached_property
    def needs(self) -> tuple[Need, ...]:
        """No facts: a log may be of another machine."""
        return ()


def signature(
    *texts: str, checks: tuple[str, ...] = (), because: tuple[str, ...] = (), at_end: bool = False
) -> Callable[[Callable[[Found], Verdict | None]], Signature]:
    """Make a signature of a function that says what a line means which one of the texts fits.

    Its verdict is `fail`, `warn`, or `ok` where it is harmless; None where it is not what it looked like. The id is the
    function's name with hyphens, the first line of its docstring says what has happened.

    Raises:
        ValueError: a text that cannot be looked for (see `Wording`).
    """

    def make(function: Callable[[Found], Verdict | None]) -> Signature:
        name = function.__name__.replace("_", "-")
        return Signature(function, name, texts, checks=checks, because=because, at_end=at_end)

    return make
