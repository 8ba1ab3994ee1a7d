"""The installed OpenFold3, read from its files."""

import re
from collections.abc import Mapping
from posixpath import basename, dirname
from types import MappingProxyType
from typing import NamedTuple, Self

from sparkdoctor.facts.python import Distribution, Python, release_of
from sparkdoctor.machine import Fact, FileStatus, Machine
from sparkdoctor.model import Broken, Missing

DEEPSPEED, TRITON, CUEQUIVARIANCE, LMA = (
    "use_deepspeed_evo_attention",
    "use_triton_triangle_kernels",
    "use_cueq_triangle_kernels",
    "use_lma",
)
"""The switches of the attention kernels in its model's configuration, `settings.memory.eval`."""
ORDER = (CUEQUIVARIANCE, DEEPSPEED, TRITON, LMA)
"""As its attention asks for them. Source: core/model/primitives/attention.py of 0.3.0 to 0.5.0."""
PROJECT = "projects/of3_all_atom"


IMPORTED: Mapping[str, str] = MappingProxyType(
    {
        "numpy": "numpy",
        "scipy": "scipy",
        "pandas": "pandas",
        "ml-collections": "ml_collections",
        "pytorch-lightning": "pytorch_lightning",
        "rdkit": "rdkit",
        "pdbeccdutils": "pdbeccdutils",
        "boto3": "boto3",
        "pyyaml": "yaml",
        "ijson": "ijson",
        "func_timeout": "func_timeout",
        "tqdm": "tqdm",
        "lmdb": "lmdb",
        "requests": "requests",
    }
)
"""What it requires and imports at its start, and the names of the modules; what other checks look at is not among them."""


class Checkpoint(NamedTuple):
    """An entry of its registry: the file, and the versions of OpenFold3 that it is declared for (None: all)."""

    file: str
    versions: str | None = None


class Program(NamedTuple):
    """`run_openfold` as PATH finds it, and the interpreter that its first line names (empty where it names none).

    `ours` where that is the environment that is examined, or may be; `starts` unless the interpreter is not there.
    """

    path: str
    interpreter: str
    ours: bool
    starts: bool = True


class Registry(NamedTuple):
    """The weights that a version knows by name, the one that it takes unasked, and where they are published."""

    checkpoints: Mapping[str, Checkpoint]
    default: str
    source: str


class Damaged(Missing):
    """An OpenFold3 of which parts are not there."""


class Openfold3(Fact):
    """An OpenFold3 that would be imported, though nobody did.

    `requires` are the `Requires-Dist` of its metadata; `registry` the weights that it knows; `kernels` the attention kernels that
    are on by default at inference, by switch; `merges` whether it merges $OPENFOLD_CACHE/runner.yml into every prediction;
    `program` what PATH calls run_openfold; `kalign` that program on PATH, looked for where the version calls it. `lacking` are
    packages that it requires and that are nowhere on the path; `leftover` the metadata of another version beside its own.
    """

    version: str
    root: str
    requires: tuple[str, ...]
    registry: Registry
    kernels: Mapping[str, bool]
    merges: bool
    program: Program | None = None
    kalign: str | None = None
    lacking: tuple[str, ...] = ()
    leftover: Distribution | None = None

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
        installed, leftover = _installed(machine, python, root)
        version = installed.version if installed else "unknown"
        release = release_of(version)
        wants = machine.records(f"{installed.path}/METADATA", "Requires-Dist: ", "\n") if installed else ()
        switches = machine.records(f"{root}/{PROJECT}/config/model_config.py", f'"{DEEPSPEED}"', '"eval": {')
        merges = machine.records(f"{root}/run_openfold.py", '/ "runner.yml"', "\n")
        if isinstance(merges, Missing) and not isinstance(merges, Broken) and (0,) < release < (0, 6):
            return Damaged(f"OpenFold3 {version} in {root} is not whole: run_openfold.py is not there")
        requires = () if isinstance(wants, Missing) else tuple(line.removeprefix("Requires-Dist:").strip() for line in wants)
        return cls(
            version=version,
            root=root,
            requires=requires,
            registry=_registry(machine, root, release),
            kernels=({} if isinstance(switches, Missing) else parse_kernels(switches)) or kernels_of(release),
            merges=release >= (0, 5) if isinstance(merges, Missing) else bool(merges),
            program=_program(machine, python),
            kalign=machine.which("kalign") if (0,) < release < (0, 4) else None,
            lacking=_lacking(machine, python, requires),
            leftover=leftover,
        )


def _installed(machine: Machine, python: Python, root: str) -> tuple[Distribution | None, Distribution | None]:
    """Its metadata, and other metadata of its name: that is told from its own by the weights that the code takes."""
    installed = python.distribution("openfold3")
    several = python.doubles.get("openfold3", ())
    if installed is None or installed not in several:
        return installed, None
    default = _registry(machine, root, ()).checkpoints
    fitting = [one for one in several if set(registry_of(one.release).checkpoints) == set(default)] or [installed]
    return fitting[-1], next((one for one in several if one != fitting[-1]), None)


def _lacking(machine: Machine, python: Python, requires: tuple[str, ...]) -> tuple[str, ...]:
    """What it imports and has no metadata of its own, nor a folder or file of its name: conda and images leave metadata out."""
    names = {re.split(r"[^\w.-]", line, maxsplit=1)[0].lower(): line for line in requires if "extra ==" not in line}
    absent = [name for name in names if name in IMPORTED and python.distribution(re.sub(r"[-_.]+", "-", name)) is None]
    if not absent:
        return ()
    places = dict.fromkeys(dirname(one.path) for one in python.distributions.values())
    found = {
        one.partition(".")[0] for place in places if not isinstance(listed := machine.entries(place), Missing) for one in listed
    }
    return tuple(names[name].partition(";")[0].replace(" ", "") for name in absent if IMPORTED[name] not in found)


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


def switched_on(kernels: Mapping[str, bool]) -> tuple[str, ...]:
    """The switches that are on: the kernels of the first one are used."""
    return tuple(switch for switch in ORDER if kernels.get(switch))


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
    starts = not isinstance(machine.stat(interpreter), Missing)
    return Program(path, interpreter, len(real) == 1 and all(isinstance(place, FileStatus) for place in places), starts)


def parse_shebang(head: bytes) -> str:
    """The interpreter of a script that an installer made; empty where its first lines name none by an absolute path.

    Source: distlib and pip write `#!/bin/sh` and `'''exec' /long/path "$0" "$@"` where the path is too long for a first line.
    """
    lines = head.decode("utf-8", "backslashreplace").splitlines()[:2]
    found = re.match(r"#!\s*(/\S+)", lines[0]) if lines else None
    if found and found[1] != "/bin/sh":
        return found[1] if re.match(r"(python|pypy)", basename(found[1])) else ""  # a wrapper of somebody's tells nothing
    long = re.match(r"'''exec' (?:\"(/[^\"]+)\"|(/\S+))", lines[1]) if len(lines) > 1 else None
    return (long[1] or long[2]) if long else ""
