"""PyTorch's cache of extensions that were compiled at run time (torch.utils.cpp_extension.load), and the state of each.

What each state does to the next `load` was tried with PyTorch 2.13; see docs/sources.md and tests/test_real_extensions.py.
"""

import re
from collections.abc import Collection, Iterable
from enum import StrEnum
from itertools import islice, pairwise
from posixpath import basename, dirname, join
from typing import NamedTuple, Self

from sparkdoctor.architecture import Architecture, Capability, names
from sparkdoctor.facts.elf import WHOLE_HEAD, machine_of, size_stated
from sparkdoctor.facts.gpu import targets
from sparkdoctor.facts.places import Place, home, locate
from sparkdoctor.facts.python import Python, release_of
from sparkdoctor.facts.torch import Torch
from sparkdoctor.machine import Fact, FileStatus, Holder, Holders, Machine
from sparkdoctor.model import Broken, Missing
from sparkdoctor.process import Ran

LIMIT = 64
"""Extensions that are looked at."""
ENTRIES_LIMIT = 512
"""Names in the root that are looked at: TORCH_EXTENSIONS_DIR may be set to any directory."""
NINJA_LIMIT = 16
"""Extensions that ninja is asked about: each costs a process."""
ASIDE = ".aside"
"""What is in the name of a directory that our remedies have moved away, also where mv has numbered it: `op.aside.~1~`."""
FIRST = "evoformer_attn"
"""The extension that is looked at however many there are."""
_MARKS = frozenset(("build.ninja", ".ninja_log", ".ninja_deps"))
_TOOLS = r"ninja|nvcc|cicc|ptxas|fatbinary|cudafe|nvlink|cc1|cc$|[cg]\+\+|gcc|clang|collect2|as$|ld$|ld\.|s?ccache|.*-linux-gn"
"""Names of what a build runs in its directory (the kernel keeps 15 letters of a name); a shell there is somebody looking."""


class State(StrEnum):
    """What stands in an extension's way, the first that is true."""

    BUILDING = "is being built"
    LOCKED = "is locked"
    DAMAGED = "is damaged"
    FOREIGN = "was built for something else"
    OUTDATED = "would be built anew"
    WHOLE = "is ready"


class Build(NamedTuple):
    """What a build.ninja says: what is linked of what, the compiler, the directories of headers, and the flags for nvcc."""

    library: str
    objects: tuple[str, ...]
    nvcc: str | None
    includes: tuple[str, ...]
    flags: tuple[str, ...] = ()

    @property
    def torch(self) -> str | None:
        """The directory of the PyTorch whose headers it was compiled with."""
        return next((dirname(path) for path in self.includes if path.endswith("/torch/include")), None)

    @property
    def python(self) -> str | None:
        """`3.12` or `3.13t`: the Python whose headers it was compiled with."""
        found = (re.search(r"/python(\d\.\d+[a-z]*)$", path) for path in self.includes)
        return next((match[1] for match in found if match), None)


class Extension(NamedTuple):
    """One directory of the cache.

    `reasons` quote what made it the `state`; a foreign one is `mild` where it need not fail. `holders` are
    the processes of its build, `cuda` the major release of the CUDA runtime that it wants, `writable` whether this user can
    make files in it, `place` the status of its directory.
    """

    name: str
    path: str
    state: State
    reasons: tuple[str, ...] = ()
    build: Build | None = None
    lock: FileStatus | None = None
    holders: tuple[Holder, ...] = ()
    cuda: int | None = None
    mild: bool = False
    writable: bool = True
    place: FileStatus | None = None

    @property
    def linked(self) -> bool:
        """Whether a symbolic link leads to its directory."""
        return self.place is not None and self.place.real != self.path

    @property
    def builder(self) -> Holder | None:
        """The process that has the lock: it opened the file and still has it open."""
        return next((holder for holder in self.holders if holder.what == f"{self.path}/lock"), None)


