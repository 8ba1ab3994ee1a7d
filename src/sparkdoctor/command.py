"""Somebody else's command: whether it can be started, told before anything is done for it, with what, and its start."""

import os
import signal
import stat
from collections.abc import Iterable, Mapping, Sequence
from posixpath import basename
from types import MappingProxyType

from sparkdoctor import elf

_HANDLERS = "/proc/sys/fs/binfmt_misc"
_ALSO = {"x86_64": ("x86_64", "i386"), "aarch64": ("aarch64", "arm")}
"""What kernels run beside their own, where they were built to."""
_HEAD = 256
"""Bytes in which the kernel looks for an interpreter. Source: BINPRM_BUF_SIZE, linux/binfmts.h."""


class CommandError(ValueError):
    """A command that cannot be started; the message says why."""


class NotStartedError(OSError):
    """A command that could not be started when it was tried."""


def find(name: str, path: str | None) -> str:
    """The file that `execvp` would start for `name` with this PATH.

    Raises:
        CommandError: there is none, or it cannot be started here.
    """
    if not name:
        raise CommandError("the command's name is empty")
    if "/" in name:
        if why := _forbidden(name) or _unable(name, path):
            raise CommandError(f"{_shown(name)}: {why}")
        return name
    refused = ""
    for directory in _places(path):
        file = os.path.join(directory or ".", name)
        if not os.path.lexists(file):
            continue
        if why := _forbidden(file):
            refused = refused or f"; {_shown(file)} is there, but {why}"
        elif why := _unable(file, path):
            raise CommandError(f"{_shown(name)} ({_shown(file)}): {why}")
        else:
            return file
    raise CommandError(f"{_shown(name)}: no such command on PATH{refused}")


def given() -> dict[str, str]:
    """The environment that we were started with: Python adds LC_CTYPE to one without a locale (PEP 538)."""
    try:
        with open("/proc/self/environ", "rb") as file:
            entries = [entry.partition(b"=") for entry in file.read().split(b"\0")]
    except OSError:
        return dict(os.environ)
    found: dict[str, str] = {}
    for name, equals, value in entries:
        if name and equals:
            found.setdefault(os.fsdecode(name), os.fsdecode(value))  # the first of a name counts, as for getenv
    return found or ({} if len(os.environ) <= 1 else dict(os.environ))


def start(
    file: str,
    argv: Sequence[str],
    environment: Mapping[str, str],
    *,
    mask: Iterable[int],
    streams: Mapping[int, int] = MappingProxyType({}),
) -> int:
    """Start a command as a shell would start it in our place: its descriptors are ours, its signals those that we were given.

    `mask` are the signals that it blocks, `streams` the descriptors of ours that are some of its own. Its pid is returned.

    Neither of what does that for others would do: subprocess hands down the signals that we block, and posix_spawn of glibc
    has two signals ignored that it keeps for itself.

    Raises:
        NotStartedError: it cannot be started.
    """
    hearing, saying = os.pipe()  # closed by the exec
    try:
        pid = os.fork()
    except OSError as error:
        raise NotStartedError(error.errno, error.strerror) from None
    if pid == 0:
        try:
            ours = {number for number in signal.valid_signals() if callable(signal.getsignal(number))}
            for number in ours | {signal.SIGPIPE, signal.SIGXFSZ}:  # Python ignores these two
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            for theirs, own in streams.items():
                os.dup2(own, theirs)
            os.execve(file, tuple(argv), environment)  # noqa: S606 (it is somebody else's)
        except OSError as error:
            os.write(saying, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(saying)
    with open(hearing, "rb") as pipe:
        failed = pipe.read()
    if failed:
        os.waitpid(pid, 0)
        raise NotStartedError(int(failed), os.strerror(int(failed)))
    return pid


def _forbidden(file: str) -> str:
    """Why execve would refuse the file whatever is in it."""
    try:
        mode = os.stat(file).st_mode
    except FileNotFoundError:
        return "it is a link to nothing" if os.path.islink(file) else "no such file"
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        return (getattr(error, "strerror", None) or str(error)).lower()
    if stat.S_ISDIR(mode):
        return "it is a directory"
    if not stat.S_ISREG(mode):
        return "it is no file"
    if not mode & 0o111:
        return "it is not executable (chmod +x)"
    return "" if os.access(file, os.X_OK) else "it may not be executed by this user, or from this file system"


def _unable(file: str, path: str | None) -> str:
    """Why the kernel could not run what is in the file. Who may execute it may not always read it: then nothing is known."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        head = os.pread(descriptor, _HEAD, 0)
        loader = elf.interpreter(descriptor)
    finally:
        os.close(descriptor)
    if head[:2] == b"#!":
        return _script(os.fsdecode(head[2:].partition(b"\n")[0]), path)
    here, machine = os.uname().machine, elf.machine(head)
    if machine is None:
        return "" if _handled() else "it is neither a program nor a script that names its interpreter (#!) in its first line"
    if here in _ALSO and machine not in _ALSO[here] and not _handled():
        return f"it is a program for {machine}, and this is {here}"
    if loader and machine == here and not os.path.exists(loader):
        return f"its loader {loader} does not exist: it was built for another system"
    return ""


def _script(line: str, path: str | None) -> str:
    """What is wrong with the interpreter of a script."""
    interpreter, _, argument = line.strip(" \t").replace("\t", " ").partition(" ")
    if not interpreter:
        return "its first line names no interpreter"
    if why := _forbidden(interpreter):
        return f"its interpreter {_shown(interpreter)}: {why}"
    name = argument.strip(" ")
    if basename(interpreter) == "env" and name and not name.startswith("-") and "=" not in name and "/" not in name:
        found = (os.path.join(directory or ".", name) for directory in _places(path))
        return "" if any(not _forbidden(file) for file in found) else f"its interpreter {_shown(name)} is not on PATH"
    return ""


def _places(path: str | None) -> list[str]:
    return (os.defpath if path is None else path).split(":")


def _shown(name: str) -> str:
    return name if name.isprintable() else ascii(name)


def _handled() -> bool:
    """Whether the kernel was told of programs for what it cannot run itself (qemu, wine)."""
    try:
        return bool(set(os.listdir(_HANDLERS)) - {"register", "status"})
    except OSError:
        return False
