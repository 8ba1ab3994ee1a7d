"""Our `NamedTuple` behaves as that of `typing`."""

import copy
import json
import pickle
import typing
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor import record


class Ours(record.NamedTuple):
    """A doc."""

    a: int
    b: str = "b"
    c: tuple[str, ...] = ()

    @property
    def twice(self) -> int:
        return 2 * self.a


class Theirs(typing.NamedTuple):
    a: int
    b: str = "b"
    c: tuple[str, ...] = ()

    @property
    def twice(self) -> int:
        return 2 * self.a


class Empty(record.NamedTuple):
    pass


NAMES = st.sampled_from(["a", "b", "c", "d", "_fields"])


@given(st.lists(st.integers(), max_size=4), st.dictionaries(NAMES, st.integers(), max_size=4))
def test_it_takes_what_theirs_takes(values: list[int], named: dict[str, int]) -> None:
    ours, theirs = (made(kind, values, named) for kind in (Ours, Theirs))
    assert (ours is None) == (theirs is None)
    if ours is not None:
        assert tuple(ours) == tuple(theirs)
        assert hash(ours) == hash(theirs)
        assert ours._asdict() == theirs._asdict()
        assert repr(ours) == repr(theirs).replace("Theirs", "Ours")
        assert json.dumps(ours) == json.dumps(theirs)
        assert (ours.a, ours.b, ours.c, ours.twice) == (theirs.a, theirs.b, theirs.c, theirs.twice)
        assert ours._replace(b="x") == (theirs.a, "x", theirs.c)
        assert pickle.loads(pickle.dumps(ours)) == copy.deepcopy(ours) == ours
        assert type(copy.copy(ours)) is Ours


def made(kind: Callable[..., Any], values: list[int], named: dict[str, int]) -> Any:
    try:
        return kind(*values, **named)
    except TypeError:
        return None


def test_its_class_is_like_theirs() -> None:
    assert Ours._fields == Theirs._fields
    assert Ours._field_defaults == Theirs._field_defaults
    assert Ours.__match_args__ == Theirs.__match_args__
    assert typing.get_type_hints(Ours) == typing.get_type_hints(Theirs)
    assert Ours.__doc__ == "A doc."
    assert Ours._make([1, "2", ()]) == (1, "2", ())
    assert Empty() == ()
    match Ours(1):
        case Ours(a, b=b):
            assert (a, b) == (1, "b")


def test_its_fields_stay_as_they_are() -> None:
    for kind in (Ours, Theirs):
        with pytest.raises(AttributeError):
            kind(1).a = 2  # type: ignore[misc]