class Extensions(Fact):
    """`variable` is TORCH_EXTENSIONS_DIR where it is set; `usual` the root that PyTorch takes where it is not.

    `flocks` says that locks are the kernel's (PyTorch 2.14 on), which no dead process can hold. `holders` is None where nobody
    had to be looked for, `asked` whether ninja was there to be asked. `unseen` says what was not looked at, and why.
    """

    part_of = Torch

    root: Place
    variable: str | None
    usual: str
    found: tuple[Extension, ...]
    flocks: bool = False
    holders: Holders | Missing | None = None
    asked: bool = True
    uid: int = 0
    unseen: str = ""

    @classmethod
    def probe(cls, machine: Machine) -> Self:
        """Do what `_get_build_directory` in torch/utils/cpp_extension.py does, and look into what is there."""
        python, torch = machine.need(Python), machine.need(Torch)
        variable = machine.env("TORCH_EXTENSIONS_DIR")
        usual = join(_default_root(machine), folder(machine, python, torch))
        root = locate(machine, usual if variable is None else variable)
        names, unseen = _names(machine, root)
        looks = list(islice(_looks(machine, root, names), LIMIT + 1))
        if len(looks) > LIMIT:
            looks, unseen = looks[:LIMIT], f"only {LIMIT} of the extensions in {root.path} were looked at"
        flocks = any(look.lock for look in looks) and _flocks(machine, torch)
        needed = any(look.lock or look.damage for look in looks)
        holders = machine.holders(root.path) if needed else None
        today = Today.of(machine, python, torch)
        ninja = machine.which("ninja") if looks else None
        found = []
        for number, look in enumerate(looks):
            held = () if holders is None or isinstance(holders, Missing) else builders(look.path, holders.processes)
            extension = _judged(machine, look, today, held, flocks=flocks)
            if extension.state is State.WHOLE and ninja and number < NINJA_LIMIT:
                ran = machine.run(ninja, "-C", "{mirror}", "-n", "-d", "explain", mirror=look.path, timeout=2.0)
                if work := None if isinstance(ran, Missing) else work_left(ran):
                    extension = extension._replace(state=State.OUTDATED, reasons=(work,))
            found.append(extension)
        asked, uid = ninja is not None or not looks, machine.itself()["uid"]
        return cls(root, variable, usual, tuple(found), flocks, holders, asked, uid, unseen)

    def named(self, name: str) -> Extension | None:
        """The extension of that name."""
        return next((extension for extension in self.found if extension.name == name), None)

    def having(self, *states: State) -> tuple[Extension, ...]:
        """The extensions in these states."""
        return tuple(extension for extension in self.found if extension.state in states)

    @property
    def elsewhere(self) -> str:
        """The command that leads PyTorch to a directory on a local disk, which stops where somebody else has made it first."""
        place = "/var/tmp/torch_extensions-$(id -u)"
        return f"mkdir -m 700 {place} && export TORCH_EXTENSIONS_DIR={place}/{basename(self.usual)}"

    @property
    def none(self) -> str:
        """What a check says where no extension is to be seen."""
        return self.unseen or f"there are no extensions in {self.root.path}"

    @property
    def but(self) -> str:
        """What a check adds to its praise where it has not seen everything."""
        return f"; {self.unseen}" if self.unseen else ""

    def others(self, *states: State) -> str:
        """What a check says of the extensions that it leaves to other checks; empty where there are none."""
        words = [
            f"{extension.name} {extension.state}" for extension in self.found if extension.state not in (*states, State.WHOLE)
        ]
        return f" ({', '.join(words)}: told elsewhere)" if words else ""


class Look(NamedTuple):
    """What lies in a directory that is an extension's. `text` is its build.ninja, `damage` what is wrong with its files."""

    name: str
    path: str
    build: Build | None
    lock: FileStatus | None
    library: str | None
    built: int | None
    head: bytes
    damage: tuple[str, ...]
    place: FileStatus | None = None


def _default_root(machine: Machine) -> str:
    """Source: user_cache_dir in torch/_appdirs.py, whose result is freed of links; an empty variable counts."""
    cache = machine.env("XDG_CACHE_HOME")
    return locate(machine, join(f"{home(machine)}/.cache" if cache is None else cache, "torch_extensions")).path


def folder(machine: Machine, python: Python, torch: Torch) -> str:
    """`py312_cu130`. PyTorch has named a free-threaded Python only since it knew them: its own text tells."""
    flags = python.abiflags
    if flags:
        said = machine.records(f"{torch.root}/utils/cpp_extension.py", "abiflags", "\n")
        flags = flags if not isinstance(said, Missing) and said else ""
    digits = "".join(python.version.split(".")[:2])
    return f"py{digits}{flags}_{'cu' + torch.cuda.replace('.', '') if torch.cuda else 'cpu'}"


