"""Profiles: what a kind of machine must satisfy, as data.

The TOML files beside this module are the built-in ones; docs/profiles.md describes the format for a user's own.
"""

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from sparkdoctor.architecture import Capability
from sparkdoctor.files import without_waiting

SCHEMA = "sparkdoctor.profile/1"
DEFAULT = "dgx-spark"
_HERE = os.path.dirname(__file__)
_FILE_LIMIT = 1 << 20


class ProfileError(ValueError):
    """A profile that cannot be used; the message names the file, the line and the key."""


class NoProfileError(ProfileError):
    """There is no profile of this name."""


class Requirement:
    """A version specifier such as `>=2.7`; a pre-release counts like any other version."""

    def __init__(self, text: str) -> None:
        """Keep a specifier; `check` reads it, so that packaging is loaded only where there is a version to compare."""
        self._text = text

    def check(self) -> "Requirement":
        """Read the specifier now.

        Raises:
            ValueError: the text is no version specifier.
        """
        from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415

        try:
            SpecifierSet(self._text)
        except InvalidSpecifier:
            raise ValueError(f"not a version specifier: {self._text!r}") from None
        return self

    def __contains__(self, version: str) -> bool:
        from packaging.version import InvalidVersion, Version  # noqa: PLC0415

        try:
            given = Version(version)
        except InvalidVersion:
            return False
        # A single bound, as in all built-in profiles, needs no specifiers: their import is a twentieth of a quick check.
        if bound := re.fullmatch(r">=\s*([\w.!]+)", self._text):
            return given >= Version(bound[1])
        from packaging.specifiers import SpecifierSet  # noqa: PLC0415

        return SpecifierSet(self._text).contains(given, prereleases=True)

    def __str__(self) -> str:
        return self._text


class Component(NamedTuple):
    """A package of the stack. `fresh` is what to install where there is none yet."""

    required: bool = False
    version: Requirement | None = None
    fresh: Requirement | None = None


class Severity(NamedTuple):
    """Bounds below which a quantity is a warning or a failure; None never is."""

    warning: float | None = None
    failed: float | None = None


class Profile(NamedTuple):
    """Requirements by name. A requirement that is None or empty is not made.

    `architectures` are what uname calls them; `gpus` NVML names with `*` and `?`; memory in GiB, limits in MiB.
    `open_files` is what a program should be able to have open at once.
    """

    name: str = "custom"
    title: str = ""
    architectures: tuple[str, ...] = ()
    product_families: tuple[str, ...] = ()
    gpus: tuple[str, ...] = ()
    unified_memory: bool = False
    dgx_os: Requirement | None = None
    compute_capability: Capability | None = None
    driver: Requirement | None = None
    driver_branches: tuple[int, ...] = ()
    torch: Component = Component()
    triton: Component = Component()
    deepspeed: Component = Component()
    openfold3: Component = Component()
    memory_gib: Severity = Severity()
    disk_gib: Severity = Severity()
    shm_gib: Severity = Severity()
    stack_mib: Severity = Severity()
    memlock_mib: Severity = Severity()
    open_files: int | None = None
    severity: Mapping[str, str] = MappingProxyType({})


def _strings(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError("a list of strings is due")
    return tuple(value)


def _integers(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(item) is int for item in value):
        raise ValueError("a list of whole numbers is due")
    return tuple(value)


def _of(kind: type, name: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not isinstance(value, kind):
            raise ValueError(f"{name} is due")
        return value

    return read


_string, _boolean = _of(str, "a string"), _of(bool, "true or false")


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:  # noqa: PLR2004
        raise ValueError("a number from 0 to 1e9 is due")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 < value < 1 << 31:
        raise ValueError("a whole number from 1 to 2147483647 is due")
    return value


def _level(value: Any) -> str:
    if value not in ("failed", "warning", "off"):
        raise ValueError('"failed", "warning" or "off" is due')
    return str(value)


def _requirement(value: Any) -> Requirement:
    return Requirement(_string(value))


_COMPONENT: dict[str, Callable[[Any], Any]] = {"required": _boolean, "version": _requirement, "fresh": _requirement}
_BOUNDS: dict[str, Callable[[Any], Any]] = {"warning": _number, "failed": _number}
_TABLES: dict[str, dict[str, Callable[[Any], Any]]] = {
    "": {"schema": _string, "name": _string, "title": _string, "extends": _string},
    "machine": {
        "architectures": _strings,
        "product_families": _strings,
        "gpus": _strings,
        "unified_memory": _boolean,
        "dgx_os": _requirement,
    },
    "gpu": {
        "compute_capability": lambda value: Capability.parse(_string(value)),
        "driver": _requirement,
        "driver_branches": _integers,
    },
    "torch": _COMPONENT,
    "triton": _COMPONENT,
    "deepspeed": _COMPONENT,
    "openfold3": _COMPONENT,
    "memory_gib": _BOUNDS,
    "disk_gib": _BOUNDS,
    "shm_gib": _BOUNDS,
    "stack_mib": _BOUNDS,
    "memlock_mib": _BOUNDS,
    "limits": {"open_files": _count},
}
_GROUPS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("torch", "triton", "deepspeed", "openfold3"), Component),
    **dict.fromkeys(("memory_gib", "disk_gib", "shm_gib", "stack_mib", "memlock_mib"), Severity),
}


def builtin() -> tuple[str, ...]:
    """The names of the built-in profiles."""
    return tuple(sorted(name.removesuffix(".toml") for name in os.listdir(_HERE) if name.endswith(".toml")))


def load(name: str) -> Profile:
    """A built-in profile by name, or the one in a file.

    Raises:
        ProfileError: there is none, or it does not say what a profile must say.
    """
    return _load(name, ())


