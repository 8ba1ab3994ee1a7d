"""Hosts: the only door to the outside world.

A host answers questions. A question is a kind and its arguments, an answer is plain JSON data or `Missing`; that is
what makes a machine recordable and replayable (see `tape`). Checks and facts never see a host: they see a `Machine`.
"""

import contextlib
import errno
import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from sparkdoctor import process, reading
from sparkdoctor.model import Broken, Missing
from sparkdoctor.scratch import mirror, scratch

PATIENT = os.path.join(os.path.dirname(__file__), "patient")


class Question(NamedTuple):
    """What a host is asked: a kind (`read`, `run`, …) and plain JSON arguments."""

    kind: str
    args: tuple[Any, ...]


Watch = Callable[[str, str | None], None]
"""Told the name of a worker and the step that it begins; None when it is over. Called from several threads."""


class Host(Protocol):
    """Anything that answers questions."""

    def answer(self, question: Question, timeout: float) -> Any:
        """The answer as plain JSON data, or `Missing`. Must not raise; may take `timeout` seconds."""
        ...


def missing(error: OSError, what: str) -> Missing:
    """An OSError in the user's words: absent is `Missing`, anything else `Broken`."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return Missing(f"{what} does not exist")
    return Broken(f"{what}: {error.strerror or error}")


class LocalHost:
    """The machine and process we run in. Reads only; never a shell, never the network."""

    def __init__(
        self,
        patient_python: str | None = None,
        watch: Watch | None = None,
        environment: Mapping[str, str] | None = None,
        *,
        query: str | None = None,
        runner_yaml: str | None = None,
    ) -> None:
        """`patient_python` is what the user asked for with `--python`; `watch` is told of each step of deep work.

        `environment` takes the place of our own where another is to be examined. `query` and `runner_yaml` are the files
        that the user named for OpenFold3.
        """
        self._patient_python = patient_python
        self._query = query
        self._runner_yaml = runner_yaml
        self._watch = watch
        self._environment = os.environ if environment is None else environment
        self._kinds: dict[str, Callable[..., Any]] = {
            "env": self._environment.get,
            "read": reading.read,
            "entries": reading.entries,
            "stat": reading.status,
            "lineage": reading.lineage,
            "space": reading.space,
            "records": reading.records,
            "head": reading.head,
            "digest": reading.digest,
            "archived": reading.archived,
            "rows": reading.rows,
            "gpu_code": reading.gpu_code,
            "holders": reading.holders,
            "members": reading.members,
            "which": self._which,
            "limits": reading.limits,
            "self": self._self,
        }

    def answer(self, question: Question, timeout: float) -> Any:
        """Answer one question; errors of the operating system become `Missing` or `Broken`."""
        kind, args = question
        try:
            match kind:
                case "run":
                    return self._run(*args, timeout=timeout)
                case "script":
                    python, name, *rest = args
                    return self._run([python, "-S", "-B", os.path.join(PATIENT, f"{name}.py"), *rest], {}, timeout=timeout)
                case "work":
                    return self._work(*args, timeout=timeout)
                case "nvml":
                    return self._nvml(timeout)
                case _:
                    return self._kinds[kind](*args)
        except OSError as error:
            return missing(error, _subject(question))
        except (ValueError, OverflowError) as error:  # a path with a NUL byte, an ELF header that lies
            return Broken(f"{_subject(question)}: {error}")

    def _work(self, python: str, name: str, *args: str, timeout: float) -> dict[str, Any]:
        """Start one of our scripts as the user's own programs are started, with caches and temporary files of its own."""
        with scratch(roomy=True) as place:
            caches = {variable: f"{place}/{variable}" for variable in _CACHES}
            env = {**self._environment, "LC_ALL": "C.UTF-8", **caches, "TMPDIR": place, "SPARKDOCTOR_PYNVML": _pynvml() or ""}
            alone = ("-I", "-S") if name in _ALONE else ()
            argv = [python, *alone, "-B", os.path.join(PATIENT, f"{name}.py"), *args]
            with hearing(name, self._watch) as hear:
                worked = process.work(argv, timeout=timeout, env=env, hear=hear)
        return {**worked._asdict(), "left": list(worked.left)}

    def _self(self) -> dict[str, Any]:
        """What this process is: where it runs and what it was asked to examine."""
        system = os.uname()
        try:
            cwd = os.getcwd()
        except OSError:  # it was deleted
            cwd = ""
        return {
            "sysname": system.sysname,
            "release": system.release,
            "machine": system.machine,
            "page_size": os.sysconf("SC_PAGESIZE"),
            "cpus": os.cpu_count() or 1,
            "usable_cpus": len(os.sched_getaffinity(0)),
            "uid": os.getuid(),
            "cwd": cwd,
            "executable": sys.executable,
            "path": [entry for entry in sys.path if entry],
            "patient_python": self._patient_python,
            "query": self._query,
            "runner_yaml": self._runner_yaml,
        }

    def _which(self, name: str) -> str | None:
        return shutil.which(name, path=self._environment.get("PATH"))

    def _run(self, argv: list[str], options: dict[str, Any], *, timeout: float) -> dict[str, Any]:
        """Run a command. Options: `input` (text that stands at `{input}` in argv), `scratch` (a TMPDIR of its own).

        `mirror` is a directory of a build: a stand-in for it, in which ninja may write, stands at `{mirror}`.

        `{input}` and `{output}` are files in memory: a compiler can be asked without writing to any disk.
        """
        env = {**self._environment, "LC_ALL": "C"}
        with contextlib.ExitStack() as stack:
            places: dict[str, str] = {}
            descriptors: list[int] = []
            for name in ("input", "output"):
                if any(f"{{{name}}}" in argument for argument in argv):
                    descriptor = os.memfd_create(f"sparkdoctor-{name}")
                    stack.callback(os.close, descriptor)
                    descriptors.append(descriptor)
                    places[name] = f"/proc/self/fd/{descriptor}"
            if "input" in places:
                os.write(descriptors[0], options["input"].encode())
            if options.get("scratch"):
                env["TMPDIR"] = stack.enter_context(scratch())
            if "mirror" in options:
                places["mirror"] = stack.enter_context(scratch())
                mirror(options["mirror"], places["mirror"])
            filled = [
                re.sub(r"\{(input|output|mirror)\}", lambda match: places.get(match[1], match[0]), argument) for argument in argv
            ]
            ran = process.run(filled, timeout=timeout, env=env, pass_fds=descriptors)
        return {"code": ran.code, "stdout": ran.stdout, "stderr": ran.stderr}

    def _nvml(self, timeout: float) -> dict[str, Any]:
        """Ask NVML through pynvml in a child, where its crash or hang cannot reach us."""
        place = _pynvml()
        if place is None:
            raise OSError(errno.ENOENT, "pynvml is not installed")
        # -I -S: nothing of the user's and no site-packages but the directory of pynvml itself.
        return self._run([sys.executable, "-I", "-S", "-B", os.path.join(PATIENT, "nvml.py"), place], {}, timeout=timeout)


