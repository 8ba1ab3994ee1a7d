"""One child process with a deadline, from which nothing can hurt us: bounded output, killed as a group, never waited for."""

import atexit
import contextlib
import errno
import fcntl
import os
import resource
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, NamedTuple

OUTPUT_LIMIT = 1 << 20
"""Bytes kept of each of stdout and stderr; a child that says more is ended."""
TAIL = 16 << 10
"""Characters kept of each when somebody's program was put to work."""
SAY, TOKEN = "SPARKDOCTOR_SAY", "SPARKDOCTOR_WORK"
"""Variables of a worker: the descriptor to report on, and the mark by which whatever it starts is known."""

_alive: set[subprocess.Popen[bytes]] = set()
"""Children that are not over yet: whatever ends us, they end too."""
_marks: set[str] = set()
"""The marks of workers that are not over yet."""
_adopted = False
_starting = threading.Lock()
_over = threading.Event()
"""Set when we end: other threads still run then, and would start the next command where the last was killed."""


class Ran(NamedTuple):
    """What a command said and how it ended. `code` is negative for a signal and None where time ran out."""

    code: int | None
    stdout: str
    stderr: str

    @property
    def ended(self) -> str:
        """How it ended, in words: `exited with status 1`, `was killed by SIGSEGV`, `did not answer in time`."""
        if self.code is None:
            return "did not answer in time"
        if self.code >= 0:
            return f"exited with status {self.code}"
        try:
            return f"was killed by {signal.Signals(-self.code).name}"
        except ValueError:
            return f"was killed by signal {-self.code}"

    @property
    def last_words(self) -> str:
        """The last line it wrote, stderr first; empty where it wrote none."""
        lines = (self.stderr.strip() or self.stdout.strip()).splitlines()
        return lines[-1].strip() if lines else ""


class Worked(NamedTuple):
    """How a worker fared. `said` are the lines it reported, `stdout` and `stderr` the ends of what it printed besides.

    `flooded` tells that it was ended because it printed too much; `left` names the processes that it left behind.
    """

    code: int | None
    said: str
    stdout: str
    stderr: str
    flooded: bool = False
    left: tuple[str, ...] = ()

    @property
    def ended(self) -> str:
        """How it ended, in words."""
        if self.flooded:
            return f"printed more than {OUTPUT_LIMIT >> 20} MiB and was ended"
        return Ran(self.code, "", "").ended


def run(
    argv: Sequence[str],
    *,
    timeout: float,
    env: Mapping[str, str],
    pass_fds: Sequence[int] = (),
) -> Ran:
    """Run `argv` with no input, for `timeout` seconds at most.

    Raises:
        OSError: it could not be started.
    """
    ends = time.monotonic() + timeout
    child = _start(argv, env, pass_fds)
    try:
        said, code, _ = _follow(child, _outputs(child), ends)
    finally:
        _end(child)
        _forget(child)
    stdout, stderr = map(_text, said)
    return Ran(code, stdout, stderr)


def mark() -> str:
    """A mark for a worker and all that it starts."""
    return f"{os.getpid()}-{os.urandom(8).hex()}"


