"""What a user's runner YAMLs make of a prediction: the one that OpenFold3 merges unasked, and the one that is given."""

import re
from collections.abc import Iterator, Mapping
from posixpath import join, normpath
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from sparkdoctor.facts.openfold3 import PROJECT, Openfold3
from sparkdoctor.facts.places import home
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Broken, Missing

SIZE_LIMIT = 1 << 20
"""Bytes of a runner YAML; a larger file is none."""
TEXTS_LIMIT = 40
"""Settings that are told one by one."""
_PASSED = ("inference_ckpt_path", "inference_ckpt_name", "user_default_runner_yaml_path")
"""What run_openfold passes itself: it may not stand in the YAML as well, not even as null."""
_SECTIONS = {
    "data_module_args": ("entry_points/validator.py", "DataModuleArgs"),
    "experiment_settings": ("entry_points/validator.py", "InferenceExperimentSettings"),
    "output_writer_settings": ("entry_points/validator.py", "OutputWritingSettings"),
    "pl_trainer_args": ("entry_points/validator.py", "PlTrainerArgs"),
    "memory_snapshot": ("entry_points/validator.py", "MemorySnapshotConfig"),
    "profiler": ("entry_points/validator.py", "ProfilerConfig"),
    "model_update": (f"{PROJECT}/project_entry.py", "ModelUpdate"),
    "dataset_config_kwargs": (f"{PROJECT}/config/dataset_configs.py", "InferenceDatasetConfigKwargs"),
    "msa_computation_settings": ("core/data/tools/colabfold_msa_server.py", "MsaComputationSettings"),
    "template_preprocessor_settings": ("core/data/pipelines/preprocessing/template.py", "TemplatePreprocessorSettings"),
}
"""The tables of a runner YAML, and the classes that read them."""
_DEPRECATED = "pae_enabled"
"""A preset that later versions drop with a warning."""


class Model(NamedTuple):
    """The names that a class of OpenFold3 reads, what becomes of others (forbid, ignore or allow), and its annotations."""

    names: tuple[str, ...]
    extra: str
    kinds: Mapping[str, str] = MappingProxyType({})


