"""Performs the steps of a plan and takes them back.

Before a step is begun, what takes it back is on disk (see `journal`). A step that was killed half-way has happened or not; who
takes it back looks which. Files are reached through descriptors of their directories, so that nobody can put a link in the
way between look and deed.
"""

import contextlib
import errno
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from shlex import quote
from typing import Any, NamedTuple

from sparkdoctor import process
from sparkdoctor.facts.course import follow, is_telling
from sparkdoctor.files import fill
from sparkdoctor.host import PATIENT, Watch, hearing
from sparkdoctor.journal import Record, Treatment
from sparkdoctor.plan import MakeDirectory, Move, RemoveFile, Run, SetMode, Step, Work, WriteFile, shown

_UNDO_SECONDS = 600.0


class Refusal(Exception):  # noqa: N818 (it is an answer, not an accident)
    """A step will not be performed or taken back; the message says why. Nothing was changed."""


class Surroundings(NamedTuple):
    """What commands get, and who watches them.

    `watch` hears of the steps of a script; `tend` is called about twice a second with its process number and the bytes of
    memory that it must leave to others, and ends it by raising OSError.
    """

    environment: Mapping[str, str]
    watch: Watch | None = None
    tend: Callable[[int, int], None] | None = None


def perform(treatment: Treatment, number: int, fix: str, step: Step, around: Surroundings) -> str:
    """Do one step of a fix, the treatment's step `number`; what a script has to tell of it, else nothing.

    Raises:
        Refusal: things are not as they were when the plan was made; nothing was changed.
        OSError: it failed. What it has changed is written down, `take_back` looks.
    """
    about: dict[str, Any] = {"do": type(step).__name__, "fix": fix, "shown": shown(step), "at": int(time.time())}
    one = _Performance(treatment, number, about)
    match step:
        case Run():
            one.run(step, around)
        case Work():
            one.work(step, around)
        case _:
            with _naming(step.path):
                one.on_files(step)
    treatment.write(number, "done", one.more)
    return one.told


