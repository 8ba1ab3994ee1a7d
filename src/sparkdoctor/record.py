"""`typing.NamedTuple` for less: a quick check makes seventy such classes, and each is made here in a fifth of the time."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple  # noqa: PLC0414 (it is exported)
else:
    from collections import _tuplegetter
    from typing import Any, Self

    class NamedTuple(tuple):
        """Fields by annotation, with defaults. `collections.namedtuple` compiles a constructor for each class; this has one."""

        __slots__ = ()
        _fields = ()  # no annotations: these are of the fields
        _field_defaults = {}  # noqa: RUF012 (as above)

        def __init_subclass__(cls) -> None:
            """Make its annotations fields."""
            cls._fields = cls.__match_args__ = tuple(cls.__annotations__)
            cls._field_defaults = {name: vars(cls)[name] for name in cls._fields if name in vars(cls)}
            for number, name in enumerate(cls._fields):
                setattr(cls, name, _tuplegetter(number, ""))

        def __new__(cls, *values: Any, **named: Any) -> Self:
            """Take the fields in their order, or by name.

            Raises:
                TypeError: one is missing, or there is no such field.
            """
            rest = cls._fields[len(values) :]
            if rest or named or len(values) != len(cls._fields):
                given = {**cls._field_defaults, **named}
                if len(values) > len(cls._fields) or not named.keys() <= set(rest) or not given.keys() >= set(rest):
                    raise TypeError(f"{cls.__name__} takes {', '.join(cls._fields)}")
                values += tuple(given[name] for name in rest)
            return tuple.__new__(cls, values)

        @classmethod
        def _make(cls, values: Any) -> Self:
            return cls(*values)

        def _asdict(self) -> dict[str, Any]:
            return dict(zip(self._fields, self, strict=True))

        def _replace(self, **changes: Any) -> Self:
            return type(self)(**{**self._asdict(), **changes})

        def __getnewargs__(self) -> tuple[Any, ...]:
            return tuple(self)

        def __repr__(self) -> str:
            return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._asdict().items())})"