def _load(name: str, chain: tuple[str, ...]) -> Profile:
    path = name if "/" in name or name.endswith(".toml") else os.path.join(_HERE, f"{name}.toml")
    if "\0" in path:
        raise ProfileError(f"{_shown(path)}: not a file name")
    if os.path.realpath(path) in map(os.path.realpath, chain):
        raise ProfileError(f"{path}: it extends itself, through {' and '.join(chain)}")
    try:
        with open(path, "rb", opener=without_waiting) as file:
            raw = file.read(_FILE_LIMIT + 1)
        text = raw.decode("utf-8") if len(raw) <= _FILE_LIMIT else ""
    except FileNotFoundError:
        raise NoProfileError(f"no profile {name!r}; built in are {', '.join(builtin())}; a file needs a / or .toml") from None
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a NUL in the name
        raise ProfileError(f"{_shown(path)}: {getattr(error, 'strerror', None) or 'not a text file'}") from None
    if len(raw) > _FILE_LIMIT:
        raise ProfileError(f"{path}: larger than 1 MiB, not a profile")
    return _parse(text, path, (*chain, path))


def _parse(text: str, path: str, chain: tuple[str, ...]) -> Profile:
    document = _document(text, path)
    values: dict[str, Any] = {}
    for key, value in document.items():
        if key == "severity" and isinstance(value, dict):
            values[key] = {name: _read(_level, item, text, path, "severity", name) for name, item in value.items()}
        elif key in _TABLES and isinstance(value, dict):
            values |= _table(key, value, text, path)
        elif key in _TABLES[""]:
            values[key] = _read(_TABLES[""][key], value, text, path, "", key)
        elif key == "severity" or (key and key in _TABLES):
            raise ProfileError(f"{path}:{_line(text, '', key)}: {key}: a table is due")
        else:
            raise ProfileError(f"{path}:{_line(text, '', key)}: {_unknown(key, [*_TABLES[''], *_TABLES, 'severity'])}")
    if (schema := values.pop("schema", None)) != SCHEMA:
        raise ProfileError(f"{path}:{_line(text, '', 'schema')}: schema: {SCHEMA!r} is due, not {schema!r}")
    base = _base(values, document, text, path, chain)
    values.setdefault("name", os.path.basename(path).removesuffix(".toml"))
    return Profile(**{**base, **values})


def _document(text: str, path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: a number of more digits than Python reads
        # tomllib says "(at line 3, column 5)": lead with it, as compilers do.
        what = str(error)
        if place := re.search(r" \(at line (\d+), column \d+\)$", what):
            what, line = what[: place.start()], int(place[1])
        elif "end of document" in what:
            line = text.count("\n") + 1
        else:
            line = _digits(text) if "digits" in what else 1
        raise ProfileError(f"{path}:{line}: {what[:1].lower()}{what[1:]}") from None


def _base(values: dict[str, Any], document: dict[str, Any], text: str, path: str, chain: tuple[str, ...]) -> dict[str, Any]:
    """The values of the profile that is extended; those of `values` that add to them are completed by them."""
    extends = values.pop("extends", None)
    if not extends:
        return {}
    # A file that is extended is looked for beside the one that extends it.
    beside = os.path.join(os.path.dirname(path), extends) if "/" in extends or extends.endswith(".toml") else extends
    try:
        base = _load(beside, chain)._asdict()
    except NoProfileError as error:
        raise ProfileError(f"{path}:{_line(text, '', 'extends')}: extends: {error}") from None
    values["severity"] = {**base["severity"], **values.get("severity", {})}
    for name in _GROUPS:
        if name in values:  # a key that is not given stays as it was
            values[name] = base[name]._replace(**{key: getattr(values[name], key) for key in document[name]})
    return base


def _table(table: str, value: dict[str, Any], text: str, path: str) -> dict[str, Any]:
    readers = _TABLES[table]
    read: dict[str, Any] = {}
    for key, item in value.items():
        if key not in readers:
            raise ProfileError(f"{path}:{_line(text, table, key)}: {table}.{_unknown(key, list(readers))}")
        read[key] = _read(readers[key], item, text, path, table, key)
    return {table: _GROUPS[table](**read)} if table in _GROUPS else read


def _read(reader: Callable[[Any], Any], value: Any, text: str, path: str, table: str, key: str) -> Any:
    try:
        read = reader(value)
        if isinstance(read, Requirement) and os.path.dirname(path) != _HERE:
            read.check()  # ours are held by a test
        return read
    except ValueError as error:
        raise ProfileError(f"{path}:{_line(text, table, key)}: {table + '.' if table else ''}{key}: {error}") from None


def _unknown(key: str, known: list[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 (only on the way to an error)

    near = get_close_matches(key, [name for name in known if name], 1)
    return f"{key}: no such key" + (f"; did you mean {near[0]}?" if near else "")


def _shown(path: str) -> str:
    return path if path.isprintable() else ascii(path)


def _digits(text: str) -> int:
    """The line of the longest number."""
    return max(enumerate(text.splitlines(), 1), key=lambda line: max(map(len, re.findall(r"\d+", line[1])), default=0))[0]


def _line(text: str, table: str, key: str) -> int:
    """The line where a key (or its table) stands; 1 where it stands nowhere in plain sight."""
    here, fallback = "", 1
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\[?\s*([^\[\]]+?)\s*\]", line):
            here = header[1].replace('"', "").replace("'", "")
            if here in (table, key):
                fallback = number
        name = line.partition("=")[0].strip().replace('"', "").replace("'", "")
        if not here and name == table and re.search(rf"[{{,]\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
            return number  # an inline table
        if "=" in line and ((here == table and name == key) or (not here and name == f"{table}.{key}")):
            return number
    return fallback
