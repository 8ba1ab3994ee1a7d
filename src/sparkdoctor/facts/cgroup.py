"""What this process's control group allows: on cgroup v1, v2 and both at once."""

import re
from math import ceil
from typing import NamedTuple, Self

from sparkdoctor.machine import Fact, Machine
from sparkdoctor.model import Missing

_UNLIMITED = 1 << 60
"""cgroup v1 says "unlimited" by a number near 2**63."""


class Group(NamedTuple):
    """A directory of the hierarchy: where it is mounted, and where this process is in it."""

    version: int
    mount: str
    path: str


class Cgroup(Fact):
    """Bytes and processors. None means no limit.

    `limit` is the tightest of the group and its visible parents, `usage` that group's, without the file cache that
    the kernel would give back. `oom_kills` counts processes killed in the group (or a visible parent) for want of
    memory; `cpus` is the quota in processors.
    """

    version: str
    limit: int | None = None
    usage: int = 0
    swap: int | None = None
    oom_kills: int = 0
    cpus: float | None = None

    @property
    def free(self) -> int | None:
        """Bytes left under the limit."""
        return None if self.limit is None else max(0, self.limit - self.usage)

    @property
    def processors(self) -> int | None:
        """The quota in whole processors, rounded up."""
        return None if self.cpus is None else max(1, ceil(self.cpus))

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        """Find this process's groups and read them and their parents."""
        groups = machine.read("/proc/self/cgroup")
        mounts = machine.read("/proc/self/mountinfo")
        if isinstance(groups, Missing) or isinstance(mounts, Missing):
            return groups if isinstance(groups, Missing) else mounts  # type: ignore[return-value]
        memory = locate(groups, mounts, "memory")
        cpu = locate(groups, mounts, "cpu")
        unified = "cgroup2" in mounts
        version = "hybrid" if unified and memory and memory.version == 1 else f"v{memory.version}" if memory else "none"
        found = _memory(machine, memory) if memory else {}
        return cls(version, cpus=_cpus(machine, cpu) if cpu else None, **found)  # type: ignore[arg-type]


def locate(groups: str, mounts: str, controller: str) -> Group | None:
    """Where a controller's files are. A version 1 hierarchy that has the controller goes before version 2.

    Source: cgroups(7), "/proc files"; the path in /proc/self/cgroup is relative to the mount's root.
    """
    lines = [line.split(":", 2) for line in groups.splitlines() if line.count(":") >= 2]  # noqa: PLR2004
    old = next((path for _, names, path in lines if controller in names.split(",")), None)
    new = next((path for number, names, path in lines if number == "0" and not names), None)
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(" "), after.split(" ")
        if len(fields) < 5 or len(kind) < 3:  # noqa: PLR2004
            continue
        root, mount = fields[3], fields[4]
        if old is not None and kind[0] == "cgroup" and controller in kind[2].split(","):
            return Group(1, mount, _below(old, root))
        if old is None and new is not None and kind[0] == "cgroup2":
            return Group(2, mount, _below(new, root))
    return None


def _below(path: str, root: str) -> str:
    """A group's path below its mount; the mount itself where the group lies outside of what is mounted."""
    if root != "/":
        path = path[len(root) :] if path == root or path.startswith(root + "/") else ""
    return "" if path == "/" or path.startswith("/..") else path.rstrip("/")


def _levels(group: Group) -> list[str]:
    """The group's directory and its parents up to the mount."""
    parts = group.path.strip("/").split("/") if group.path else []
    return [group.mount + "".join(f"/{part}" for part in parts[:count]) for count in range(len(parts), -1, -1)]


def _memory(machine: Machine, group: Group) -> dict[str, int | None]:
    limits, currents, cache_key, swap = (
        ("memory.max", "memory.current", "inactive_file", "memory.swap.max")
        if group.version == 2  # noqa: PLR2004
        else ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", "")
    )
    found: dict[str, int | None] = {"limit": None, "usage": 0, "swap": None, "oom_kills": 0}
    for level in _levels(group):
        events = machine.read(f"{level}/{'memory.events' if group.version == 2 else 'memory.oom_control'}")  # noqa: PLR2004
        if isinstance(events, str) and (kills := re.search(r"^oom_kill (\d{1,15})$", events, re.MULTILINE)):
            found["oom_kills"] = max(found["oom_kills"] or 0, int(kills[1]))
        limit = _number(machine.read(f"{level}/{limits}"))
        if limit is None or (found["limit"] is not None and limit >= found["limit"]):
            continue
        usage = _number(machine.read(f"{level}/{currents}")) or 0
        statistics = machine.read(f"{level}/memory.stat")
        cache = re.search(rf"^{cache_key} (\d{{1,18}})$", statistics, re.MULTILINE) if isinstance(statistics, str) else None
        found |= {"limit": limit, "usage": max(0, usage - int(cache[1])) if cache else usage}
        if swap:
            found["swap"] = _number(machine.read(f"{level}/{swap}"))
    return found


def _cpus(machine: Machine, group: Group) -> float | None:
    """The tightest quota over its period, among the group and its parents."""
    quotas = []
    for level in _levels(group):
        if group.version == 2:  # noqa: PLR2004
            text = machine.read(f"{level}/cpu.max")
            words = text.split() if isinstance(text, str) else []
        else:
            pair = [machine.read(f"{level}/cpu.cfs_{name}_us") for name in ("quota", "period")]
            words = [text.strip() for text in pair if isinstance(text, str)]
        match words:
            case [quota, period] if quota.isdecimal() and period.isdecimal() and _number(quota) and _number(period):
                quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def _number(text: str | Missing) -> int | None:
    if isinstance(text, Missing) or not re.fullmatch(r"\d{1,20}", text.strip()):
        return None
    number = int(text)
    return None if number >= _UNLIMITED else number
