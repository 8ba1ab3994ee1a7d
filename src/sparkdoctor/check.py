"""The decorator `check` and what it makes."""

import re
import types
from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints, overload

from sparkdoctor.machine import Fact
from sparkdoctor.model import Missing, Verdict
from sparkdoctor.profiles import Profile


class Need(NamedTuple):
    """One parameter of a check or fix. `fact` is None for the profile; `judges_absence` is `Fact | Missing`."""

    name: str
    fact: type[Fact] | None
    judges_absence: bool


class Described:
    """A function whose signature says what it needs and whose docstring what it is for: a check, a fix, or a signature.

    No dataclass, nor are its kinds: what `@dataclass` compiles costs a quick check 2 ms of 180 (benchmarks/).
    """

    kind = ""
    """Its kind in a word."""

    def __init__(self, function: Callable[..., Any], id: str) -> None:  # noqa: A002 (it is the word of the reports)
        self.function = function
        self.id = id

    @property
    def title(self) -> str:
        """The first line of the docstring, without its full stop."""
        return (self.function.__doc__ or self.id).strip().partition("\n")[0].removesuffix(".")

    @property
    def why(self) -> str:
        """The docstring after its first line, without its sources."""
        return self._body[0]

    @property
    def sources(self) -> tuple[str, ...]:
        """The lines after `Sources:` in the docstring."""
        return tuple(line.strip("- ") for line in self._body[1].splitlines() if line.strip())

    @property
    def _body(self) -> tuple[str, str]:
        lines = (self.function.__doc__ or "").strip().splitlines()[1:]
        text = "\n".join(line.strip() for line in lines).strip()
        why, _, sources = re.sub(r"\n*^Sources:\s*$\n?", "\0", text, count=1, flags=re.MULTILINE).partition("\0")
        return why, sources

    @cached_property
    def needs(self) -> tuple[Need, ...]:
        """What the signature asks for.

        Raises:
            TypeError: a parameter that is neither a fact nor a profile.
        """
        hints: dict[str, Any] = self.function.__annotations__
        if any(isinstance(hint, str) for hint in hints.values()):
            hints = get_type_hints(self.function)
        code = self.function.__code__
        for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
            if name not in hints:
                raise TypeError(f"{self.id}: parameter {name!r} is neither a fact nor the profile")
        return tuple(_need(self.id, name, hint) for name, hint in hints.items() if name != "return")


class Check(Described):
    """A named function from facts to a verdict.

    `id` names the problem, `title` states the norm, `layer` groups checks in a report.
    """

    kind = "check"

    def __init__(self, function: Callable[..., Verdict], id: str, layer: str) -> None:  # noqa: A002 (as above)
        super().__init__(function, id)
        self.layer = layer

    @property
    def deep(self) -> bool:
        """Whether it can say nothing without a deep fact; `Deep | Missing` is a check that knows more with it."""
        return any(need.fact is not None and need.fact.deep and not need.judges_absence for need in self.needs)

    @property
    def depth(self) -> str:
        """What --deep is to it, in words."""
        if self.deep:
            return "Runs with --deep only."
        return "Proves it with --deep." if any(need.fact is not None and need.fact.deep for need in self.needs) else ""


def _need(owner: str, name: str, hint: Any) -> Need:
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    kinds = [option for option in options if isinstance(option, type) and not issubclass(option, Missing)]
    if kinds == [Profile]:
        return Need(name, None, judges_absence=False)
    if len(kinds) == 1 and issubclass(kinds[0], Fact):
        return Need(name, kinds[0], judges_absence=len(options) > 1)
    raise TypeError(f"{owner}: parameter {name!r} is neither a fact nor the profile")


@overload
def check(function: Callable[..., Verdict]) -> Check: ...
@overload
def check(*, id: str | None = None, layer: str | None = None) -> Callable[[Callable[..., Verdict]], Check]: ...
def check(
    function: Callable[..., Verdict] | None = None,
    *,
    id: str | None = None,  # noqa: A002 (it is the word of the reports)
    layer: str | None = None,
) -> Check | Callable[[Callable[..., Verdict]], Check]:
    """Make a check of a function whose parameters are facts (or the profile) and whose result is a verdict.

    The id is the function's name with hyphens and the layer the name of the package that holds its module, unless
    given.
    """

    def make(function: Callable[..., Verdict]) -> Check:
        package = function.__module__.split(".")[:-1]
        return Check(
            function,
            id or function.__name__.replace("_", "-"),
            layer or (package[-1] if package else function.__module__),
        )

    return make(function) if function is not None else make
