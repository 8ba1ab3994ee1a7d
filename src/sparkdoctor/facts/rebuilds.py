"""What it takes to move extensions aside and to build them again: free names, and recipes that can be followed."""

import re
from collections.abc import Mapping
from itertools import takewhile
from posixpath import join, split
from typing import Self

from sparkdoctor.architecture import Architecture, Capability
from sparkdoctor.facts.build_flags import host_compilers, is_compiler, known
from sparkdoctor.facts.extensions import ASIDE, Extension, Extensions, State, free_name, ninja_words, parse_build
from sparkdoctor.facts.gpu import targets
from sparkdoctor.facts.python import Python
from sparkdoctor.facts.torch import Torch
from sparkdoctor.machine import Fact, FileStatus, Machine
from sparkdoctor.model import Missing
from sparkdoctor.record import NamedTuple

_COMMAND = (
    r"\$(?:cxx|nvcc)(?: +(?:-M?MD|--generate-dependencies-with-compile|(?:-MF|--dependency-output) \$out\.d|-c|-dlink|-o|\$\w+))+"
)
"""A command of a rule as PyTorch writes it: a compiler with its settings, nothing for a shell to read between them."""
_SETTINGS = frozenset(
    "ninja_required_version cxx nvcc cflags post_cflags cuda_cflags cuda_post_cflags cuda_dlink_post_cflags"
    " sycl_dlink_post_cflags ldflags".split()
)
_OUTSIDE = r"^[/@-]|(^|/)\.\.(/|$)"
"""What would be written outside of the directory, or taken for a flag."""
_FLAG = r"[@-]"
_CALLED = ("ninja_required_version", "cxx", "nvcc")
"""Settings that are no flags."""


class Recipe(NamedTuple):
    """A build.ninja that compiles and links and does nothing else.

    `sources` are what it compiles, `compilers` the programs that it calls, `copies` how many copies of a file one call of nvcc
    works on at once, `codes` the architectures that it compiles for.
    """

    text: str
    sources: tuple[str, ...]
    compilers: tuple[str, ...]
    copies: int = 1
    codes: tuple[Architecture, ...] = ()


class Rebuilds(Fact):
    """`names` are all in the cache's root; `recipes` are by extension, or say why it cannot be built again from here."""

    names: frozenset[str]
    recipes: Mapping[str, Recipe | Missing]

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """List the root, and read each build.ninja that there would be something to do with."""
        extensions, python, torch = machine.need(Extensions), machine.need(Python), machine.need(Torch)
        names = machine.entries(extensions.root.path)
        if isinstance(names, Missing):
            return names
        short = ".".join(python.version.split(".")[:2]) + python.abiflags
        target = next(iter(targets(machine)), None)
        broken = extensions.having(State.DAMAGED, State.OUTDATED)
        return cls(frozenset(names), {one.name: _recipe(machine, one, short, torch.root, target) for one in broken})

    def aside(self, one: Extension) -> str:
        """Where an extension can be moved: the names are those that `mv --backup=numbered` leaves."""
        directory, name = split(one.path)
        return join(directory, free_name(name + ASIDE, self.names))


def _recipe(machine: Machine, one: Extension, python: str, torch: str, target: Capability | None) -> Recipe | Missing:
    """What built an extension, where all of it is there and is today's."""
    text = machine.read(f"{one.path}/build.ninja")
    if isinstance(text, Missing):
        return text
    build, recipe = parse_build(text), parse(text)
    if build is None or recipe is None:
        return Missing(f"{one.path}/build.ninja is not as PyTorch writes it")
    for source in recipe.sources:
        if isinstance(machine.stat(source), Missing):
            return Missing(f"{source} is gone")
    for compiler in recipe.compilers:
        if machine.which(compiler) is None:
            return Missing(f"{compiler} is gone")
    headers = machine.stat(build.torch) if build.torch else None
    if not isinstance(headers, FileStatus) or headers.real != torch:
        return Missing(f"it was compiled with the headers of {build.torch or 'no PyTorch'}; today's is {torch}")
    if build.python != python:
        return Missing(f"it was compiled for Python {build.python or 'unknown'}; today's is {python}")
    if recipe.codes and target and not any(code.runs_on(target) for code in recipe.codes):
        return Missing(f"none of {', '.join(map(str, recipe.codes))} runs on {target}")
    return recipe


def parse(text: str) -> Recipe | None:
    """Understand a build.ninja of torch.utils.cpp_extension; None where it holds anything that does not compile or link.

    Flags are those that are known to run nothing (see `build_flags`).

    Source: `_write_ninja_file` in torch/utils/cpp_extension.py, 2.4 to 2.14.
    """
    settings: dict[str, str] = {}
    sources: list[str] = []
    for line in text.splitlines():
        if not line.strip() or re.fullmatch(r"rule \w+|default \S.*|  depfile = \$out\.d|  deps = gcc", line):
            continue
        if line.endswith("$"):  # it goes on in the next one
            return None
        if match := re.fullmatch(r"build ((?:[^$:]|\$.)+): (compile|cuda_compile|cuda_devlink|link) (.+)", line):
            outputs, inputs = ninja_words(match[1]), ninja_words(match[3])
            if any(re.search(_OUTSIDE, output) for output in outputs) or any(re.match(_FLAG, file) for file in inputs):
                return None
            sources += inputs if match[2].endswith("compile") else []
        elif match := re.fullmatch(r"  command = (.+?)\s*", line):
            if not re.fullmatch(_COMMAND, match[1]):
                return None
        elif (match := re.fullmatch(r"(\w+) =\s*(.*?)\s*", line)) and match[1] in _SETTINGS and _plain(match[2]):
            settings[match[1]] = match[2]
        else:
            return None
    words = {name: _words(value) for name, value in settings.items()}
    calls = _compilers(words)
    if not sources or calls is None or not all(known(words[name]) for name in words if name not in _CALLED):
        return None
    flags = settings.get("cuda_cflags", "")
    codes = dict.fromkeys(re.findall(r"code=\[?((?:sm|compute)_\d{2,4}[af]?)", flags))
    threads = re.search(r"--threads[= ](\d{1,3})\b", flags)
    wanted = tuple(Architecture.parse(code) for code in codes)
    copies = min(int(threads[1]) if threads else 1, max(1, len({code.capability for code in wanted})))
    return Recipe(text, tuple(sources), tuple(dict.fromkeys(calls)), max(1, copies), wanted)


def _words(value: str) -> list[str]:
    from shlex import split  # noqa: PLC0415 (only where something is broken)

    return split(value)


def _compilers(words: Mapping[str, list[str]]) -> list[str] | None:
    """The programs that are called; None where one is no compiler, or there is none."""
    found: list[str] = []
    for name in _CALLED[1:]:
        programs = list(takewhile(is_compiler, words.get(name, ())))
        if not known(words.get(name, ())[len(programs) :]):
            return None
        if not programs and (name == "cxx" or words.get(name)):
            return None
        found += programs
    found += [call for name in words for call in host_compilers(words[name])]
    return found if all(map(is_compiler, found)) else None


def _plain(value: str) -> bool:
    """Whether a shell would find nothing but words in a value: no second command, no file to write, nothing to fill in.

    Ninja fills in what begins with `$` without regard to quotes.
    """
    if "$" in value:
        return False
    bare = re.sub(r"'[^']*'|\"[^\"$`\\]*\"|\\.", "", value)
    return not re.search(r"[;&|<>`$(){}*?~#\"'\\]", bare)