def _flocks(machine: Machine, torch: Torch) -> bool:
    """How this PyTorch locks: its text says `FileBaton(…'lock')` up to 2.13, `FileLock(…'lock')` since; else by version."""
    lines = machine.records(f"{torch.root}/utils/cpp_extension.py", "'lock')", "\n")
    text = "" if isinstance(lines, Missing) else "\n".join(lines)
    if "FileLock(" in text or "FileBaton(" in text:
        return "FileBaton(" not in text
    return release_of(torch.version) >= (2, 14)


def _names(machine: Machine, root: Place) -> tuple[tuple[str, ...], str]:
    """The names in the root that are looked at, and what is not."""
    entries = machine.entries(root.path) if root.status is not None else ()
    if isinstance(entries, Missing):
        return (), entries.reason
    names = sorted((name for name in entries if ASIDE not in name), key=lambda name: (name != FIRST, name))
    unseen = f"only {ENTRIES_LIMIT} of the {len(names)} names in {root.path} were looked at" if len(names) > ENTRIES_LIMIT else ""
    return tuple(names[:ENTRIES_LIMIT]), unseen


def _looks(machine: Machine, root: Place, names: Iterable[str]) -> Iterable[Look]:
    for name in names:
        inside = machine.entries(f"{root.path}/{name}")
        if not isinstance(inside, Missing) and _is_extension(name, inside):
            yield _look(machine, name, f"{root.path}/{name}", inside)


def _is_extension(name: str, inside: tuple[str, ...]) -> bool:
    """Whether a directory with these files is an extension's: a lock by itself is what a build killed at once leaves."""
    return bool(_MARKS & set(inside)) or f"{name}.so" in inside or inside == ("lock",)


def _look(machine: Machine, name: str, path: str, inside: tuple[str, ...]) -> Look:
    text = machine.read(f"{path}/build.ninja")
    build = None if isinstance(text, Missing) else parse_build(text)
    damage = []
    if isinstance(text, Missing):
        damage.append(text.reason)
    elif build is None:
        written = machine.stat(f"{path}/build.ninja")
        whole = isinstance(written, Missing) or written.size <= len(text)
        words = "is empty" if not text.strip() else "breaks off: it links nothing" if whole else "is too large to be read"
        damage.append(f"{path}/build.ninja {words}")
    library = join(path, build.library if build else f"{name}.so")
    damage += [
        f"{file} does not exist"
        for file in (join(path, item) for item in (build.objects if build else ()))
        if dirname(file) == path and file[len(path) + 1 :] not in inside
    ]
    status = machine.stat(library)
    head = b""
    if isinstance(status, Missing):
        damage.append(status.reason)
    else:
        found = machine.head(library, WHOLE_HEAD)
        head = b"" if isinstance(found, Missing) else found
        least = size_stated(head)
        if isinstance(found, Missing):
            damage.append(found.reason)
        elif least is None and machine_of(head) is None:
            damage.append(f"{library} is no library: {status.size} bytes")
        elif least is not None and status.size < least:
            damage.append(f"{library} is cut off: {status.size} of at least {least} bytes")
    lock = machine.stat(f"{path}/lock") if "lock" in inside else None
    place = machine.stat(path)
    return Look(
        name,
        path,
        build,
        lock if isinstance(lock, FileStatus) and lock.kind == "file" else None,
        None if isinstance(status, Missing) else library,
        None if isinstance(status, Missing) else status.mtime,
        head,
        tuple(damage),
        None if isinstance(place, Missing) else place,
    )


class Today(NamedTuple):
    """What extensions must fit now."""

    python: str
    torch: str
    version: str
    installed: int | None
    cuda: int | None
    machine: str
    target: Capability | None

    @classmethod
    def of(cls, machine: Machine, python: Python, torch: Torch) -> Self:
        """Put together from the facts; `installed` is when PyTorch's version.py was written."""
        status = machine.stat(f"{torch.root}/version.py")
        return cls(
            python=".".join(python.version.split(".")[:2]) + python.abiflags,
            torch=torch.root,
            version=torch.version,
            installed=None if isinstance(status, Missing) else status.mtime,
            cuda=int(torch.cuda.split(".")[0]) if torch.cuda and torch.cuda.split(".")[0].isdecimal() else None,
            machine=machine.itself()["machine"],
            target=next(iter(targets(machine)), None),
        )


def builders(path: str, processes: Iterable[Holder]) -> tuple[Holder, ...]:
    """The processes that build in a directory: who has the lock open, and compilers that work there."""
    return tuple(
        holder
        for holder in processes
        if holder.what == f"{path}/lock" or (holder.what == path and re.match(_TOOLS, holder.name) is not None)
    )


