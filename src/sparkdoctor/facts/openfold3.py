"""The installed OpenFold3, read from its files."""

import re
from collections.abc import Mapping
from posixpath import dirname
from types import MappingProxyType
from typing import Self

from sparkdoctor.facts.python import Python, release_of
from sparkdoctor.machine import Fact, FileStatus, Machine
from sparkdoctor.model import Missing
from sparkdoctor.record import NamedTuple

DEEPSPEED, TRITON, CUEQUIVARIANCE, LMA = (
    "use_deepspeed_evo_attention",
    "use_triton_triangle_kernels",
    "use_cueq_triangle_kernels",
    "use_lma",
)
"""The switches of the attention kernels in its model's configuration, `settings.memory.eval`."""
PROJECT = "projects/of3_all_atom"


class Checkpoint(NamedTuple):
    """An entry of its registry: the file, and the versions of OpenFold3 that it is declared for (None: all)."""

    file: str
    versions: str | None = None


class Program(NamedTuple):
    """`run_openfold` as PATH finds it, and the interpreter that its first line names (empty where it names none)."""

    path: str
    interpreter: str
    ours: bool


class Registry(NamedTuple):
    """The weights that a version knows by name, the one that it takes unasked, and where they are published."""

    checkpoints: Mapping[str, Checkpoint]
    default: str
    source: str


