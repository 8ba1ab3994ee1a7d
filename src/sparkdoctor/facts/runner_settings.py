"""Reads runner YAMLs and judges them by what the installed OpenFold3 understands. Loaded only where there is one."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from sparkdoctor.facts.runner_yaml import Model

_MEMORY = ("settings", "memory", "eval")
_TRAINING = ("dataset_paths", "dataset_configs", "logging_config", "checkpoint_config")
"""Tables of the YAMLs for training."""
_TWICE = 8
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


def repeated(text: str) -> list[tuple[str, int]]:
    """Keys that stand twice in one table, and the line of the second; of a text that is YAML."""
    found: list[tuple[str, int]] = []
    seen: set[int] = set()
    nodes = [yaml.compose(text, yaml.SafeLoader)]
    while nodes:
        node = nodes.pop()
        if id(node) in seen or not isinstance(node, yaml.CollectionNode):
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
            continue
        names: set[str] = set()
        for key, value in node.value:
            nodes.append(value)
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in names:
                    found.append((key.value, key.start_mark.line + 1))
                names.add(key.value)
    return found[:_TWICE]


def unfit(annotation: str, value: Any) -> str:
    """What is due instead of a value, by the annotation of a pydantic model; empty where it fits or that is not known.

    Source: pydantic's conversion table, lax mode.
    """
    import re  # noqa: PLC0415 (only where there is a file to judge)

    if not annotation or annotation.count("[") != annotation.count("]"):
        return ""
    due: list[str] = []
    for part in re.findall(r"(?:[^|\[]|\[[^\]]*\])+", annotation):
        words = _member(part.strip(), value)
        if not words:
            return ""
        due.append(words)
    return " or ".join(dict.fromkeys(due))


def _member(kind: str, value: Any) -> str:
    match kind:
        case "None":
            return "" if value is None else "null"
        case "bool":
            known = ("1", "on", "t", "true", "y", "yes", "0", "off", "f", "false", "n", "no")
            fits = isinstance(value, bool) or value in (0, 1) or (isinstance(value, str) and value.lower() in known)
            return "" if fits else "true or false"
        case "int":
            return "" if _whole(value) else "a whole number"
        case "str" | "Path":
            return "" if isinstance(value, str) else "a path" if kind == "Path" else "a text"
        case "list[int]":
            return "" if isinstance(value, list) and all(map(_whole, value)) else "a list of whole numbers"
    if kind.startswith("Literal["):
        from ast import literal_eval  # noqa: PLC0415

        try:
            choices = literal_eval(f"({kind[8:-1]},)")
        except (ValueError, SyntaxError):
            return ""
        return "" if value in choices else f"one of {', '.join(map(str, choices))}"
    return ""


def _whole(value: Any) -> bool:
    if isinstance(value, str):
        try:
            int(value)
        except ValueError:
            return False
        return True
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _told(value: Any) -> str:
    from sparkdoctor.facts.runner_yaml import shown  # noqa: PLC0415 (which imports this where there is a file)

    return shown(value)


def tree(text: str) -> dict[str, Any]:
    """The model's configuration in its model_config.py: tables by name, and the types of its values, None where any will do."""
    import ast  # noqa: PLC0415 (only where a YAML changes the model)

    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    types: dict[str, type | None] = {}
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Call):
            name, call = node.targets[0].id, node.value
            given = next((word.value for word in call.keywords if word.arg == "field_type"), None)
            if isinstance(given, ast.Name):
                types[name] = {"bool": bool, "int": int, "str": str}.get(given.id)
            if name == "model_config" and call.args and isinstance(call.args[0], ast.Dict):
                return _branch(call.args[0], types)
    return {}


def _branch(node: Any, types: Mapping[str, type | None]) -> dict[str, Any]:
    import ast  # noqa: PLC0415

    found: dict[str, Any] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
            return {}  # not to be told without running it
        if isinstance(value, ast.Dict):
            found[key.value] = _branch(value, types)
        elif isinstance(value, ast.Constant):
            found[key.value] = type(value.value) if isinstance(value.value, bool | int | str) else None
        else:
            found[key.value] = types.get(value.id) if isinstance(value, ast.Name) else None
    return found