def _judged(machine: Machine, look: Look, today: Today, held: tuple[Holder, ...], *, flocks: bool) -> Extension:
    """The state, and why."""
    writable = look.place is None or look.place.writable
    extension = Extension(look.name, look.path, State.WHOLE, (), look.build, look.lock, held, writable=writable, place=look.place)
    working = tuple(f"{holder.name or 'a process'} (pid {holder.pid}) has {holder.what}" for holder in held)
    if extension.builder or (held and (flocks or look.lock is None)):
        return extension._replace(state=State.BUILDING, reasons=working)
    if look.lock is not None and not flocks:
        # It may have been let go since we first looked, and the build be whole now.
        if not held and isinstance(machine.stat(f"{look.path}/lock"), Missing):
            inside = machine.entries(look.path)
            look = look if isinstance(inside, Missing) else _look(machine, look.name, look.path, inside)
            return _judged(machine, look._replace(lock=None), today, held, flocks=flocks)
        return extension._replace(state=State.LOCKED, reasons=working)
    if look.damage or look.build is None or look.library is None:
        return extension._replace(state=State.DAMAGED, reasons=look.damage)
    cuda, code = _cuda_of(machine, look.build, look.library)
    return _compared(machine, extension._replace(cuda=cuda), look, look.build, today, code)


def _compared(
    machine: Machine, extension: Extension, look: Look, build: Build, today: Today, code: tuple[Architecture, ...]
) -> Extension:
    """A complete extension against what there is today."""
    needed = (*ninja_words(build.nvcc or ""), build.torch or "")
    lost = tuple(path for path in needed if path.startswith("/") and isinstance(machine.stat(path), Missing))
    real = machine.stat(build.torch) if build.torch else None
    built_with = real.real if isinstance(real, FileStatus) else build.torch
    found = mismatches(today, build.python, machine_of(look.head), extension.cuda, code) + tuple(
        f"{path} is gone" for path in lost
    )
    if found:
        return extension._replace(state=State.FOREIGN, reasons=found)
    if built_with and built_with != today.torch:
        found = (f"it was compiled with the headers of {built_with}; today's PyTorch is {today.torch}",)
    elif today.installed and look.built and look.built < today.installed:
        found = (f"it was built before this PyTorch ({today.version}) was installed, which ninja does not notice",)
    return extension._replace(state=State.FOREIGN, reasons=found, mild=True) if found else extension


def _cuda_of(machine: Machine, build: Build, library: str) -> tuple[int | None, tuple[Architecture, ...]]:
    """The major release of the CUDA runtime that a library wants, and its GPU code; nothing for one without nvcc."""
    if build.nvcc is None:
        return None, ()
    wants = machine.records(library, "libcudart.so.", "\0", ".dynstr")
    major = runtime(() if isinstance(wants, Missing) else wants)
    code = machine.gpu_code(library)
    if isinstance(code, Broken):
        code = _cuobjdump(machine, build.nvcc, library)
    return major, () if isinstance(code, Missing) else tuple(Architecture.parse(name) for name in code if _is_code(name))


def _cuobjdump(machine: Machine, nvcc: str, library: str) -> tuple[str, ...]:
    tool = machine.which("cuobjdump") or f"{dirname(nvcc)}/cuobjdump"
    said = (machine.run(tool, what, library, timeout=2.0) for what in ("--list-elf", "--list-ptx"))
    return parse_cuobjdump("\n".join(ran.stdout for ran in said if not isinstance(ran, Missing)))


def mismatches(
    today: Today, python: str | None, machine: str | None, cuda: int | None, code: tuple[Architecture, ...]
) -> tuple[str, ...]:
    """Why an extension built for all this does not work today."""
    found = []
    if machine and machine != today.machine:
        found.append(f"its library is for {machine}; this machine is {today.machine}")
    if python and python != today.python:
        found.append(f"it was compiled for Python {python}; today's is {today.python}")
    if cuda is not None and cuda != today.cuda:
        now = f"CUDA {today.cuda}" if today.cuda is not None else "no CUDA"
        found.append(f"it wants libcudart.so.{cuda}; PyTorch {today.version} has {now}")
    if code and today.target and not any(one.runs_on(today.target) for one in code):
        found.append(f"its GPU code is {names(code)}; none of it runs on {today.target}")
    return tuple(found)