@contextlib.contextmanager
def _naming(path: str) -> Iterator[None]:
    """Failures name the path that they are about: descriptors and names in a directory say little."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and (error.filename is None or not os.path.isabs(str(error.filename))):
            raise OSError(error.errno, error.strerror, path) from error
        raise


class _Performance:
    """One step being performed: `about` is what is written down before it, `more` what is after it."""

    def __init__(self, treatment: Treatment, number: int, about: dict[str, Any]) -> None:
        self._treatment, self._number, self._about = treatment, number, about
        self.more: dict[str, Any] = {}
        self.told = ""

    def _begin(self, **about: Any) -> None:
        self._treatment.write(self._number, "do", self._about | about)

    def on_files(self, step: WriteFile | RemoveFile | Move | SetMode | MakeDirectory) -> None:
        match step:
            case WriteFile():
                self.write_file(step)
            case RemoveFile():
                self.remove_file(step)
            case Move():
                self.move(step)
            case SetMode():
                self.set_mode(step)
            case MakeDirectory():
                self.make_directory(step)

    def write_file(self, step: WriteFile) -> None:
        with _parent(step.path) as (parent, name):
            now, old = _look(parent, name), None
            if (now is None) != (step.before is None):
                raise Refusal(f"{step.path} {'is gone' if now is None else 'is there now'}")
            features: dict[str, Any] = {"mode": step.mode}
            if now is not None:
                old = _content(parent, name, step.path)
                if step.before is None or old != _encoded(step.before):
                    raise Refusal(f"{step.path} has changed since it was looked at")
                features = _features(parent, name, now)
                self._treatment.save(self._number, old)
            new = _encoded(step.text)
            temporary = _temporary()
            self._begin(
                path=step.path,
                temporary=temporary,
                before=None if old is None else sha256(old).hexdigest(),
                after=sha256(new).hexdigest(),
                was=None if old is None else features,
            )
            if new != old:
                _replace(parent, name, temporary, new, {key: value for key, value in features.items() if key not in _TIMES})

    def remove_file(self, step: RemoveFile) -> None:
        with _parent(step.path) as (parent, name):
            now = _look(parent, name)
            if now is None:
                raise Refusal(f"{step.path} is gone")
            old = _content(parent, name, step.path)
            if old != _encoded(step.before) or int(now.st_mtime) != step.modified:
                raise Refusal(f"{step.path} has changed since it was looked at")
            self._treatment.save(self._number, old)
            temporary = _temporary()
            was = _features(parent, name, now)
            self._begin(path=step.path, temporary=temporary, before=sha256(old).hexdigest(), after=None, was=was)
            os.unlink(name, dir_fd=parent)
            os.fsync(parent)

    def move(self, step: Move) -> None:
        with _parent(step.path) as (source, name), _parent(step.to) as (target, other):
            now = _look(source, name)
            if now is None:
                raise Refusal(f"{step.path} is gone")
            if _look(target, other) is not None:
                raise Refusal(f"{step.to} is there already")
            self._begin(path=step.path, to=step.to, was=_identity(source, name, step.path, now))
            try:
                os.rename(name, other, src_dir_fd=source, dst_dir_fd=target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                # A directory of an image layer stays there (overlayfs without redirect_dir).
                self._treatment.undone(self._number)
                raise Refusal(
                    f"{step.path} cannot be renamed: it is part of a container's image, or {step.to} is another file system;"
                    f" this copies it: mv {quote(step.path)} {quote(step.to)}"
                ) from None
            os.fsync(source)
            os.fsync(target)

    def set_mode(self, step: SetMode) -> None:
        with _itself(step.path) as (descriptor, now):
            if stat.S_IMODE(now.st_mode) != step.before:
                raise Refusal(f"{step.path} has the mode {stat.S_IMODE(now.st_mode):04o} now, not {step.before:04o}")
            self._begin(path=step.path, before=step.before, after=step.mode)
            _chmod(descriptor, step.path, step.mode)

    def make_directory(self, step: MakeDirectory) -> None:
        with _parent(step.path) as (parent, name):
            if _look(parent, name) is not None:
                raise Refusal(f"{step.path} is there already")
            self._begin(path=step.path, filled=step.filled)
            os.mkdir(name, step.mode, dir_fd=parent)
            with _itself(step.path) as (descriptor, now):
                mode = step.mode | (now.st_mode & stat.S_ISGID)  # whose group's it is, the directory above says
                if stat.S_IMODE(now.st_mode) != mode:  # the umask took something
                    _chmod(descriptor, step.path, mode)
            os.fsync(parent)
            self.more["inode"] = now.st_ino

    def run(self, step: Run, around: Surroundings) -> None:
        token = process.mark()
        self._begin(argv=step.argv, undo=step.undo, token=token)
        try:
            worked = process.work(
                step.argv,
                timeout=step.seconds,
                env={**around.environment, "LC_ALL": "C.UTF-8", **dict(step.env)},
                token=token,
            )
        except (OSError, ValueError):  # it was not started: nothing has to be taken back
            self._treatment.undone(self._number)
            raise
        if worked.code != 0:
            raise OSError(_ended(step.argv, worked))

    def work(self, step: Work, around: Surroundings) -> None:
        token = process.mark()
        about: dict[str, Any] = {"argv": [step.python, step.name, *step.args], "undo": [], "token": token}
        known: list[str] = []
        if step.fills is not None:
            with _itself(step.fills) as (_, now):
                known = os.listdir(step.fills)
                about |= {"fills": step.fills, "inode": now.st_ino}
            self._treatment.save(self._number, b"\0".join(map(os.fsencode, known)))
        self._begin(**about)
        tend = around.tend
        with hearing(step.name, around.watch) as hear:
            worked = process.work(
                [step.python, "-B", os.path.join(PATIENT, f"{step.name}.py"), *step.args],
                timeout=step.seconds,
                env={**around.environment, "LC_ALL": "C.UTF-8", **dict(step.env)},
                hear=hear,
                token=token,
                tend=None if tend is None else lambda pid: tend(pid, step.reserve),
            )
        course = follow(worked)
        if trouble := course.trouble:
            raise OSError("; ".join((trouble.words, *course.evidence[:1])))
        self.more["learnt"] = {one.name: dict(one.learnt) for one in course.steps}
        self.told = "; ".join(words for one in course.steps if isinstance(words := one.learnt.get("told"), str))
        if step.fills is not None:
            self.more["came"] = sorted(set(os.listdir(step.fills)) - set(known))


def take_back(treatment: Treatment, record: Record, environment: Mapping[str, str]) -> None:
    """Take one step back, whether it had happened, or half of it, or not.

    Raises:
        Refusal: what it made has changed since, or it cannot be taken back; nothing was changed.
        OSError: it could not be done, and can be tried again.
    """
    with _naming(record.about.get("path", record.fix)):
        _take_back(treatment, record, environment)
    treatment.undone(record.number)


def _take_back(treatment: Treatment, record: Record, environment: Mapping[str, str]) -> None:
    about = record.about
    match about["do"]:
        case "WriteFile" | "RemoveFile":
            with _parent(about["path"]) as (parent, name):
                _restore(treatment, record.number, about, parent, name)
        case "Move":
            _move_back(about)
        case "SetMode":
            with _itself(about["path"]) as (descriptor, now):
                mode = stat.S_IMODE(now.st_mode)
                if mode not in (about["before"], about["after"]):
                    raise Refusal(f"{about['path']} has changed since: its mode is {mode:04o}")
                if mode != about["before"]:
                    _chmod(descriptor, about["path"], about["before"])
        case "MakeDirectory":
            _remove_directory(about, record.done)
        case "Run" | "Work":
            process.end_marked(about["token"])  # who was orphaned when we were killed may still write
            if "fills" in about:
                _remove_what_came(treatment, record)
            _run_back(about, environment)
        case other:
            raise Refusal(f"{other} is no step that this version knows")


def _restore(treatment: Treatment, number: int, about: dict[str, Any], parent: int, name: str) -> None:
    if _look(parent, about["temporary"]):  # we were killed
        os.unlink(about["temporary"], dir_fd=parent)
    path = about["path"]
    now = _look(parent, name)
    found = None if now is None else sha256(_content(parent, name, path)).hexdigest()
    if found == about["before"]:
        return
    if found != about["after"]:
        raise Refusal(f"{path} {'is gone' if found is None else 'has changed since'}")
    if about["before"] is None:
        os.unlink(name, dir_fd=parent)
        os.fsync(parent)
        return
    saved = treatment.saved(number)
    if sha256(saved).hexdigest() != about["before"]:
        raise Refusal(f"what was saved of {path} is damaged: {treatment.path(number, 'saved')}")
    _replace(parent, name, about["temporary"], saved, about["was"])


def _move_back(about: dict[str, Any]) -> None:
    with _parent(about["path"]) as (source, name), _parent(about["to"]) as (target, other):
        here, there = _look(source, name), _look(target, other)
        if here is not None and there is None and about["was"] == _identity(source, name, about["path"], here):
            return
        if here is not None:
            raise Refusal(f"{about['path']} is there again, so {about['to']} stays where it is")
        if there is None or about["was"] != _identity(target, other, about["to"], there):
            raise Refusal(f"{about['to']} {'is gone' if there is None else 'is not what was moved there'}")
        os.rename(other, name, src_dir_fd=target, dst_dir_fd=source)
        os.fsync(source)
        os.fsync(target)


def _remove_directory(about: dict[str, Any], done: dict[str, Any] | None) -> None:
    path = about["path"]
    with _parent(path) as (parent, name):
        now = _look(parent, name)
        if now is None:
            return
        if not stat.S_ISDIR(now.st_mode) or (done is not None and now.st_ino != done["inode"]):
            raise Refusal(f"{path} is not the directory that was made")
        if done is not None and about["filled"]:
            shutil.rmtree(name, dir_fd=parent)  # follows no link
        else:  # killed before its number was known, it is ours only while nothing is in it
            try:
                os.rmdir(name, dir_fd=parent)
            except OSError:
                raise Refusal(f"{path} is not empty") from None
        os.fsync(parent)


def _remove_what_came(treatment: Treatment, record: Record) -> None:
    """Remove what has come into a directory while a script filled it; where we were killed, what is new there."""
    about, path = record.about, record.about["fills"]
    with _parent(path) as (parent, name):
        now = _look(parent, name)
        if now is None:
            return
        if not stat.S_ISDIR(now.st_mode) or now.st_ino != about["inode"]:
            raise Refusal(f"{path} is not the directory that was filled")
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        there = set(os.listdir(descriptor))
        known = set(map(os.fsdecode, treatment.saved(record.number).split(b"\0")))
        for one in there - known if record.done is None else there.intersection(record.done["came"]):
            found = _look(descriptor, one)
            if found is not None and stat.S_ISDIR(found.st_mode):
                shutil.rmtree(one, dir_fd=descriptor)  # follows no link
            elif found is not None:
                os.unlink(one, dir_fd=descriptor)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _run_back(about: dict[str, Any], environment: Mapping[str, str]) -> None:
    undo = about["undo"]
    if undo is None:
        raise Refusal(f"{about['shown']} cannot be taken back")
    if undo:
        worked = process.work(undo, timeout=_UNDO_SECONDS, env={**environment, "LC_ALL": "C.UTF-8"})
        if worked.code != 0:
            raise OSError(_ended(undo, worked))


def _ended(argv: Sequence[str], worked: process.Worked) -> str:
    """How a command ended, and of what it said the line that tells why."""
    lines = f"{worked.stdout}\n{worked.stderr}".splitlines()
    said = next((line.strip() for line in lines if is_telling(line)), "")
    said = said or process.Ran(worked.code, worked.stdout, worked.stderr).last_words
    return f"{argv[0]} {worked.ended}" + (f": {said}" if said else "")


_TIMES = ("atime", "mtime")
_ACL = "system.posix_acl_access"


def _temporary() -> str:
    """A name that is short, as names may be long, and no other journal's."""
    return f".sparkdoctor-{os.urandom(4).hex()}"