class Openfold3(Fact):
    """An OpenFold3 that would be imported, though nobody did.

    `requires` are the `Requires-Dist` of its metadata; `registry` the weights that it knows; `kernels` the attention kernels that
    are on by default at inference, by switch; `merges` whether it merges $OPENFOLD_CACHE/runner.yml into every prediction;
    `program` what PATH calls run_openfold; `kalign` that program on PATH, looked for where the version calls it.
    """

    version: str
    root: str
    requires: tuple[str, ...]
    registry: Registry
    kernels: Mapping[str, bool]
    merges: bool
    program: Program | None = None
    kalign: str | None = None

    @property
    def release(self) -> tuple[int, ...]:
        """(0, 4, 5); empty where the version is unknown."""
        return release_of(self.version)

    @property
    def generation(self) -> str:
        """Which generation of weights fits: 0.3, 0.4 or 0.5; empty for a version that is later than is known here."""
        release = self.release
        if not release or release >= (0, 6):
            return ""
        return "0.3" if release < (0, 4) else "0.4" if release < (0, 5) else "0.5"

    @property
    def weights(self) -> Checkpoint:
        """The weights that it takes unasked."""
        return self.registry.checkpoints[self.registry.default]

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Read the few lines of its source that tell versions apart."""
        python = machine.need(Python)
        origin = python.modules["openfold3"]
        if isinstance(origin, Missing):
            return origin
        root = dirname(origin)
        installed = python.distribution("openfold3")
        version = installed.version if installed else "unknown"
        release = release_of(version)
        wants = machine.records(f"{installed.path}/METADATA", "Requires-Dist: ", "\n") if installed else ()
        switches = machine.records(f"{root}/{PROJECT}/config/model_config.py", f'"{DEEPSPEED}"', '"eval": {')
        merges = machine.records(f"{root}/run_openfold.py", '/ "runner.yml"', "\n")
        return cls(
            version=version,
            root=root,
            requires=() if isinstance(wants, Missing) else tuple(line.removeprefix("Requires-Dist:").strip() for line in wants),
            registry=_registry(machine, root, release),
            kernels=({} if isinstance(switches, Missing) else parse_kernels(switches)) or kernels_of(release),
            merges=release >= (0, 5) if isinstance(merges, Missing) else bool(merges),
            program=_program(machine, python),
            kalign=machine.which("kalign") if (0,) < release < (0, 4) else None,
        )


def _registry(machine: Machine, root: str, release: tuple[int, ...]) -> Registry:
    text = machine.read(f"{root}/entry_points/parameters.py")
    known = registry_of(release)
    return known if isinstance(text, Missing) else parse_registry(text, known)


def parse_registry(text: str, known: Registry) -> Registry:
    """The registry in its entry_points/parameters.py; what is not found there is as `known`."""
    checkpoints: dict[str, Checkpoint] = {}
    for name, body in re.findall(r'["\']([\w.-]+)["\']\s*:\s*CheckpointEntry\((.*?)\)', text, re.DOTALL):
        file = re.search(r"file_name\s*=\s*[\"']([^\"'/\n]+)[\"']", body)
        versions = re.search(r"version_compatibility\s*=\s*[\"']([^\"'\n]*)[\"']", body)
        if file:
            checkpoints[name] = Checkpoint(file[1], versions[1] if versions else None)
    default = re.search(r"^DEFAULT_CHECKPOINT_NAME\s*=\s*[\"']([^\"'\n]+)[\"']", text, re.MULTILINE)
    if default is None or default[1] not in checkpoints:
        return known
    bucket = re.search(r"^OPENFOLD_BUCKET\s*=\s*[\"']([\w.-]+)[\"']", text, re.MULTILINE)
    prefix = re.search(r"checkpoint_s3_key\s*=\s*f[\"']([\w./-]+)/\{", text)
    source = f"s3://{bucket[1]}/{prefix[1]}" if bucket and prefix else known.source
    return Registry(checkpoints, default[1], source)


def parse_kernels(parts: tuple[str, ...]) -> dict[str, bool]:
    """The switches of inference in its model_config.py, of which `parts` lie before and after `"eval": {`.

    Releases 0.4.1 to 0.4.3 ask `_is_rocm`, which is false on NVIDIA's GPUs.
    """
    found: dict[str, bool] = {}
    for name, value in re.findall(r'"(use_\w+)":\s*([\w ]+?)\s*,', parts[-1].partition("{")[0] if parts else ""):
        found.setdefault(name, value in ("True", "not _is_rocm"))
    return found if DEEPSPEED in found else {}


def kernels_of(release: tuple[int, ...]) -> Mapping[str, bool]:
    """The same by version, where its source could not be read.

    Source: model_config.py of all wheels from 0.3.0 to 0.5.0.
    """
    switches = {DEEPSPEED: (0,) < release < (0, 4, 3), CUEQUIVARIANCE: False, LMA: False}
    return switches if (0,) < release < (0, 4, 1) else {**switches, TRITON: not release or release >= (0, 4, 4)}


def registry_of(release: tuple[int, ...]) -> Registry:
    """The weights by version, where its source could not be read.

    Sources: entry_points/validator.py of 0.3.0 and 0.3.1, entry_points/parameters.py of 0.4.0 to 0.5.0.
    """
    first = {"openfold3-p1": Checkpoint("of3_ft3_v1.pt", "<0.4")}
    if (0,) < release < (0, 4):
        return Registry(first, "openfold3-p1", "s3://openfold/openfold3_params")
    source = "s3://openfold3-data/openfold3-parameters"
    names = ("145k", "155k")
    if (0,) < release < (0, 5):
        second = {f"openfold3-p2-{name}": Checkpoint(f"of3-p2-{name}.pt", ">=0.4") for name in names}
        return Registry({**second, **first}, "openfold3-p2-155k", source)
    second = {f"openfold3-p2-{name}": Checkpoint(f"of3-p2-{name}.pt", ">=0.4,<0.4.4dev0") for name in names}
    third = {"openbind-2025-06-30-174k": Checkpoint("of3-ob-2025-06-30-174k.pt", ">=0.5.0")}
    return Registry({**third, **second, **first}, "openbind-2025-06-30-174k", source)


KNOWN: Mapping[str, str] = MappingProxyType(
    {"of3_ft3_v1.pt": "0.3", "of3-p2-145k.pt": "0.4", "of3-p2-155k.pt": "0.4", "of3-ob-2025-06-30-174k.pt": "0.5"}
)
"""The published files, and the generation of each."""


def _program(machine: Machine, python: Python) -> Program | None:
    path = machine.which("run_openfold")
    if path is None:
        return None
    head = machine.head(path, 1024)
    interpreter = "" if isinstance(head, Missing) else parse_shebang(head)
    if not interpreter or dirname(interpreter) == dirname(python.path):
        return Program(path, interpreter, ours=True)
    # Links in all environments lead to the same Python: it is their directories that tell them apart.
    places = [machine.stat(dirname(one)) for one in (interpreter, python.path)]
    real = {place.real for place in places if isinstance(place, FileStatus)}
    return Program(path, interpreter, ours=len(real) == 1 and all(isinstance(place, FileStatus) for place in places))


def parse_shebang(head: bytes) -> str:
    """The interpreter of a script that an installer made; empty where its first lines name none by an absolute path.

    Source: distlib and pip write `#!/bin/sh` and `'''exec' /long/path "$0" "$@"` where the path is too long for a first line.
    """
    lines = head.decode("utf-8", "backslashreplace").splitlines()[:2]
    found = re.match(r"#!\s*(/\S+)", lines[0]) if lines else None
    if found and found[1] != "/bin/sh":
        return "" if found[1].endswith("/env") else found[1]
    long = re.match(r"'''exec' (?:\"(/[^\"]+)\"|(/\S+))", lines[1]) if len(lines) > 1 else None
    return (long[1] or long[2]) if long else ""
