"""The patient's Python: which interpreter is examined, why, and what is installed in it."""

import json
import re
from collections.abc import Mapping
from typing import Any, Self

from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Broken, Missing
from sparkdoctor.record import NamedTuple

MODULES = ("torch", "triton", "deepspeed", "openfold3")
_MARK = "sparkdoctor-interpreter:"


class Distribution(NamedTuple):
    """An installed distribution: its version and the directory of its metadata."""

    version: str
    path: str

    @property
    def release(self) -> tuple[int, ...]:
        """(0, 19, 1); empty where the version is none."""
        return release_of(self.version)


class Choice(NamedTuple):
    """An interpreter and why it is the one."""

    path: str
    why: str


class Python(Fact):
    """An interpreter as it describes itself, with nothing of the patient imported.

    `modules` maps the names in MODULES to the file that an import would load, or a reason why none would.
    `distributions` are keyed by normalised name. `managed` is a system's own Python that pip may not install into,
    `abiflags` the `t` of a free-threaded one.
    """

    path: str
    why: str
    version: str
    include: str
    headers: bool
    modules: Mapping[str, str | Missing]
    distributions: Mapping[str, Distribution]
    managed: bool = False
    abiflags: str = ""

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Ask the chosen interpreter."""
        choice = choose(machine)
        if isinstance(choice, Missing):
            return choice
        ran = machine.script(choice.path, "interpreter", *MODULES, timeout=5.0)
        if isinstance(ran, Missing):
            return Broken(f"{choice.path} ({choice.why}) cannot be run: {ran.reason}")
        said = parse(ran.stdout)
        if said is None:
            return Broken(f"{choice.path} ({choice.why}) {ran.ended}" + (f": {ran.last_words}" if ran.last_words else ""))
        include = str(said["include"])
        return cls(
            path=choice.path,
            why=choice.why,
            version=str(said["version"]),
            include=include,
            headers=not isinstance(machine.stat(f"{include}/Python.h"), Missing),
            modules={name: _module(name, found, choice.path) for name, found in said["modules"].items()},
            distributions=_distributions(said["distributions"]),
            managed=said.get("managed") is True,
            abiflags=str(said.get("abiflags", "")),
        )

    def distribution(self, *names: str) -> Distribution | None:
        """The first of these that is installed."""
        return next((self.distributions[name] for name in names if name in self.distributions), None)

    def pip_install(self, what: str) -> str:
        """The command that installs `what` for this interpreter: in a new environment where its own is the system's.

        Source: PEP 668; Ubuntu's Python says `error: externally-managed-environment`.
        """
        from shlex import quote  # noqa: PLC0415 (only where there is something to mend)

        path = quote(self.path)
        if self.managed:
            return f"{path} -m venv ~/spark && ~/spark/bin/pip install {what}"
        return f"{path} -m pip install {what}"


def release_of(version: str) -> tuple[int, ...]:
    """(3, 5, 1) for `3.5.1+gitbfeb0668.nv25.12`; empty for what is no version."""
    from packaging.version import InvalidVersion, Version  # noqa: PLC0415 (only where there is a version to read)

    try:
        return Version(version).release
    except InvalidVersion:
        return ()


def choose(machine: Machine) -> Choice | Missing:
    """Whose Python? The order is the one of docs/usage.md."""
    itself = machine.itself()
    if asked := itself["patient_python"]:
        return Choice(str(asked), "--python")
    if named := machine.env("SPARKDOCTOR_PYTHON"):
        return Choice(named, "$SPARKDOCTOR_PYTHON")
    for variable, what in (("VIRTUAL_ENV", "virtual"), ("CONDA_PREFIX", "conda")):
        if root := machine.env(variable):
            path = f"{root}/bin/python"
            if not isinstance(machine.stat(path), Missing):
                return Choice(path, f"the active {what} environment")
    for place in itself["path"]:
        if not isinstance(machine.stat(f"{place}/torch/__init__.py"), Missing):
            return Choice(str(itself["executable"]), "sparkdoctor's own interpreter, which has torch")
    if found := machine.which("python3"):
        return Choice(behind_shim(machine, found, itself["cwd"]), "python3 on PATH")
    if itself["executable"]:
        return Choice(str(itself["executable"]), "sparkdoctor's own interpreter: there is no python3 on PATH")
    return Missing("no Python interpreter was found")


def behind_shim(machine: Machine, path: str, cwd: str) -> str:
    """The interpreter that a pyenv shim would start; any other path as it is. A shim costs more than Python itself.

    Source: pyenv's README, "Understanding Python version selection".
    """
    root, shims, name = path.partition("/shims/")
    if not shims or "pyenv" not in root:
        return path
    parents = [cwd.rsplit("/", count)[0] for count in range(1, cwd.count("/"))] if cwd.startswith("/") else []
    places = [f"{parent.rstrip('/')}/.python-version" for parent in [cwd, *parents, ""]] + [f"{root}/version"]
    named = machine.env("PYENV_VERSION") or next((text for place in places if isinstance(text := machine.read(place), str)), "")
    for version in named.replace(":", " ").split():
        real = f"{root}/versions/{version}/bin/{name}"
        if not isinstance(machine.stat(real), Missing):
            return real
    return path


def parse(text: str) -> dict[str, Any] | None:
    """The marked line of patient/interpreter.py, wherever the environment's own chatter left it; None where there is none."""
    for line in reversed(text.splitlines()):
        if line.startswith(_MARK):
            try:
                said = json.loads(line[len(_MARK) :])
            except (ValueError, RecursionError):
                return None
            wanted = ("version", "include", "modules", "distributions")
            whole = isinstance(said, dict) and all(name in said for name in wanted)
            return said if whole and isinstance(said["modules"], dict) and isinstance(said["distributions"], list) else None
    return None


def _module(name: str, found: Any, python: str) -> str | Missing:
    match found:
        case {"origin": str(origin)}:
            return origin
        case {"error": str(error)}:
            return Broken(f"{name} in {python} cannot be looked up: {error}")
        case {"namespace": [str(place), *_]}:
            return Missing(f"{name} is not installed in {python}: {place} is a folder of that name without code")
    return Missing(f"{name} is not installed in {python}")


def _distributions(found: list[Any]) -> dict[str, Distribution]:
    result: dict[str, Distribution] = {}
    for item in found:
        match item:
            case [str(name), str(version), str(path)]:
                result.setdefault(re.sub(r"[-_.]+", "-", name).lower(), Distribution(version, path))
    return result