class RunnerYaml(Fact):
    """The settings of a prediction, as OpenFold3 would merge them.

    `merged` is the file that it takes unasked, `unread` one of that name which this version does not look at, and `given` the
    one of --runner-yaml. `default_values` are what stands in the first, `values` all of it. `rejected` says with what of it no
    prediction begins, `ignored` what has no effect; `kernels` are the switches of the attention kernels that result, `presets`
    those that are applied.
    """

    part_of = Openfold3

    merged: str | None
    given: str | None
    unread: str | None
    values: Mapping[str, Any]
    default_values: Mapping[str, Any]
    rejected: tuple[str, ...]
    ignored: tuple[str, ...]
    kernels: Mapping[str, bool]
    presets: tuple[str, ...] | None = None

    def setting(self, *names: str) -> Any:
        """A value by its path; None where it is not set."""
        return at(self.values, *names)

    @property
    def skip_existing(self) -> bool:
        """Whether queries with an output of before are left out: nothing is predicted, and the old summary stays."""
        return self.setting("experiment_settings", "skip_existing") is True

    @property
    def use_msa_server(self) -> bool | None:
        """Whether sequences go to the ColabFold server; None where that is left to the default and the command line."""
        return _flag(self.setting("experiment_settings", "use_msa_server"))

    @property
    def use_templates(self) -> bool | None:
        """Whether templates are looked for; None where that is left to the default and the command line."""
        return _flag(self.setting("experiment_settings", "use_templates"))

    @property
    def cache_path(self) -> str | None:
        """Where weights are looked for, in the place of $OPENFOLD_CACHE."""
        return _text(self.setting("cache_path"))

    @property
    def ccd_file_path(self) -> str | None:
        """A dictionary of components in the place of biotite's."""
        found = _text(self.setting("dataset_config_kwargs", "ccd_file_path"))
        return None if found is None or found.lower() in ("none", "null") else found

    @property
    def settings(self) -> tuple[str, ...]:
        """Each setting of the file that is merged unasked, as `experiment_settings.skip_existing: true`."""
        return tuple(flat(self.default_values)) if self.default_values else ()

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Read the files, and what the installed version understands of them."""
        openfold3 = machine.need(Openfold3)
        default = f"{cache(machine)}/runner.yml"
        there = not isinstance(machine.stat(default), Missing)
        given = machine.itself().get("runner_yaml")
        given = given if isinstance(given, str) else None
        merged = default if there and openfold3.merges else None
        unread = default if there and not openfold3.merges else None
        if merged is None and given is None:
            return cls(None, None, unread, {}, {}, (), (), openfold3.kernels)
        from sparkdoctor.facts.runner_settings import deep_update, load, repeated  # noqa: PLC0415 (only where there is a file to read)

        values: dict[str, Any] = {}
        rejected: list[str] = []
        texts: list[tuple[str, str]] = []
        twice: list[str] = []
        loaded: dict[str, dict[str, Any]] = {}
        for path in (merged, given):
            if path is None:
                continue
            text = machine.read(path)
            if isinstance(text, Missing):
                return Broken(f"the runner YAML cannot be read: {text.reason}")
            if len(text) > SIZE_LIMIT:
                return Broken(f"{path} is larger than 1 MiB, no runner YAML")
            if _escaped(text) and not isinstance(size := machine.stat(path), Missing) and size.size != len(text.encode()):
                return Broken(f"{path} is not UTF-8: predict ends with a UnicodeDecodeError")
            try:
                found = load(text)
            except ValueError as error:
                return Broken(f"{path}: {error}")
            if not isinstance(found, dict):
                rejected.append(f"{path}: it holds {'nothing' if found is None else 'no table'}; predict ends with an error")
                continue
            twice += [f"{path}:{line}: {key} stands here again: only the last counts" for key, line in repeated(text)]
            loaded[path] = found
            texts.append((path, text))
            deep_update(values, found)
        models = _models(machine, openfold3)
        config: str | Missing = ""
        if at(values, "model_update", "custom"):
            config = machine.read(f"{openfold3.root}/{PROJECT}/config/model_config.py")
        presets = machine.read(f"{openfold3.root}/{PROJECT}/config/model_setting_presets.yml")
        return cls._understood(
            cls(merged, given, unread, values, loaded.get(merged or "", {}), tuple(rejected), tuple(twice), openfold3.kernels),
            models,
            "" if isinstance(presets, Missing) else presets,
            "" if isinstance(config, Missing) else config,
            texts,
        )

    @classmethod
    def _understood(cls, it: Self, models: Mapping[str, Model], presets: str, config: str, texts: list[tuple[str, str]]) -> Self:
        """With what of the values is rejected or without effect, and the kernels that result."""
        from sparkdoctor.facts.runner_settings import applied, judged  # noqa: PLC0415 (only where there is a file to read)

        rejected, ignored = judged(it.values, models, (presets, config), it.kernels, _PASSED, _DEPRECATED)
        kernels, chosen = applied(it.values, presets, it.kernels)
        found: dict[str, Any] = {
            "rejected": (*it.rejected, *(f"{_place(key, texts)}{words}" for key, words in rejected)),
            "ignored": (*it.ignored, *(f"{_place(key, texts)}{words}" for key, words in ignored)),
            "kernels": kernels,
            "presets": chosen,
        }
        return cls(**{**vars(it), **found})


def cache(machine: Machine) -> str:
    """The directory that OpenFold3 calls its cache. It does not expand a `~` in the variable, which shells do."""
    return absolute(machine, machine.env("OPENFOLD_CACHE") or f"{home(machine)}/.openfold3")


def absolute(machine: Machine, path: str) -> str:
    """A path as the prediction would see it if it were started here."""
    return path if path.startswith("/") else normpath(join(machine.itself()["cwd"] or "/", path))


def at(values: Any, *names: str) -> Any:
    """A value in nested tables; None where it is not there."""
    for name in names:
        values = values.get(name) if isinstance(values, dict) else None
    return values


def flat(values: Any, prefix: str = "", depth: int = 0) -> Iterator[str]:
    """Nested tables as lines `a.b: value`, of which there are TEXTS_LIMIT at most."""
    from itertools import islice  # noqa: PLC0415 (only where there is a file)

    yield from islice(_leaves(values, prefix, depth), TEXTS_LIMIT)


def _leaves(values: Any, prefix: str, depth: int) -> Iterator[str]:
    if isinstance(values, dict) and values and depth < 8:  # noqa: PLR2004 (OpenFold3's own go down to 6)
        for name, value in values.items():
            yield from _leaves(value, f"{prefix}.{name}" if prefix else str(name), depth + 1)
    else:
        yield f"{prefix}: {shown(values)}"


def shown(value: Any) -> str:
    """A value as YAML would have it, where that is short."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str | int | float):
        text = str(value)
        return text if len(text) <= 80 and text.isprintable() else "(a long text)"  # noqa: PLR2004
    if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value[:8]):
        return f"[{', '.join(map(shown, value[:8]))}{', …' if len(value) > 8 else ''}]"  # noqa: PLR2004
    return "{}" if value == {} else "(a list)" if isinstance(value, list) else "(a table)"


