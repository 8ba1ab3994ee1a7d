"""The CUTLASS headers that are here, wherever they lie, and our own directory for what DeepSpeed misses beside them."""

import re
from collections.abc import Iterator
from posixpath import dirname
from typing import Self

from sparkdoctor.facts.cutlass import VARIABLE, Cutlass
from sparkdoctor.facts.deepspeed import Deepspeed
from sparkdoctor.facts.environment import EnvironmentFile
from sparkdoctor.facts.places import home, locate
from sparkdoctor.facts.python import Python
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Missing
from sparkdoctor.record import NamedTuple

_HEADER = "cutlass/cutlass.h"


class Tree(NamedTuple):
    """Headers of CUTLASS: `root` is what a variable would name, `includes` the directories to include.

    `version` is (3, 8), None where version.h does not say it; `listed` whether a CHANGELOG.md at the root mentions 3.1.0;
    `packaged` are the headers of the package nvidia-cutlass.
    """

    root: str
    includes: tuple[str, ...]
    version: tuple[int, int] | None
    listed: bool
    packaged: bool = False


class CutlassTrees(Fact):
    """All that was found, the first to be tried first.

    `place` is our own directory, $XDG_DATA_HOME/sparkdoctor/cutlass or the like, without links, `new` those that would have
    to be made for it and `changelog` the text of its CHANGELOG.md, None where there is none. `obstacle` says why nothing must
    be written there, and is empty where it may. `searched` is CPATH, `served` tells
    whether the file of variables names one that DeepSpeed takes.
    """

    trees: tuple[Tree, ...]
    place: str
    new: tuple[str, ...] = ()
    changelog: str | None = None
    obstacle: str = ""
    searched: str | None = None
    served: bool = False

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Look where a user names it, where pip puts it, and where it is usually cloned to."""
        package = machine.need(Python).distribution("nvidia-cutlass")
        source = f"{dirname(package.path)}/cutlass_library/source" if package else None
        named = [path for name in (VARIABLE, "CUTLASS_ROOT", "CUTLASS_HOME") if (path := machine.env(name) or "").startswith("/")]
        base = home(machine)
        usual = (
            *([f"{base}/cutlass"] if base.startswith("/") else []),
            "/usr/local/cutlass",
            "/opt/cutlass",
            "/usr/local",
            "/usr",
        )
        roots: dict[str, None] = dict.fromkeys([*named[:1], *([source] if source else []), *named[1:], *usual])
        trees = tuple(tree for root in roots for tree in _tree(machine, root.rstrip("/"), packaged=root == source))
        return cls(trees, *_own(machine, base), searched=machine.env("CPATH"), served=_served(machine))


def _served(machine: Machine) -> bool:
    file = machine.get(EnvironmentFile)
    line = None if isinstance(file, Missing) else file.exports.get(VARIABLE)
    if line is None or line.value is None:
        return False
    return not Cutlass.judged(machine, machine.need(Python), machine.need(Deepspeed), line.value).refusal


def parse_version(header: str) -> tuple[int, int] | None:
    """(3, 8) of `#define CUTLASS_MAJOR 3` and `#define CUTLASS_MINOR 8`."""
    found = [re.search(rf"^#define CUTLASS_{part} (\d{{1,4}})\s*$", header, re.MULTILINE) for part in ("MAJOR", "MINOR")]
    major, minor = found
    return (int(major[1]), int(minor[1])) if major and minor else None


def _tree(machine: Machine, root: str, *, packaged: bool) -> Iterator[Tree]:
    include = next((one for one in (f"{root}/include", root) if _is_there(machine, f"{one}/{_HEADER}")), None)
    if include is None:
        return
    base = root if include != root else dirname(root)
    util = f"{base}/tools/util/include"
    version = machine.read(f"{include}/cutlass/version.h")
    changes = machine.records(f"{root}/CHANGELOG.md", "3.1.0", "\n")
    yield Tree(
        root,
        (include, util) if _is_there(machine, util) else (include,),
        None if isinstance(version, Missing) else parse_version(version),
        not isinstance(changes, Missing) and bool(changes),
        packaged,
    )


def _is_there(machine: Machine, path: str) -> bool:
    return not isinstance(machine.stat(path), Missing)


def _own(machine: Machine, base: str) -> tuple[str, tuple[str, ...], str | None, str]:
    """Our directory, what of it is not there yet, its CHANGELOG.md, and what keeps us from writing it."""
    data = machine.env("XDG_DATA_HOME") or ""
    if not data.startswith("/"):  # the XDG specification has a relative one ignored
        if not base.startswith("/") and machine.env("HOME") != "/":
            return "", (), None, "there is no home directory to keep a file in: HOME is not set"
        data = f"{base}/.local/share"
    place = locate(machine, f"{data}/sparkdoctor/cutlass")
    nearest = place.path if place.status else next((path for path, _ in place.above), "/")
    new: list[str] = []
    lacking = place.path
    while lacking not in (nearest, "/"):
        new.append(lacking)
        lacking = dirname(lacking)
    file = f"{place.path}/CHANGELOG.md"
    status, text = machine.stat(file), machine.read(file)
    linked = not isinstance(status, Missing) and status.real != file
    obstacle = place.obstacle or (f"{file} is a symbolic link" if linked else "")
    return place.path, tuple(new[::-1]), None if isinstance(text, Missing) else text, obstacle