@contextlib.contextmanager
def _parent(path: str) -> Iterator[tuple[int, str]]:
    """The directory of a path, opened, and the name in it; refused where a symbolic link leads there."""
    directory, name = os.path.split(path)
    if not os.path.isabs(path) or name in ("", ".", ".."):
        raise Refusal(f"{path} is no path of a file")
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if os.readlink(f"/proc/self/fd/{descriptor}") != directory:
            raise Refusal(f"{directory} is reached through a symbolic link")
        yield descriptor, name
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _itself(path: str) -> Iterator[tuple[int, os.stat_result]]:
    """A file or directory, opened for nothing but its mode; refused where it is a symbolic link."""
    with _parent(path) as (parent, name):
        descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            now = os.fstat(descriptor)
            if stat.S_ISLNK(now.st_mode):
                raise Refusal(f"{path} is a symbolic link")
            yield descriptor, now
        finally:
            os.close(descriptor)


def _chmod(descriptor: int, path: str, mode: int) -> None:
    try:
        os.chmod(f"/proc/self/fd/{descriptor}", mode)
    except OSError as error:
        error.filename = path
        raise


def _look(parent: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _content(parent: int, name: str, path: str) -> bytes:
    now = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if not stat.S_ISREG(now.st_mode):
        raise Refusal(f"{path} is {'a symbolic link' if stat.S_ISLNK(now.st_mode) else 'no regular file'}")
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    with open(descriptor, "rb") as file:
        return file.read()


def _identity(parent: int, name: str, path: str, now: os.stat_result) -> str:
    """What tells that a thing is the same: of a file its content, since one that was replaced and restored is a new one."""
    if stat.S_ISREG(now.st_mode):
        return sha256(_content(parent, name, path)).hexdigest()
    return f"{stat.S_IFMT(now.st_mode):o} {now.st_ino}"


def _features(parent: int, name: str, now: os.stat_result) -> dict[str, Any]:
    """What a file is besides its bytes."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        attributes = _attributes(descriptor)
    finally:
        os.close(descriptor)
    return {
        "mode": stat.S_IMODE(now.st_mode),
        "owner": [now.st_uid, now.st_gid],
        "attributes": attributes,
        "atime": now.st_atime_ns,
        "mtime": now.st_mtime_ns,
    }


def _attributes(descriptor: int) -> dict[str, str]:
    try:
        return {key: os.getxattr(descriptor, key).hex() for key in os.listxattr(descriptor)}
    except OSError:  # a file system without
        return {}


def _replace(parent: int, name: str, temporary: str, content: bytes, features: dict[str, Any]) -> None:
    """Put a file in the place of another at once; either is there at every moment."""
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=parent)
    try:
        try:
            fill(descriptor, content)
            now = os.fstat(descriptor)
            if (owner := features.get("owner")) and owner != [now.st_uid, now.st_gid]:
                try:
                    os.fchown(descriptor, *owner)
                except PermissionError as error:
                    whose = f"only root can give a new file to its owner (uid {owner[0]}, gid {owner[1]})"
                    raise PermissionError(error.errno, whose) from None
            if "attributes" in features and _ACL in _attributes(descriptor):  # inherited from the directory
                os.removexattr(descriptor, _ACL)
            for key, value in features.get("attributes", {}).items():
                os.setxattr(descriptor, key, bytes.fromhex(value))
            os.fchmod(descriptor, features["mode"])
            if "mtime" in features:
                os.utime(descriptor, ns=(features["atime"], features["mtime"]))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=parent)
        raise
    os.fsync(parent)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
