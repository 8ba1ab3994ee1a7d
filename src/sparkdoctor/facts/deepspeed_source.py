"""The files of DeepSpeed's op_builder that decide about architectures, as a fix needs them: whole, and with whose they are."""

import re
from collections.abc import Mapping
from posixpath import dirname
from typing import TYPE_CHECKING, Self

from sparkdoctor.architecture import Capability
from sparkdoctor.facts.deepspeed import FILTERING
from sparkdoctor.facts.nvcc import REFUSAL, CudaHome, Nvcc, dry_run, refusal
from sparkdoctor.facts.python import Python
from sparkdoctor.machine import Fact, FileStatus, Machine
from sparkdoctor.model import Broken, Missing
from sparkdoctor.record import NamedTuple

if TYPE_CHECKING:
    from sparkdoctor.facts.builder_source import Reading

BUILDER = "builder"
_HASHED, _CHECKED = 1, 2
"""Flags in the head of a .pyc. Source: PEP 552."""


class SourceFile(NamedTuple):
    """One file: its `path` without symbolic links, its text, and what keeps this user from writing it, empty where nothing does.

    `pristine` tells whether it is as it was installed, None where no RECORD does. `linked` is a file that is itself a symbolic
    link. `unchecked` are its compiled forms that Python loads without a look at the text.
    """

    path: str
    text: str
    pristine: bool | None = None
    obstacle: str = ""
    owner: int | None = None
    linked: bool = False
    unchecked: tuple[str, ...] = ()


