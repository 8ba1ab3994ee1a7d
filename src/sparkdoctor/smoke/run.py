"""Drives the installed OpenFold3: a fresh directory, no network, no question asked, and an end in any case."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sparkdoctor import process
from sparkdoctor.compiling import below, memory, processes
from sparkdoctor.facts.course import Course, follow
from sparkdoctor.host import PATIENT

OWN = "sparkdoctor"
"""The directory of what is ours in an output directory."""
LOG = "log.txt"
SUMMARY = "summary.txt"
LINGER = 60.0
"""Seconds that OpenFold3 may take to end after its summary. Its workers may never do (aqlaboratory/openfold-3 #360)."""
LOG_LIMIT = 64 << 20
"""Bytes of what it prints, at most."""
TAIL = 256 << 10
"""Bytes of the end of its log that are read; of the beginning as well."""
STAGES = {
    "import PyTorch": "importing PyTorch",
    "import OpenFold3": "importing OpenFold3",
    "settings": "reading the settings",
    "load the weights": "loading the weights",
    "featurise": "featurising the query",
    "trunk": "trunk",
    "diffusion": "diffusion",
    "confidence": "confidence",
    "write": "writing the structure",
    "summarise": "summarising",
    "end": "ending",
}
"""The steps of patient/predict.py as a user knows them, in their order."""
COUNTED = {"trunk": "cycle", "diffusion": "step"}
"""The stages that are counted, and what of."""


class Order(NamedTuple):
    """What to run: the interpreter, where to write, what to predict with.

    `weights` is a file, None for those that OpenFold3 finds by itself; `runner` the user's YAML; `seconds` the time for all.
    """

    python: str
    output: str
    query: str
    weights: str | None = None
    runner: str | None = None
    samples: int = 1
    seconds: float = 1800.0
    linger: float = LINGER


class Moment(NamedTuple):
    """Where a run is: seconds since its start, the stage, what it does there, and memory in bytes.

    `tree` is resident in its processes, `used` what the whole machine uses of `total`; None where nobody knows.
    """

    seconds: float
    stage: str
    detail: str
    tree: int | None
    used: int | None
    total: int | None


Show = Callable[[Moment], None]


class Kernel(NamedTuple):
    """A kernel that was compiled, or an operator that was built or loaded, in so many seconds."""

    name: str
    seconds: float
    built: bool


class Run(NamedTuple):
    """A prediction that was made, or tried.

    `code` is its exit status, negative for a signal, None where we ended it; `stopped` says why we did. Memory in bytes: `tree`
    and `used` at their peaks, `before` what the machine used at the start. `left` names processes that outlived it.
    """

    code: int | None
    seconds: float
    began: float
    course: Course
    kernels: tuple[Kernel, ...]
    operators: tuple[Kernel, ...]
    log: str
    stopped: str = ""
    tree: int | None = None
    used: int | None = None
    before: int | None = None
    left: tuple[str, ...] = ()

    @property
    def ended(self) -> str:
        """How it ended, in words."""
        return self.stopped or process.Ran(self.code, "", "").ended

    @property
    def learnt(self) -> Mapping[str, Any]:
        """What it told at its end: how often each attention was called, how many kernels were compiled or found, GPU memory."""
        return self.course.learnt("end")

    @property
    def versions(self) -> Mapping[str, Any]:
        """The versions of what it imported."""
        return {name: value for name, value in self.course.learnt("import OpenFold3").items() if isinstance(value, str)}


class _Stop(Exception):  # noqa: N818 (it is a decision)
    """We end the run."""


class _Watcher:
    """Hears what a run reports, looks at its memory and its log, and tells who shows it."""

    def __init__(self, order: Order, log: str, show: Show | None) -> None:
        self._order, self._log, self._show = order, log, show
        self._began = time.monotonic()
        self._heard = bytearray()
        self.said = bytearray()
        self.stage, self._counted, self._done, self._compiling = "starting Python", "", "", ""
        self.tree: int | None = None
        self.used: int | None = None
        self.before: int | None = None
        self._now: tuple[int | None, int | None, int | None] = (None, None, None)
        self._asked = False
        self._summary: float | None = None
        self._look(os.getpid())
        self.before, self.tree = self.used, None

    def hear(self, chunk: bytes) -> None:
        """Take what comes on the pipe."""
        self.said.extend(chunk)
        self._heard.extend(chunk)
        *lines, rest = self._heard.split(b"\n")
        self._heard[:] = rest
        for line in lines:
            with contextlib.suppress(ValueError, RecursionError):
                self._take(json.loads(line))
                self._tell()  # each stage once, however short

    def _take(self, line: Any) -> None:
        match line:
            case {"step": str(step)}:
                self.stage, self._counted = STAGES.get(step, step), COUNTED.get(step, "")
                self._done = self._compiling = ""
            case {"learnt": {"done": int(done), "of": int(of)}}:
                self._done, self._compiling = f"{self._counted} {done} of {of}".strip(), ""
            case {"learnt": {"compiling": str(name)}}:
                self._compiling = name
            case {"kernel": str()} | {"operator": str()}:
                self._compiling = ""

    def tend(self, pid: int) -> None:
        """Look after the run, twice a second.

        Raises:
            _Stop: it goes on without end.
        """
        self._look(pid)
        self._tell()
        with contextlib.suppress(OSError):
            if os.stat(self._log).st_size > LOG_LIMIT:
                raise _Stop(f"printed more than {LOG_LIMIT >> 20} MiB and was ended")
        if self._summary is None and os.path.exists(os.path.join(self._order.output, SUMMARY)):
            self._summary = time.monotonic()
        if self._summary is not None and time.monotonic() > self._summary + self._order.linger:
            if self._asked:
                raise _Stop(f"did not end within {self._order.linger:g} s of its summary")
            os.kill(pid, signal.SIGUSR1)  # where it stands is in the log then
            self._asked = True

    def _look(self, pid: int) -> None:
        with contextlib.suppress(OSError):
            everybody = processes()
            mine = {pid: everybody[pid], **below(pid, everybody)} if pid in everybody else {}
            tree = sum(process.memory for process in mine.values())
            self.tree = max(self.tree or 0, tree)
            self._now = (tree, *self._now[1:])
        found = memory()
        if found is not None:
            used = found.total - found.available
            self.used = max(self.used or 0, used)
            self._now = (self._now[0], used, found.total)

    def _tell(self) -> None:
        if self._show:
            detail = f"compiling {self._compiling}" if self._compiling else self._done
            self._show(Moment(time.monotonic() - self._began, self.stage, detail, *self._now))


def predict(order: Order, show: Show | None = None) -> Run:
    """Run OpenFold3 and wait for its end, or bring that about.

    Raises:
        OSError: the directory cannot be written to, or the interpreter not started.
    """
    own = os.path.join(order.output, OWN)
    os.makedirs(own, exist_ok=True)
    log, wanted = os.path.join(own, LOG), os.path.join(own, "order.json")
    said = {
        "output": order.output,
        "query": order.query,
        "weights": order.weights,
        "runner": order.runner,
        # One process less that can crash or stay: aqlaboratory/openfold-3 #149, #360.
        "defaults": {"data_module_args": {"num_workers": 0}},
        "settings": {"experiment_settings": {"skip_existing": False}},
        "samples": order.samples,
        "merged": os.path.join(own, "runner.json"),
    }
    with open(wanted, "w", encoding="utf-8") as file:
        json.dump(said, file, indent=1)
    argv = [order.python, "-B", os.path.join(PATIENT, "predict.py"), wanted]
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}  # the log is read while it is written
    env.pop("PYTHONINSPECT", None)  # it would wait for a person at its end
    began, stopped = time.time(), ""
    watcher = _Watcher(order, log, show)
    start = time.monotonic()
    with open(log, "xb") as output:
        try:
            worked = process.work(
                argv, timeout=order.seconds, env=env, hear=watcher.hear, tend=watcher.tend, output=output.fileno()
            )
        except _Stop as stop:
            stopped = str(stop)
            worked = process.Worked(None, watcher.said.decode("utf-8", "backslashreplace"), "", "")
    seconds = time.monotonic() - start
    if worked.code is None and not stopped:
        stopped = f"did not end within {order.seconds:g} s"
    kernels, operators = told(worked.said)
    return Run(
        worked.code,
        round(seconds, 2),
        began,
        follow(worked),
        kernels,
        operators,
        ends(log),
        stopped,
        watcher.tree,
        watcher.used,
        watcher.before,
        worked.left,
    )


def told(said: str) -> tuple[tuple[Kernel, ...], tuple[Kernel, ...]]:
    """The kernels that were compiled and the operators that were built or loaded, from a run's report."""
    kernels, operators = [], []
    for text in said.splitlines():
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            continue
        match line:
            case {"kernel": str(name), "seconds": int() | float() as seconds}:
                kernels.append(Kernel(name, float(seconds), built=True))
            case {"operator": str(name), "seconds": int() | float() as seconds, "built": bool(built)}:
                operators.append(Kernel(name, float(seconds), built))
    return tuple(kernels), tuple(operators)


def ends(path: str) -> str:
    """The beginning and the end of a log, as text; empty where there is none."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            first = file.read(TAIL)
            file.seek(max(len(first), size - TAIL))
            return (first + file.read(TAIL)).decode("utf-8", "backslashreplace")
    except OSError:
        return ""
