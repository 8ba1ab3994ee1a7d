"""What it takes to move extensions aside and to build them again: free names, and recipes that can be followed."""

import re
from collections.abc import Mapping
from posixpath import basename, join, split
from typing import NamedTuple, Self

from sparkdoctor.architecture import Architecture, Capability
from sparkdoctor.facts.extensions import ASIDE, Extension, Extensions, State, free_name, ninja_words, parse_build
from sparkdoctor.facts.gpu import targets
from sparkdoctor.facts.python import Python
from sparkdoctor.facts.torch import Torch
from sparkdoctor.machine import Fact, FileStatus, Machine
from sparkdoctor.model import Missing

_COMMAND = r"\$(?:cxx|nvcc)(?: +[\w$.-]+)+"
"""A command of a rule as PyTorch writes it: a compiler with words, nothing for a shell to read between them."""
_SETTINGS = frozenset(
    "ninja_required_version cxx nvcc cflags post_cflags cuda_cflags cuda_post_cflags cuda_dlink_post_cflags"
    " sycl_dlink_post_cflags ldflags".split()
)
_COMPILER = r"(.+-)?(c\+\+|g\+\+|gcc|cc|clang(\+\+)?|nvcc|s?ccache)(-[\d.]+)?"
"""A compiler's name, or that of what stands before one."""


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
            if any(re.search(r"^/|(^|/)\.\.(/|$)", path) for path in outputs):
                return None
            sources += inputs if match[2].endswith("compile") else []
        elif match := re.fullmatch(r"  command = (.+?)\s*", line):
            if not re.fullmatch(_COMMAND, match[1]):
                return None
        elif (match := re.fullmatch(r"(\w+) =\s*(.*?)\s*", line)) and match[1] in _SETTINGS and _plain(match[2]):
            settings[match[1]] = match[2]
        else:
            return None
    calls = [_first(settings.get(name, "")) for name in ("cxx", "nvcc")]
    if not sources or not calls[0] or not all(re.fullmatch(_COMPILER, basename(call)) for call in calls if call):
        return None
    flags = settings.get("cuda_cflags", "")
    codes = dict.fromkeys(re.findall(r"code=\[?((?:sm|compute)_\d{2,4}[af]?)", flags))
    threads = re.search(r"--threads[= ](\d{1,3})\b", flags)
    wanted = tuple(Architecture.parse(code) for code in codes)
    copies = min(int(threads[1]) if threads else 1, max(1, len({code.capability for code in wanted})))
    return Recipe(text, tuple(sources), tuple(call for call in calls if call), max(1, copies), wanted)


def _first(command: str) -> str:
    return next(iter(ninja_words(command)), "")


def _plain(value: str) -> bool:
    """Whether a shell would find nothing but words in a value: no second command, no file to write, nothing to fill in."""
    bare = re.sub(r"'[^']*'|\"[^\"$`\\]*\"|\\.", "", value)
    return not re.search(r"[;&|<>`$(){}*?~#\"'\\]", bare)