def _against(given: dict[str, Any], known: dict[str, Any], where: str, depth: int) -> Iterator[tuple[str, str]]:
    """What ml_collections refuses of an update: keys that are not there, and values of another type.

    Source: ConfigDict.update and FieldReference.set of ml_collections 1.1.0.
    """
    words = {bool: "true or false", int: "a whole number", str: "a text"}
    for name, value in given.items():
        path = f"{where}.{name}"
        if path.startswith("model_update.custom.settings.memory.eval.use_"):
            continue  # judged by itself
        if name not in known:
            yield path, f"{path}: this version has no such setting{_near(str(name), tuple(known))}"
        elif isinstance(due := known[name], dict):
            if isinstance(value, dict) and due and depth < _DEPTH:
                yield from _against(value, due, path, depth + 1)
            elif not isinstance(value, dict):
                yield path, f"{path}: {_told(value)} stands where a table is due"
        elif due is not None and value is not None and not isinstance(value, due):
            yield path, f"{path}: {_told(value)} stands where {words[due]} is due"


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
    texts: tuple[str, str],
    kernels: Mapping[str, bool],
    passed: tuple[str, ...],
    deprecated: str,
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(rejected, ignored): pairs of a key's path and the words on it. `texts` are the presets and the model's configuration."""
    rejected: list[tuple[str, str]] = []
    ignored: list[tuple[str, str]] = []
    for key, value in values.items():
        if not isinstance(key, str):
            rejected.append((str(key), f"{key!r}: keys are texts"))
        elif key in passed and _known(key, models):
            option = "--" + key.replace("_", "-")
            instead = f"; give {option} instead" if key != passed[-1] else ""
            rejected.append((key, f"{key}: predict passes it itself, and ends with a TypeError{instead}"))
        elif key not in models:
            rejected += _of_the_whole(key, value, models.get(""))
        elif not isinstance(value, dict):
            rejected.append((key, f"{key}: a table is due"))
        else:
            no, idle = _of_a_section(key, value, models[key])
            rejected += no
            ignored += idle
    experiment = _at(values, "experiment_settings")
    seeds = experiment.get("seeds")
    if seeds is not None and not isinstance(seeds, list) and experiment.get("num_seeds") is None:
        words = f"experiment_settings.seeds: one number needs num_seeds beside it, or brackets: [{_told(seeds)}]"
        rejected.append(("experiment_settings.seeds", words))
    update = values.get("model_update")
    if isinstance(update, dict):
        rejected += _model_update(update, texts[0], kernels, deprecated)
        custom = update.get("custom")
        if isinstance(custom, dict) and (known := tree(texts[1])):
            rejected += _against(custom, known, "model_update.custom", 0)
    return rejected, ignored


def _known(key: str, models: Mapping[str, "Model"]) -> bool:
    return "" not in models or key in models[""].names


def _of_the_whole(key: str, value: Any, whole: "Model | None") -> Iterator[tuple[str, str]]:
    if whole is not None and key not in whole.names:
        training = "; it belongs to `run_openfold train`" if key in _TRAINING else _near(key, whole.names)
        yield key, f"{key}: this version has no such setting{training}"
    elif whole is not None and (due := unfit(whole.kinds.get(key, ""), value)):
        yield key, f"{key}: {_told(value)} stands where {due} is due"


def _of_a_section(key: str, value: dict[str, Any], section: "Model") -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    rejected: list[tuple[str, str]] = []
    ignored: list[tuple[str, str]] = []
    for name, given in value.items():
        path = f"{key}.{name}"
        if name in section.names or section.extra == "allow":
            if due := unfit(section.kinds.get(name, ""), given):
                rejected.append((path, f"{path}: {_told(given)} stands where {due} is due"))
            continue
        words = f"{path}: this version has no such setting{_near(str(name), section.names)}"
        (rejected if section.extra == "forbid" else ignored).append((path, words))
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
            elif not isinstance(value, bool | None):
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
        found |= {name: bool(value) for name, value in table.items() if name in kernels and isinstance(value, bool | None)}
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
    near = get_close_matches(name, known, 1, 0.7)
    return f"; did you mean {near[0]}?" if near else ""