def _models(machine: Machine, openfold3: Openfold3) -> Mapping[str, Model]:
    """What the installed version reads, by section; the whole is under the empty name."""
    found: dict[str, Model] = {}
    whole = [
        model_of(machine, openfold3.root, "entry_points/validator.py", name)
        for name in ("ExperimentConfig", "InferenceExperimentConfig")
    ]
    if whole[1] is not None:
        names = tuple(dict.fromkeys(name for model in whole if model for name in model.names))
        found[""] = whole[1]._replace(names=names)
        for section, (path, name) in _SECTIONS.items():
            if section in names and (model := model_of(machine, openfold3.root, path, name)):
                found[section] = model
    return found


def model_of(machine: Machine, root: str, path: str, name: str) -> Model | None:
    """The names that a class reads; None where it is not found."""
    parts = machine.records(f"{root}/{path}", f"class {name}(", "\n\n\n")
    found = () if isinstance(parts, Missing) else tuple(part for part in parts if f"class {name}(" in part)
    if not found:
        return None
    model = parse_model(found[0], name)
    parent = re.search(rf"class {name}\((\w+)\)", found[0])
    if parent and parent[1] not in ("BaseModel", name, "ExperimentConfig") and model is not None:
        above = model_of(machine, root, path, parent[1])
        if above:
            kinds = MappingProxyType({**above.kinds, **model.kinds})
            model = model._replace(names=(*above.names, *model.names), kinds=kinds)
    return model


def parse_model(text: str, name: str) -> Model | None:
    """The annotated names of a class body. A regular expression, since a long body may be cut off at its end.

    Pydantic ignores what it does not know, unless the class says otherwise.
    """
    body = re.search(rf"^class {name}\([^\n]*\n(.*)", text, re.MULTILINE | re.DOTALL)
    if body is None:
        return None
    fields = re.split(r"^    (?:@|def )", body[1], maxsplit=1, flags=re.MULTILINE)[0]
    extra = re.search(r"extra=[\"'](\w+)[\"']", fields)
    found = re.findall(r"^    ([a-z][a-z_0-9]*)\s*:\s+([^=\n]+?)\s*(?:=|#|$)", fields, re.MULTILINE)
    return Model(tuple(name for name, _ in found), extra[1] if extra else "ignore", MappingProxyType(dict(found)))


def _place(path_of_key: str, texts: list[tuple[str, str]]) -> str:
    """`file:line: ` of a key, in the file that is read last of those that have it."""
    key = path_of_key.rpartition(".")[2]
    for path, text in reversed(texts):
        found = re.search(rf"(?:^|[\s{{,])[\"']?{re.escape(key)}[\"']?\s*(?::|,|\]|$)", text, re.MULTILINE)
        if found:
            return f"{path}:{text.count(chr(10), 0, found.end()) + (not found[0].endswith(chr(10)))}: "
    return ""


def _escaped(text: str) -> bool:
    """Whether there may be bytes in it that are not UTF-8, which are read as backslash escapes."""
    return re.search(r"\\x[89a-f][0-9a-f]", text) is not None


def _flag(value: Any) -> bool | None:
    """A value as pydantic reads a bool."""
    if isinstance(value, str):
        return {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}.get(
            value.strip().lower()
        )
    return bool(value) if isinstance(value, bool | int) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value and "\0" not in value else None
