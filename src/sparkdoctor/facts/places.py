"""Where a program would put its files: the path it would make, what is there, and whose file system holds it."""

import re
from posixpath import join, normpath

from sparkdoctor.machine import FileStatus, Machine
from sparkdoctor.model import Missing
from sparkdoctor.record import NamedTuple

REMOTE = frozenset(
    "9p afs beegfs ceph cifs fuse.ceph fuse.glusterfs fuse.sshfs gpfs lustre ncpfs nfs nfs4 orangefs smb3 smbfs".split()
)
"""File systems of other machines, as /proc/self/mountinfo names them."""


class Mount(NamedTuple):
    """A mounted file system: where, and its kind."""

    point: str
    kind: str


class Place(NamedTuple):
    """A path that may not exist yet. `path` is absolute and without links as far as it exists, `status` None where it does not.

    `above` are the directories over it that exist, the nearest first: those of the path as it was given too, where links lead.
    """

    path: str
    status: FileStatus | None
    above: tuple[tuple[str, FileStatus], ...]
    mount: Mount | None

    @property
    def remote(self) -> bool:
        """Whether other machines see it too."""
        return self.mount is not None and self.mount.kind in REMOTE

    @property
    def obstacle(self) -> str:
        """What keeps this user from making files in it; empty where nothing does."""
        path, status = (self.path, self.status) if self.status else next(iter(self.above), (self.path, None))
        if status is None:
            return f"{path} is not there"
        if status.kind != "directory":
            return f"{path} is no directory"
        return "" if status.writable and status.executable else f"{path} cannot be written by this user"

    @property
    def fleeting(self) -> bool:
        """Whether, in a container, it goes when the container goes."""
        return self.mount is not None and (self.mount.point == "/" or self.mount.kind == "tmpfs")


def locate(machine: Machine, path: str) -> Place:
    """Look at a path; a relative one begins where this process works."""
    given = "/" + normpath(join(machine.itself()["cwd"] or "/", path)).strip("/")
    found = machine.lineage(given)
    there = next(iter(found), "/")
    base = found[there].real if found else "/"
    real = given if there == base else join(base, given[len(there) :].lstrip("/")).rstrip("/") or "/"
    status = found.get(given)
    above = {one.real: one for name, one in found.items() if name != given}
    nearest = sorted(above.items(), key=lambda item: not (real + "/").startswith(item[0].rstrip("/") + "/"))
    mounts = machine.read("/proc/self/mountinfo")
    mount = None if isinstance(mounts, Missing) else mount_of(real, mounts)
    return Place(real, status, tuple(nearest), mount)


def mount_of(path: str, mountinfo: str) -> Mount | None:
    """The mount that a path without links lies on; of two on one directory the later covers the earlier.

    Source: proc_pid_mountinfo(5).
    """
    best: Mount | None = None
    for line in mountinfo.splitlines():
        left, dash, right = line.partition(" - ")
        fields = left.split(" ")
        if not dash or len(fields) < 5:  # noqa: PLR2004
            continue
        point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4])
        inside = (path + "/").startswith(point.rstrip("/") + "/")
        if inside and (best is None or len(point) >= len(best.point)):
            best = Mount(point, right.split(" ")[0])
    return best


def home(machine: Machine) -> str:
    """What `os.path.expanduser("~")` gives, without the slashes at its end: $HOME, even an empty one, else /etc/passwd's word."""
    said = machine.env("HOME")
    if said is None:
        uid = machine.itself()["uid"]
        lines = machine.records("/etc/passwd", f":{uid}:", "\n")
        fields = (line.split(":") for line in (() if isinstance(lines, Missing) else lines))
        said = next((field[5] for field in fields if len(field) > 5 and field[2] == str(uid)), "~")  # noqa: PLR2004
    return said.rstrip("/")