@contextlib.contextmanager
def hearing(name: str, watch: Watch | None) -> Iterator[Callable[[bytes], None] | None]:
    """Who listens to the report of a worker and tells `watch` of its steps, also that it is over; nobody for nobody."""
    if watch is None:
        yield None
        return
    heard = bytearray()
    branches = {name}

    def hear(chunk: bytes) -> None:
        heard.extend(chunk)
        *lines, rest = heard.split(b"\n")
        heard[:] = rest
        for line in lines:
            if step := re.match(_STEP, line):
                branches.add(branch := f"{name}.{step[2].decode()}" if step[2] else name)
                watch(branch, step[1].decode())

    try:
        yield hear
    finally:
        for branch in branches:
            watch(branch, None)


def _subject(question: Question) -> str:
    first = question.args[0] if question.args else question.kind
    return str(first[0] if isinstance(first, list | tuple) else first)


_STEP = rb'\{"step": "([\x20\x21\x23-\x5b\x5d-\x7e]{1,200})"(?:, "at": [\d.]{1,20}, "in": "(\w{1,40})")?'
"""The beginning of a step in a worker's report; the patient's packages may have written there too."""
_ALONE = ("toolkit",)
"""Scripts that need no package of the interpreter that runs them: what that loads at its start is not examined."""
_CACHES = ("TRITON_CACHE_DIR", "TORCH_EXTENSIONS_DIR", "TORCHINDUCTOR_CACHE_DIR", "CUDA_CACHE_PATH")
"""Where the patient's packages keep what they compile: never the user's own while we look."""


def _pynvml() -> str | None:
    """The directory of pynvml, for scripts that run in other interpreters."""
    spec = importlib.util.find_spec("pynvml")
    return None if spec is None or spec.origin is None else os.path.dirname(spec.origin)
