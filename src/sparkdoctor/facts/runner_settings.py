"""Reads runner YAMLs and judges them by what the installed OpenFold3 understands. Loaded only where there is one."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from sparkdoctor.facts.runner_yaml import Model

_MEMORY = ("settings", "memory", "eval")
_DEPTH = 40
"""How deeply tables may lie in each other: aliases can make them endless."""


def load(text: str) -> Any:
    """What OpenFold3's own `yaml.safe_load` makes of it.

    Raises:
        ValueError: it is no YAML; the message begins with the line where that is known.
    """
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(f"{place}not YAML: {error.problem or error.context}") from None
    except Exception as error:  # noqa: BLE001 (its constructors raise what int, float and datetime raise, and RecursionError)
        raise ValueError(f"not YAML: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from None


def deep_update(base: dict[str, Any], update: dict[str, Any], depth: int = 0) -> None:
    """Merge as OpenFold3 does: tables into tables, all else in the place of what was there.

    Source: core/config/config_utils.py.
    """
    for key, value in update.items():
        old = base.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and old is not value and depth < _DEPTH:
            base[key] = dict(old)
            deep_update(base[key], value, depth + 1)
        else:
            base[key] = value


def judged(
    values: Mapping[str, Any],
    models: Mapping[str, "Model"],
    presets: str,
    kernels: Mapping[str, bool],
    passed: tuple[str, ...],
    deprecated: str,
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(rejected, ignored): pairs of a key's path and the words on it."""
    rejected: list[tuple[str, str]] = []
    ignored: list[tuple[str, str]] = []
    whole = models.get("")
    for key, value in values.items():
        if not isinstance(key, str):
            rejected.append((str(key), f"{key!r}: keys are texts"))
        elif whole is not None and key not in whole.names:
            rejected.append((key, f"{key}: this version has no such setting{_near(key, whole.names)}"))
        elif key in passed:
            option = "--" + key.replace("_", "-")
            instead = f"; give {option} instead" if key != passed[-1] else ""
            rejected.append((key, f"{key}: predict passes it itself, and ends with a TypeError{instead}"))
        elif section := models.get(key):
            if not isinstance(value, dict):
                rejected.append((key, f"{key}: a table is due"))
                continue
            for name in value:
                if name in section.names or section.extra == "allow":
                    continue
                words = f"{key}.{name}: this version has no such setting{_near(str(name), section.names)}"
                (rejected if section.extra == "forbid" else ignored).append((f"{key}.{name}", words))
    update = values.get("model_update")
    if isinstance(update, dict):
        rejected += _model_update(update, presets, kernels, deprecated)
    return rejected, ignored


def _model_update(
    update: dict[str, Any], presets: str, kernels: Mapping[str, bool], deprecated: str
) -> Iterator[tuple[str, str]]:
    known = _presets(presets)
    chosen = update.get("presets", [])
    if not isinstance(chosen, list) or not all(isinstance(name, str) for name in chosen):
        yield "model_update.presets", "model_update.presets: a list of names is due"
    else:
        for name in chosen:
            if known and name not in known and name != deprecated:
                near = _near(name, tuple(known)) or f"; it has {', '.join(known)}"
                yield name, f"model_update.presets: this version has no preset {name}{near}"
    custom = update.get("custom", {})
    if not isinstance(custom, dict):
        yield "model_update.custom", "model_update.custom: a table is due"
        return
    memory = _at(custom, *_MEMORY)
    for name, value in memory.items():
        if isinstance(name, str) and name.startswith("use_"):
            if name not in kernels:
                near = _near(name, tuple(kernels))
                yield name, f"model_update.custom.settings.memory.eval.{name}: this version has no such switch{near}"
            elif not isinstance(value, bool | int):
                yield name, f"model_update.custom.settings.memory.eval.{name}: true or false is due"


def applied(
    values: Mapping[str, Any], presets: str, kernels: Mapping[str, bool]
) -> tuple[dict[str, bool], tuple[str, ...] | None]:
    """The switches after presets and custom settings; the presets that are applied, None where they are the default ones.

    Naming anything in `model_update` takes the place of all of it: without `presets` there are none.
    """
    found = dict(kernels)
    update = values.get("model_update")
    if not isinstance(update, dict):
        return found, None
    given = update.get("presets", [])
    chosen = tuple(name for name in given if isinstance(name, str)) if isinstance(given, list) else ()
    known = _presets(presets)
    for table in (*(_at(known, name, *_MEMORY) for name in chosen), _at(update, "custom", *_MEMORY)):
        found |= {name: bool(value) for name, value in table.items() if name in kernels and isinstance(value, bool | int)}
    return found, chosen


def _presets(text: str) -> dict[str, Any]:
    try:
        found = load(text)
    except ValueError:
        return {}
    return {str(name): value for name, value in found.items()} if isinstance(found, dict) else {}


def _at(values: Any, *names: str) -> dict[str, Any]:
    for name in names:
        values = values.get(name) if isinstance(values, dict) else None
    return values if isinstance(values, dict) else {}


def _near(name: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(name, known, 1)
    return f"; did you mean {near[0]}?" if near else ""
