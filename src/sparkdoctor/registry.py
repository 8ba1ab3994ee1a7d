"""Finds plugins by their entry points and the checks, fixes and signatures in them.

The entry points are read here and not through importlib.metadata, whose import alone costs as much as a quarter of a
quick check (see benchmarks/). The format is the one of the packaging specification "Entry points".
"""

import importlib
import os
import pkgutil
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple, cast

from sparkdoctor.check import Check, Described
from sparkdoctor.files import without_waiting
from sparkdoctor.fix import Fix
from sparkdoctor.model import Result, Status, Verdict, words

if TYPE_CHECKING:  # a check of a machine is made without signatures
    from sparkdoctor.signature import Signature

GROUP = "sparkdoctor.plugins"
OURS = "sparkdoctor"
SIGNATURES = "signatures"
"""The name of packages and modules that hold signatures alone: a check of a machine is made without them."""


class Plugin(NamedTuple):
    """An entry point: the distribution that has it, its name and the package or module it names."""

    distribution: str
    name: str
    value: str


class Registry:
    """All checks, fixes and signatures by id, with the plugin each came from, and what went wrong on the way."""

    def __init__(self) -> None:
        """Empty."""
        self.checks: dict[str, Check] = {}
        self.fixes: dict[str, Fix] = {}
        self.signatures: dict[str, Signature] = {}
        self.owners: dict[str, Plugin] = {}
        self.problems: list[Result] = []

    @classmethod
    def load(cls, *, signatures: bool = False) -> "Registry":
        """Import every plugin that is installed. What cannot be had becomes a problem, never an exception.

        Packages and modules of the name `SIGNATURES` are imported only where `signatures` are wanted.
        """
        registry = cls()
        for plugin in installed():
            registry.add(plugin, signatures=signatures)
        return registry

    def add(self, plugin: Plugin, *, signatures: bool = False) -> None:
        """Import one plugin and take its checks and fixes, and its signatures."""
        for name, module in self._modules(plugin, signatures=signatures):
            if isinstance(module, ModuleType):
                for value in vars(module).values():
                    if isinstance(value, Described) and value.function.__module__ == module.__name__:
                        self._register(plugin, value)
            else:
                self._problem(plugin, f"{name} cannot be imported: {words(module)}")

    def _modules(self, plugin: Plugin, *, signatures: bool) -> Iterator[tuple[str, ModuleType | BaseException]]:
        pending = [plugin.value.partition(":")[0].strip()]
        while pending:
            name = pending.pop()
            try:
                module = importlib.import_module(name)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 (a stranger's import may raise anything, SystemExit too)
                yield name, error
                continue
            yield name, module
            if paths := getattr(module, "__path__", None):
                inside = pkgutil.iter_modules(paths)
                pending += [f"{name}.{found.name}" for found in inside if signatures or found.name != SIGNATURES]

    def _register(self, plugin: Plugin, found: Described) -> None:
        kind = found.kind
        try:
            found.needs  # noqa: B018 (a signature that cannot be read is this plugin's problem, here and now)
        except Exception as error:  # noqa: BLE001 (evaluating a stranger's annotations)
            self._problem(plugin, f"{kind} {found.id} cannot be used: {error}")
            return
        if owner := self.owners.get(found.id):
            same = owner.distribution == plugin.distribution
            by = "twice" if same else f"by {owner.distribution} already, which keeps it"
            self._problem(plugin, f"{kind} {found.id} is registered {by}")
            return
        if isinstance(found, Fix):
            self.fixes[found.id] = found
        elif isinstance(found, Check):
            self.checks[found.id] = found
        else:
            self.signatures[found.id] = cast("Signature", found)
        self.owners[found.id] = plugin

    def _problem(self, plugin: Plugin, what: str) -> None:
        number = len(self.problems) + 1
        self.problems.append(
            Result(
                id=f"plugin-problem-{number}",
                layer="plugins",
                title="Every plugin can be used",
                verdict=Verdict(Status.CRASHED, f"distribution {plugin.distribution}: {what}"),
            )
        )


def installed() -> list[Plugin]:
    """The entry points of our group on `sys.path`, our own distribution's first; the first of a name counts."""
    found: dict[tuple[str, str], Plugin] = {}
    seen: set[str] = set()
    for place in dict.fromkeys(sys.path):
        try:
            names = sorted(name for name in os.listdir(place or ".") if name.endswith((".dist-info", ".egg-info")))
        except OSError:
            continue
        for name in names:
            distribution = re.sub(r"[-_.]+", "-", name.rpartition(".")[0].partition("-")[0]).lower()
            if distribution in seen:
                continue
            seen.add(distribution)
            for entry, value in _entry_points(os.path.join(place, name, "entry_points.txt")):
                found.setdefault((distribution, entry), Plugin(distribution, entry, value))
    return sorted(found.values(), key=lambda plugin: (plugin.distribution != OURS, plugin.distribution, plugin.name))


def _entry_points(path: str) -> Iterator[tuple[str, str]]:
    try:
        with open(path, encoding="utf-8", errors="replace", opener=without_waiting) as file:
            text = file.read(1 << 20)
    except OSError:
        return
    if f"[{GROUP}]" not in text:
        return
    section = text.partition(f"[{GROUP}]")[2].partition("\n[")[0]
    for line in section.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.lstrip().startswith(("#", ";")):
            yield name.strip(), value.strip()
