"""How /dev/shm is mounted, and whether this process may mount it otherwise."""

import re
from typing import Self

from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Broken, Missing

SHM = "/dev/shm"
_SYS_ADMIN = 21
"""The number of CAP_SYS_ADMIN. Source: linux/capability.h."""


class ShmMount(Fact):
    """`source` and `options` are those of the mount that covers /dev/shm, `admin` is CAP_SYS_ADMIN."""

    kind: str
    source: str
    options: tuple[str, ...]
    admin: bool
    uid: int

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Read /proc/self/mountinfo and /proc/self/status."""
        mounts, status = machine.read("/proc/self/mountinfo"), machine.read("/proc/self/status")
        if isinstance(mounts, Missing):
            return mounts
        found = parse(mounts)
        admin = not isinstance(status, Missing) and may_mount(status)
        return found if isinstance(found, Missing) else cls(*found, admin, machine.itself()["uid"])


def parse(mountinfo: str) -> tuple[str, str, tuple[str, ...]] | Missing:
    """Kind, source and the options of this mount (not those of its file system); of several the last covers the others.

    Source: proc_pid_mountinfo(5).
    """
    found: tuple[str, str, tuple[str, ...]] | Missing = Missing(f"{SHM} is no mount of its own")
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        fields, file_system = left.split(" "), right.split(" ")
        if len(fields) > 5 and fields[4] == SHM:  # noqa: PLR2004
            whole = len(file_system) > 1 and re.fullmatch(r"[\w.:/-]+", file_system[1])
            if not whole or not re.fullmatch(r"[\w,=-]+", fields[5]):
                found = Broken(f"how {SHM} is mounted makes no sense")
            else:
                found = file_system[0], file_system[1], tuple(fields[5].split(","))
    return found


def may_mount(status: str) -> bool:
    """Whether the effective capabilities in a /proc/self/status hold CAP_SYS_ADMIN."""
    match = re.search(r"^CapEff:\s*([0-9a-fA-F]{1,16})$", status, re.MULTILINE)
    return match is not None and bool(int(match[1], 16) >> _SYS_ADMIN & 1)