def work(  # noqa: PLR0913 (one keyword for each thing that a worker may be given)
    argv: Sequence[str],
    *,
    timeout: float,
    env: Mapping[str, str],
    hear: Callable[[bytes], None] | None = None,
    token: str | None = None,
    tend: Callable[[int], None] | None = None,
    output: int | None = None,
) -> Worked:
    """Run what may crash, hang, print without end or leave processes behind.

    A script of ours reports on a pipe of its own (the descriptor in $SPARKDOCTOR_SAY), which nothing that it loads can close or
    fill by accident; `hear` gets what comes as it comes. `token` is its mark, `tend` is called about twice a second with its
    process number, and what it raises ends the work. What it prints goes to the descriptor `output`, where one is given.
    Shortly before its time is over it is asked by SIGUSR1 where it stands, then killed, with all processes that carry its
    mark, also those that left its group. Should we be killed ourselves, the kernel kills its group.

    Raises:
        OSError: it could not be started.
    """
    began = time.monotonic()
    token = token or mark()
    left: tuple[str, ...] = ()
    with _pipe() as (report, saying), _pipe() as (death, life):
        _marks.add(token)
        try:
            child = _start(argv, {**env, SAY: str(saying.fileno()), TOKEN: token}, (saying.fileno(), death.fileno()), output)
        except BaseException:
            _marks.discard(token)
            raise
        try:
            _tie(child, death)
            saying.close()
            streams = (report, *_outputs(child))
            said, code, flooded = _follow(child, streams, began + timeout - min(_LAST_WORDS, timeout / 4), hear, tend)
            if code is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGUSR1)
                more, _, _ = _follow(child, streams[1:], began + timeout)
                for part, rest in zip(said[1:], more, strict=True):  # the question may wake what hung: no more of the report
                    part.extend(rest)
            elif not flooded:
                left = _left(token)
        finally:
            _end(child)
            end_marked(token)
            _forget(child)
            _marks.discard(token)
            life.close()
    words, *printed = map(_text, said)
    stdout, stderr = printed or ("", "")
    return Worked(code, words, stdout[-TAIL:], stderr[-TAIL:], flooded, left)


_TEND = 0.5
"""Seconds between two looks after a worker."""
_LAST_WORDS = 0.3
"""Seconds for a worker that is late to say where it stands."""
_GRACE = 0.1
"""Seconds for helpers of a worker that end by themselves when it has ended."""


def adopt() -> None:
    """Have what our children orphan become our own children, so that nothing can hide from its end.

    For a process that is ours alone and has no children of anybody else: what is orphaned is ended when we end.
    """
    global _adopted  # noqa: PLW0603 (what it tells of is the process's)
    _adopted = subreaper()


def subreaper() -> bool:
    """Become the parent of what our children orphan; it is ours to wait for. False where the kernel cannot.

    It stays so, also over an exec. Source: prctl(2), PR_SET_CHILD_SUBREAPER.
    """
    import ctypes  # noqa: PLC0415 (for deep work and builds alone)

    return bool(ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0)


@contextlib.contextmanager
def _pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    reading, writing = os.pipe()
    with open(reading, "rb", buffering=0) as reader, open(writing, "wb", buffering=0) as writer:
        yield reader, writer


def _tie(child: "subprocess.Popen[bytes]", death: IO[bytes]) -> None:
    """Have the kernel kill the child's group when the other end of `death` is closed, as it is when we die.

    Unlike PR_SET_PDEATHSIG that asks nothing of the child and holds for its children. It is the best that can be had where
    we get no time to clean up: who has left the group, and the scratch directory, stay. Source: fcntl(2), F_SETSIG.
    """
    with contextlib.suppress(OSError):  # a kernel that is none of Linux'
        fcntl.fcntl(death, fcntl.F_SETOWN, -child.pid)
        fcntl.fcntl(death, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(death, fcntl.F_SETFL, os.O_ASYNC)
    death.close()


def _start(
    argv: Sequence[str], env: Mapping[str, str], pass_fds: Sequence[int], output: int | None = None
) -> "subprocess.Popen[bytes]":
    with _starting:
        if _over.is_set():
            raise OSError(errno.ECANCELED, os.strerror(errno.ECANCELED))
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if output is None else output,
            stderr=subprocess.PIPE if output is None else output,
            env=env,
            pass_fds=pass_fds,
            start_new_session=True,
        )
        _alive.add(child)
    with contextlib.suppress(OSError):  # what crashes must leave no core file
        resource.prlimit(child.pid, resource.RLIMIT_CORE, (0, 0))
    return child


def _outputs(child: "subprocess.Popen[bytes]") -> tuple[IO[bytes], ...]:
    """The pipes of its two outputs; none where these go elsewhere."""
    return tuple(stream for stream in (child.stdout, child.stderr) if stream is not None)


def _forget(child: "subprocess.Popen[bytes]") -> None:
    _alive.discard(child)
    for stream in _outputs(child):
        stream.close()


def _text(part: bytearray) -> str:
    return bytes(part).decode("utf-8", "backslashreplace")


