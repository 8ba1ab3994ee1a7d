"""A machine described in a page: a host for tests and for tapes, with no machine behind it.

A `World` answers the questions that `LocalHost` answers. What it does not describe is absent.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sparkdoctor import doctor, profiles
from sparkdoctor.archive import found_in
from sparkdoctor.bcif import rows
from sparkdoctor.host import Host, Question, missing
from sparkdoctor.machine import Machine
from sparkdoctor.process import Worked
from sparkdoctor.reading import READ_LIMIT, RECORD_LIMIT, RECORDS_LIMIT, over
from sparkdoctor.registry import Registry
from sparkdoctor.render.json import document

Ran = dict[str, Any]
Program = Callable[[list[str], dict[str, Any]], Ran]
"""What a command does, from its arguments and the options of `Machine.run`."""
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
E_MACHINE = {"x86_64": 62, "aarch64": 183}


def ran(stdout: str = "", stderr: str = "", code: int | None = 0) -> Ran:
    """How a command ended."""
    return {"code": code, "stdout": stdout, "stderr": stderr}


def nvml_absent() -> Ran:
    """patient/nvml.py without a libnvidia-ml.so.1."""
    error = {"error": "OSError", "text": "libnvidia-ml.so.1: No such file or directory"}
    return ran("".join(json.dumps(line) + "\n" for line in ({"ask": "load"}, error)))


@dataclass
class Python:
    """An interpreter that has what lies in its search path."""

    version: str = "3.12.3"
    prefix: str = "/usr"
    path: tuple[str, ...] = ("/usr/lib/python3/dist-packages",)
    include: str = "/usr/include/python3.12"


@dataclass
class World:
    """A machine. Paths are absolute; directories are implied by what they hold.

    `denied` may be neither read nor written by this user, `spaces` maps mount points to (total, free) bytes, `nvml`
    holds the JSON lines of patient/nvml.py, `sizes` what stat says of files that are larger than described, `work` how the scripts that do deep work fare, by their names, and `itself`
    overrides what the examining process says of itself.
    """

    files: dict[str, str | bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    directories: set[str] = field(default_factory=set)
    devices: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    programs: dict[str, Program] = field(default_factory=dict)
    pythons: dict[str, Python] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    nvml: Ran = field(default_factory=nvml_absent)
    spaces: dict[str, tuple[int, int]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    limits: dict[str, list[int | None]] = field(default_factory=dict)
    itself: dict[str, Any] = field(default_factory=dict)
    work: dict[str, Worked] = field(default_factory=dict)

    def answer(self, question: Question, timeout: float) -> Any:  # noqa: ARG002 (a described machine answers at once)
        """The answer to any question that `LocalHost` knows."""
        kind, args = question
        try:
            return getattr(self, f"_{kind}")(*args)
        except OSError as error:
            first = args[0] if args else kind
            return missing(error, str(first[0] if isinstance(first, list | tuple) else first))

    # --- describing

    def without(self, *prefixes: str) -> None:
        """Remove everything at or under these paths."""
        for table in (self.files, self.links, self.directories, self.devices, self.programs, self.pythons):
            for path in [path for path in table if any((path + "/").startswith(prefix + "/") for prefix in prefixes)]:
                if isinstance(table, dict):
                    del table[path]
                else:
                    table.discard(path)

    def edit(self, path: str, **values: object) -> None:
        """Change the values of a file of lines such as `MemFree:   1 kB` or `NAME=value`."""
        text = str(self.files[path])
        for name, value in values.items():
            text, count = re.subn(rf"(?m)^({name}(?::\s+|=))\S+", rf"\g<1>{value}", text)
            assert count, f"{path} has no {name}"
        self.files[path] = text

    # --- paths

    def real(self, path: str) -> str:
        """An absolute path without links and dots."""
        done, pending, hops = "", path.split("/")[::-1], 0
        if not path.startswith("/"):
            pending += self._self()["cwd"].split("/")[::-1]
        while pending:
            match pending.pop():
                case "" | ".":
                    continue
                case "..":
                    done = done.rpartition("/")[0]
                case part if target := self.links.get(f"{done}/{part}"):
                    if (hops := hops + 1) > 40:
                        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                    done = "" if target.startswith("/") else done
                    pending += target.split("/")[::-1]
                case part:
                    done = f"{done}/{part}"
        return done or "/"

    def _all(self) -> Iterable[str]:
        return {*self.files, *self.links, *self.directories, *self.devices, *self.programs, *self.pythons}

    def _find(self, path: str, *, reading: bool = False) -> tuple[str, str]:
        """(real path, kind); raises what the kernel would."""
        real = self.real(path)
        if reading and real in self.denied:
            raise PermissionError(errno.EACCES, "Permission denied")
        if real in self.devices:
            return real, "device"
        if real in self.files or real in self.programs or real in self.pythons:
            return real, "file"
        if real == "/" or real in self.directories or any(other.startswith(f"{real}/") for other in self._all()):
            return real, "directory"
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    def _content(self, path: str) -> bytes:
        real, kind = self._find(path, reading=True)
        if kind != "file":
            raise OSError(errno.EINVAL, "not a regular file")
        content = self.files.get(real, b"\x7fELF")
        return content.encode() if isinstance(content, str) else content

    def _has(self, path: str) -> bool:
        try:
            return bool(self._find(path))
        except OSError:
            return False

    # --- questions

    def _env(self, name: str) -> str | None:
        return self.env.get(name)

    def _read(self, path: str) -> str:
        return self._content(path)[:READ_LIMIT].decode("utf-8", "backslashreplace")

    def _head(self, path: str, size: int) -> str:
        return self._content(path)[:size].hex()

    def _records(self, path: str, needle: str, delimiter: str, section: str | None = None) -> list[str]:  # noqa: ARG002 (it has none)
        parts = self._content(path).split(delimiter.encode())
        found = [part[:RECORD_LIMIT].decode("utf-8", "backslashreplace") for part in parts if needle.encode() in part]
        return list(dict.fromkeys(found))[:RECORDS_LIMIT]

    def _digest(self, path: str) -> str:
        return hashlib.sha256(self._content(path)).hexdigest()

    def _archived(self, path: str, member: str, texts: list[str]) -> list[str]:
        with self._as_file(path) as descriptor:
            return found_in(descriptor, member, texts)

    def _rows(self, path: str, category: str) -> int:
        with self._as_file(path) as descriptor:
            return rows(descriptor, category)

    @contextlib.contextmanager
    def _as_file(self, path: str) -> Iterator[int]:
        with tempfile.TemporaryFile() as file:
            file.write(self._content(path))
            file.flush()
            yield file.fileno()

    def _entries(self, path: str) -> list[str]:
        real, kind = self._find(path, reading=True)
        if kind != "directory":
            raise NotADirectoryError(errno.ENOTDIR, "Not a directory")
        start = real.rstrip("/") + "/"
        return sorted({other[len(start) :].partition("/")[0] for other in self._all() if other.startswith(start)})

    def _stat(self, path: str) -> dict[str, Any]:
        real, kind = self._find(path)
        runs = real in self.programs or real in self.pythons
        mine = self._self()["uid"] == 0 or kind == "device" or (real + "/").startswith(("/tmp/", self.env.get("HOME", "/") + "/"))
        return {
            "kind": kind,
            "size": self.sizes.get(real, len(self._content(path))) if kind == "file" and real not in self.denied else 0,
            "mode": 0o666 if kind == "device" else 0o755 if runs or kind == "directory" else 0o644,
            "real": real,
            "readable": real not in self.denied,
            "writable": mine and real not in self.denied,
            "executable": runs or kind == "directory",
            "uid": self._self()["uid"] if mine and kind != "device" else 0,
            "gid": self._self()["uid"] if mine and kind != "device" else 0,
            "mtime": 1_760_000_000,
        }

    def _gpu_code(self, path: str) -> list[str]:
        self._content(path)
        return []

    def _holders(self, directory: str) -> dict[str, Any]:
        self._find(directory)
        return {"now": 1_760_000_600, "processes": [], "hidden": 0}

    def _members(self, gid: int) -> int:  # noqa: ARG002 (each user has a group of their own)
        return 0

    def _lineage(self, path: str) -> list[dict[str, Any]]:
        chain = [path, *over(path)]
        there = next(one for one in chain if self._has(one))
        real = self.real(there).rstrip("/") + path[len(there.rstrip("/")) :]
        return [{"path": one, **self._stat(one)} for one in dict.fromkeys((*chain, *over(real))) if self._has(one)]

    def _space(self, path: str) -> dict[str, int]:
        real, _ = self._find(path)
        mounts = [mount for mount in self.spaces if (real + "/").startswith(mount.rstrip("/") + "/")]
        if not mounts:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        mount = max(mounts, key=len)
        total, free = self.spaces[mount]
        return {"total": total, "free": free, "device": 64 + list(self.spaces).index(mount)}

    def _which(self, name: str) -> str | None:
        places = [""] if "/" in name else [f"{place}/" for place in self.env.get("PATH", "").split(":") if place]
        return next((place + name for place in places if {self.real(place + name)} & {*self.programs, *self.pythons}), None)

    def _limits(self) -> dict[str, list[int | None]]:
        return {"stack": [8 * MIB, None], "memlock": [None, None], "nofile": [1024, 1 << 20], **self.limits}

    def _self(self) -> dict[str, Any]:
        itself: dict[str, Any] = {"sysname": "Linux", "release": "", "machine": "aarch64", "page_size": 4096, "cpus": 20}
        itself |= {"uid": 1000, "cwd": "/", "executable": "", "path": [], "patient_python": None, **self.itself}
        return {"usable_cpus": itself["cpus"], **itself}

    def _run(self, argv: list[str], options: dict[str, Any]) -> Ran:
        path = argv[0] if "/" in argv[0] else self._which(argv[0])
        if path is None:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        real, _ = self._find(path)
        if real not in self.programs:
            raise PermissionError(errno.EACCES, "Permission denied")
        return self.programs[real](argv, options)

    def _script(self, python: str, name: str, *modules: str) -> Ran:
        real, _ = self._find(python)
        if real not in self.pythons:
            raise PermissionError(errno.EACCES, "Permission denied")
        assert name == "interpreter", f"this world has no answer of the script {name}"
        it = self.pythons[real]
        said: dict[str, Any] = {"executable": python, "version": it.version, "implementation": "cpython", "prefix": it.prefix}
        standard = f"{it.prefix}/lib/python{it.version.rpartition('.')[0]}"
        said |= {"include": it.include, "path": list(it.path), "managed": self._has(f"{standard}/EXTERNALLY-MANAGED")}
        said["modules"] = {module: self._module(it, module) for module in modules}
        places = [(place, name) for place in it.path if self._has(place) for name in self._entries(place)]
        metadata = [(place, name) for place, name in places if name.endswith(".dist-info")]
        said["distributions"] = [[*name.removesuffix(".dist-info").split("-"), f"{place}/{name}"] for place, name in metadata]
        return ran(f"\nsparkdoctor-interpreter:{json.dumps(said)}\n")

    def _work(self, python: str, name: str, *args: str) -> dict[str, Any]:  # noqa: ARG002 (they stand for what was wanted)
        if name not in self.work:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        worked = self.work[name]
        return {**worked._asdict(), "left": list(worked.left)}

    def _module(self, python: Python, name: str) -> dict[str, Any] | None:
        for place in python.path:
            if self._has(origin := f"{place}/{name}/__init__.py"):
                return {"origin": self.real(origin)}
        spaces = [f"{place}/{name}" for place in python.path if self._has(f"{place}/{name}")]
        return {"namespace": spaces} if spaces else None

    def _nvml(self) -> Ran:
        return self.nvml


# --- what worlds are made of


def steps(*lines: tuple[str, Any], code: int | None = 0, **more: Any) -> Worked:
    """A worker that reports (step, what it has learnt), or (step, an `error` with its text and place)."""
    said: list[dict[str, Any]] = []
    for number, (name, values) in enumerate(lines):
        said.append({"step": name, "at": number / 10})
        said += [values if "error" in values and "text" in values else {"learnt": values}] if values else []
    said += [{"done": True, "at": len(lines) / 10}] if code == 0 else []
    return Worked(code, "".join(json.dumps(line) + "\n" for line in said), "", "", **more)


def says(text: str) -> Program:
    """A program that prints this, whatever it is asked."""
    return lambda argv, options: ran(text)  # noqa: ARG005


def elf(machine: str, *strings: str) -> bytes:
    """The head of an ELF library, and strings in it."""
    head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + b"\x03\0" + E_MACHINE[machine].to_bytes(2, "little")
    return head.ljust(64, b"\0") + b"\0".join([text.encode() for text in strings] + [b""])


def nvml_said(library: str, *calls: tuple[str, int | None, Any], code: int | None = 0) -> Ran:
    """patient/nvml.py: the library's file, then (call, device, answer); an answer {"error": …} stands as it is.

    An answer of `...` is a call that never returned.
    """
    lines: list[dict[str, Any]] = []
    for call, device, answer in (("load", None, None), ("file", None, library), *calls):
        lines.append({"ask": call} | ({} if device is None else {"device": device}))
        if answer is not ...:
            lines.append(answer if isinstance(answer, dict) and "error" in answer else {"answer": answer})
    return ran("".join(json.dumps(line) + "\n" for line in lines), code=code)


def examine(host: Host, profile: str, *, deep: bool = False) -> dict[str, Any]:
    """Diagnose: the report as plain data, without what differs from run to run or is said elsewhere."""
    registry = Registry.load()
    report = doctor.diagnose(Machine(host, profiles.load(profile), deep=deep), registry, doctor.select(registry))
    plain = json.loads(json.dumps(document(report)))
    for result in plain["results"]:
        for name in ("title", "fixes", "seconds"):
            del result[name]
    return {name: plain[name] for name in ("profile", "verdict", "python", "machine", "summary", "results")}