def parse_build(text: str) -> Build | None:
    """A build.ninja of torch.utils.cpp_extension; None where it links nothing or breaks off before it says its default.

    Source: `_write_ninja_file` in torch/utils/cpp_extension.py, 2.4 to 2.14: the default is its last statement.
    """
    settings: dict[str, str] = {}
    links: dict[str, tuple[str, ...]] = {}
    defaults: list[str] = []
    for line in text.replace("$\n", "").splitlines():
        if match := re.match(r"(\w+)\s*=\s*(.*)", line):
            settings[match[1]] = match[2].strip()
        elif line.startswith("build "):
            outputs, _, inputs = _split_once(line[len("build ") :])
            rule, *sources = ninja_words(inputs) or [""]
            if rule == "link" and (made := ninja_words(outputs)):
                links[made[0]] = tuple(sources)
        elif line.startswith("default "):
            defaults += ninja_words(line[len("default ") :])
    library = next((name for name in defaults if name in links), None)
    if library is None:
        return None
    flags = _words(settings.get("cuda_cflags", ""))
    includes = dict.fromkeys((*_includes(_words(settings.get("cflags", ""))), *_includes(flags)))
    return Build(library, links[library], settings.get("nvcc"), tuple(includes), tuple(flags))


def _split_once(text: str) -> tuple[str, str, str]:
    match = re.match(r"((?:[^$:]|\$.)*)(:?)(.*)", text)
    return (match[1], match[2], match[3]) if match else (text, "", "")


def ninja_words(text: str) -> list[str]:
    """Words between blanks; a `$` takes the meaning from a blank, a colon and itself. What follows `|` is only waited for."""
    words = re.findall(r"(?:[^$\s]|\$.)+", text)
    return [re.sub(r"\$(.)", r"\1", word) for word in (words[: words.index("|")] if "|" in words else words)]


def _words(flags: str) -> list[str]:
    from shlex import split  # noqa: PLC0415 (only where there is an extension)

    try:
        return split(flags)
    except ValueError:  # a quotation without an end
        return flags.split()


def _includes(words: list[str]) -> list[str]:
    glued = [word[2:] for word in words if word.startswith("-I")]
    return glued + [path for flag, path in pairwise(words) if flag == "-isystem"]


def runtime(names_in_dynstr: Iterable[str]) -> int | None:
    """13 for `libcudart.so.13`."""
    found = (re.fullmatch(r"libcudart\.so\.(\d{1,3})(?:\.\d+)*", name) for name in names_in_dynstr)
    return next((int(match[1]) for match in found if match), None)


def parse_cuobjdump(text: str) -> tuple[str, ...]:
    """Lines such as `ELF file    1: attention.1.sm_121.cubin` and `PTX file    1: attention.1.sm_121.ptx`."""
    found = re.findall(r"\.sm_(\d{2,3}[af]?)\.(cubin|ptx)\s*$", text, re.MULTILINE)
    return tuple(dict.fromkeys(f"{'sm' if kind == 'cubin' else 'compute'}_{number}" for number, kind in found))


def _is_code(name: str) -> bool:
    return re.fullmatch(r"(sm|compute)_\d{2,4}[af]?", name) is not None


def work_left(ran: Ran) -> str | None:
    """What `ninja -n -d explain` says there is to do; None where nothing is, or where it could not tell."""
    if ran.code is None or "ninja: no work to do." in ran.stdout:
        return None
    if ran.code != 0:
        return ran.last_words or f"ninja {ran.ended}"
    said = re.search(r"^ninja explain: (.+)$", f"{ran.stderr}\n{ran.stdout}", re.MULTILINE)
    return f"ninja: {said[1]}" if said else "ninja would build it anew"


def move_aside(extensions: Iterable[Extension], *, sudo: bool = False) -> str:
    """The command that takes extensions out of the way, so that the next use builds them anew.

    It deletes nothing, also where one was moved aside before: that gets a number.
    """
    from shlex import quote  # noqa: PLC0415

    move = f"{'sudo ' if sudo else ''}mv -T --backup=numbered"
    return " && ".join(f"{move} {quote(one.path)} {quote(one.path + ASIDE)}" for one in extensions)


def free_name(name: str, taken: Collection[str]) -> str:
    """A name that is not taken; numbers are `mv --backup=numbered`'s: `op.aside.~1~`."""
    number, found = 0, name
    while found in taken:
        number += 1
        found = f"{name}.~{number}~"
    return found