def _follow(
    child: "subprocess.Popen[bytes]",
    streams: Sequence[IO[bytes]],
    ends: float,
    hear: Callable[[bytes], None] | None = None,
    tend: Callable[[int], None] | None = None,
) -> tuple[list[bytearray], int | None, bool]:
    """What came from each stream, how the child ended (None: it has not, or not in time), and whether it said too much."""
    said, finished = _listen(child, streams, ends, hear, tend)
    if finished:
        try:
            return said, child.wait(max(0.0, ends - time.monotonic()) + 0.05), False
        except subprocess.TimeoutExpired:
            return said, None, False
    if time.monotonic() >= ends:
        return said, None, False
    code = child.poll()
    return said, -signal.SIGKILL if code is None else code, True  # we end it: it was not slow


def _listen(
    child: "subprocess.Popen[bytes]",
    streams: Sequence[IO[bytes]],
    ends: float,
    hear: Callable[[bytes], None] | None,
    tend: Callable[[int], None] | None,
) -> tuple[list[bytearray], bool]:
    """Collect what `child` says until it has closed its outputs or exited; False where time or space ran out first."""
    said = [bytearray() for _ in streams]
    tended = 0.0
    with selectors.DefaultSelector() as selector:
        for stream, part in zip(streams, said, strict=True):
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_READ, part)
        while selector.get_map():
            left = ends - time.monotonic()
            if left <= 0:
                return said, False
            exited = child.poll() is not None
            if tend and not exited and time.monotonic() >= tended + _TEND:
                tend(child.pid)
                tended = time.monotonic()
            # A grandchild may hold the pipes open after the child is gone: look, but do not wait for it.
            ready = selector.select(0 if exited else min(left, 0.1))
            if exited and not ready:
                break
            for key, _ in ready:
                chunk = os.read(key.fd, 1 << 16)
                key.data.extend(chunk)
                if not chunk:
                    selector.unregister(key.fileobj)
                elif len(key.data) > OUTPUT_LIMIT:
                    del key.data[OUTPUT_LIMIT:]
                    return said, False
                elif hear is not None and key.data is said[0]:
                    hear(chunk)
    return said, True


def _left(token: str) -> tuple[str, ...]:
    """The names of the processes that a worker which has ended left behind, and that stay."""
    if not list(_strays(token)):
        return ()
    time.sleep(_GRACE)
    return tuple(name for _, name in _strays(token) if name)


def _strays(token: str | None) -> Iterator[tuple[int, str]]:
    """The living processes with a worker's mark, and those that were orphaned to us without any.

    Their names too, but for an orphan that may be another worker's.
    """
    with _starting:  # who is just started is no orphan
        ours = {child.pid for child in _alive}
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) in ours or int(entry) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="backslashreplace") as stat:
                name, _, rest = stat.read().partition("(")[2].rpartition(")")
            state, parent = rest.split()[:2]
            orphan = _adopted and int(parent) == os.getpid()
            if state in "ZX":
                if orphan:
                    os.waitpid(int(entry), os.WNOHANG)
                continue
            with open(f"/proc/{entry}/environ", "rb") as environ:
                marks = environ.read(OUTPUT_LIMIT)
            if token and _mark(token) in marks:
                yield int(entry), name
            elif orphan and not any(_mark(other) in marks for other in tuple(_marks)):
                yield int(entry), name if _marks == {token} else ""


def _mark(token: str) -> bytes:
    return f"{TOKEN}={token}".encode()


def end_marked(token: str | None) -> None:
    """End what carries a worker's mark, also one whose doctor was killed; with None, what was orphaned to us.

    Until none is left: one may have started another while we looked.
    """
    for _ in range(10):
        strays = list(_strays(token))
        for pid, _ in strays:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if not strays:
            return
        time.sleep(0.01)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill whatever is left of the child's process group; a process that cannot die is left to the kernel."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(0.2)


def is_over() -> bool:
    """Whether we end: nothing more is begun then."""
    return _over.is_set()


@atexit.register
def end_all() -> None:
    """Start nothing more and kill what runs."""
    _over.set()
    if _starting.acquire(timeout=1.0):  # whoever is just starting a child has added it then
        _starting.release()
    for child in tuple(_alive):
        _end(child)
    for token in (*_marks, None):
        end_marked(token)