class DeepspeedSource(Fact):
    """The texts of builder.py and of the operators that filter, by name; those that this version does not have are left out.

    `trouble` says what keeps them from being read, empty where nothing does; `archive` is the zip file that holds them, None
    where none does. `checkout` is the git checkout that they are part of, `shared` says who else uses them. `older` are
    nvcc's words about compute_120, asked where it does not know compute_121 (None: not asked). `installer` is the program
    that installed them, `elevated` the command that runs a fix as root.
    """

    files: Mapping[str, SourceFile]
    trouble: str = ""
    archive: str | None = None
    checkout: str | None = None
    shared: str | None = None
    older: str | None = None
    installer: str = ""
    elevated: tuple[str, ...] = ()
    uid: int = 0

    def texts(self) -> dict[str, str]:
        """The texts alone."""
        return {name: file.text for name, file in self.files.items()}

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Read the files, their hashes in RECORD, and what lies around them."""
        python = machine.need(Python)
        origin = python.modules["deepspeed"]
        if isinstance(origin, Missing):
            return origin
        root = dirname(origin)
        lineage = machine.lineage(origin)
        nearest = next(iter(lineage), "/")
        if nearest != origin and lineage[nearest].kind == "file":
            return cls({}, archive=nearest)
        look = _Look(machine, python, root)
        files: dict[str, SourceFile] = {}
        troubles: list[str] = []
        for name in (BUILDER, *FILTERING):
            found = look.file(name)
            if isinstance(found, SourceFile):
                files[name] = found
            elif isinstance(found, Broken) or name == BUILDER:
                troubles.append(found.reason)
        return cls(
            files,
            trouble="; ".join(troubles),
            checkout=look.checkout(),
            shared=look.shared(),
            older=_older(machine),
            installer=look.installer(),
            elevated=_elevated(machine, python),
            uid=machine.itself()["uid"],
        )


def reading(texts: Mapping[str, str], capability: Capability) -> "Reading":
    """What a builder of these texts makes of a capability."""
    from sparkdoctor.facts.builder_source import read  # noqa: PLC0415 (only where there is a DeepSpeed to patch)

    arguments, base = method(texts[BUILDER], "compute_capability_args"), method(texts[BUILDER], "filter_ccs")
    filters = {name: found for name in FILTERING if (found := method(texts.get(name, ""), "filter_ccs"))}
    return read(arguments, base, filters, capability)


def method(text: str, name: str) -> str:
    """A method from its name up to the next one; empty where there is none."""
    return next((part for part in text.split("\n    def ") if part.startswith(f"{name}(self, ")), "")


def unchecked(head: bytes) -> bool:
    """Whether a .pyc that begins like this is loaded without a comparison with its source."""
    return int.from_bytes(head[4:8], "little") & (_HASHED | _CHECKED) == _HASHED


class _Look:
    """What lies around one op_builder. `root` is the package as it is imported, without links."""

    def __init__(self, machine: Machine, python: Python, root: str) -> None:
        self.machine, self.python, self.root = machine, python, root
        installed = python.distribution("deepspeed")
        self.metadata = installed.path if installed else None
        # Python names the real place; where pip put the package, it may stand as a link to that.
        given = f"{dirname(installed.path)}/deepspeed" if installed else root
        self.seen = given if self._leads_to(given, root) else root
        self.listed = installed is not None and self.seen == given

    def _leads_to(self, given: str, root: str) -> bool:
        ours, theirs = (self.machine.stat(f"{place}/__init__.py") for place in (given, root))
        return not isinstance(ours, Missing) and not isinstance(theirs, Missing) and ours.real == theirs.real

    @property
    def place(self) -> str:
        return f"{self.seen}/ops/op_builder"

    def file(self, name: str) -> SourceFile | Missing:
        path = f"{self.place}/{name}.py"
        status, directory = self.machine.stat(path), self.machine.stat(self.place)
        text, digest = self.machine.read(path), self.machine.digest(path)
        if isinstance(status, Missing):
            return status
        if isinstance(directory, Missing):
            return directory
        if isinstance(text, Missing):
            return text
        if isinstance(digest, Missing):
            return digest
        from hashlib import sha256  # noqa: PLC0415

        if sha256(text.encode("utf-8", "surrogateescape")).hexdigest() != digest:
            return Broken(f"{path} is no text in UTF-8")
        return SourceFile(
            status.real,
            text,
            self._pristine(name, digest),
            _obstacle(status, directory, self.machine.itself()["uid"]),
            status.uid,
            linked=status.real != f"{directory.real}/{name}.py",
            unchecked=tuple(self._unchecked(directory.real, name)),
        )

    def _pristine(self, name: str, digest: str) -> bool | None:
        if not self.listed:
            return None
        path = f"deepspeed/ops/op_builder/{name}.py,sha256="
        lines = self.machine.records(f"{self.metadata}/RECORD", path, "\n")
        recorded = (
            None if isinstance(lines, Missing) else re.search(rf"^{re.escape(path)}([\w-]+)", "\n".join(lines), re.MULTILINE)
        )
        if recorded is None:
            return None
        from base64 import urlsafe_b64encode  # noqa: PLC0415

        return urlsafe_b64encode(bytes.fromhex(digest)).decode().rstrip("=") == recorded[1]

    def _unchecked(self, directory: str, name: str) -> list[str]:
        tag = "".join(self.python.version.split(".")[:2])
        names = self.machine.entries(f"{directory}/__pycache__")
        compiled = (
            f"{directory}/__pycache__/{one}"
            for one in (() if isinstance(names, Missing) else names)
            if re.fullmatch(rf"{name}\.cpython-{tag}t?(\.opt-\w+)?\.pyc", one)
        )
        return [path for path in compiled if not isinstance(head := self.machine.head(path, 8), Missing) and unchecked(head)]

    def checkout(self) -> str | None:
        top = dirname(self.root)
        return None if isinstance(self.machine.stat(f"{top}/.git"), Missing) else top

    def shared(self) -> str | None:
        prefix = dirname(dirname(self.python.path))
        environment = self.machine.stat(prefix) if self._has(f"{prefix}/pyvenv.cfg") else None
        if self.seen != self.root:
            return f"{self.seen} is a link to {self.root}: whatever else leads there gets the change too"
        if isinstance(environment, FileStatus) and not self.root.startswith(f"{environment.real}/"):
            return f"{dirname(self.root)} lies outside of the environment {prefix}: all that use it get the change too"
        if self.root.startswith("/usr/"):
            return f"{dirname(self.root)} belongs to the system: all users and environments that use it get the change too"
        return None

    def _has(self, path: str) -> bool:
        return not isinstance(self.machine.stat(path), Missing)

    def installer(self) -> str:
        said = self.machine.read(f"{self.metadata}/INSTALLER") if self.listed else ""
        return "" if isinstance(said, Missing) else said.strip()


def _obstacle(status: FileStatus, directory: FileStatus, uid: int) -> str:
    """A file is replaced by another of the same owner: that takes the directory, and being that owner."""
    if not directory.writable:
        return f"{directory.real} cannot be written by this user"
    if uid not in (0, status.uid):
        return f"{status.real} belongs to user id {status.uid}"
    return ""


def _older(machine: Machine) -> str | None:
    """What an nvcc that knows no compute_121 says of compute_120."""
    nvcc = machine.get(Nvcc)
    if isinstance(nvcc, Missing) or REFUSAL not in nvcc.refusals.get(121, ""):
        return None
    ran = dry_run(machine, nvcc.path, "-gencode=arch=compute_120,code=sm_120")
    return ran.reason if isinstance(ran, Missing) else refusal(ran)


def _elevated(machine: Machine, python: Python) -> tuple[str, ...]:
    """What runs a fix as root, which does not inherit the user's environment."""
    home = machine.get(CudaHome)
    known = () if isinstance(home, Missing) or home.home is None else (f"CUDA_HOME={home.home}",)
    itself = machine.itself()
    return ("sudo", *known, itself["executable"], "-m", "sparkdoctor", "fix", "--python", python.path)
