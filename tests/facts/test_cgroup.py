"""What facts make of texts: control groups."""

import itertools
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sparkdoctor.facts import (
    Cgroup,
    cgroup,
    container,
)
from standins.hosts import Paper, machine_of
from texts import BIG, TEXT, lines_of

V2 = "25 30 0:23 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot"
V1 = """\
34 24 0:29 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:9 - tmpfs tmpfs ro,mode=755
35 34 0:30 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw
36 34 0:31 / /sys/fs/cgroup/systemd rw,nosuid shared:11 - cgroup cgroup rw,xattr,name=systemd
37 34 0:33 / /sys/fs/cgroup/memory rw,nosuid shared:15 - cgroup cgroup rw,memory
38 34 0:34 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:16 - cgroup cgroup rw,cpu,cpuacct"""
SCOPE = "/user.slice/user-1000.slice/session-2.scope"
ID = "f00d" * 16
POD = f"/kubepods/burstable/pod9b5e2b1c-0000-4000-8000-000000000000/{ID}"
LEGACY = "4:memory:{0}\n3:cpu,cpuacct:{0}\n1:name=systemd:{0}\n0::{0}\n"


def v1_below(root: str) -> str:
    """The mounts of a container on version 1 without a namespace of its own: bound from below the hierarchies."""
    return V1.replace("0:33 / ", f"0:33 {root} ").replace("0:34 / ", f"0:34 {root} ")


@pytest.mark.parametrize(
    ("groups", "mounts", "memory", "cpu"),
    [
        # Version 2 alone: DGX OS, Ubuntu 24.04; cgroups(7).
        (f"0::{SCOPE}\n", V2, (2, "/sys/fs/cgroup", SCOPE), (2, "/sys/fs/cgroup", SCOPE)),
        ("0::/\n", V2, (2, "/sys/fs/cgroup", ""), (2, "/sys/fs/cgroup", "")),  # docker with a cgroup namespace
        ("0::/../..\n", V2, (2, "/sys/fs/cgroup", ""), (2, "/sys/fs/cgroup", "")),  # a process from outside of the namespace
        ("0::/../../init.scope\n", V2, (2, "/sys/fs/cgroup", ""), (2, "/sys/fs/cgroup", "")),
        (f"0::/system.slice/docker-{ID}.scope\n", V2, (2, "/sys/fs/cgroup", f"/system.slice/docker-{ID}.scope"), None),
        # Version 1 and hybrid: systemd's default until Ubuntu 21.04.
        (LEGACY.format(SCOPE), V1, (1, "/sys/fs/cgroup/memory", SCOPE), (1, "/sys/fs/cgroup/cpu,cpuacct", SCOPE)),
        # A container on version 1 without a cgroup namespace: the path is the host's, the mount is bound from it.
        (LEGACY.format(f"/docker/{ID}"), v1_below(f"/docker/{ID}"), (1, "/sys/fs/cgroup/memory", ""), None),
        (LEGACY.format(f"/docker/{ID}/sub"), v1_below(f"/docker/{ID}"), (1, "/sys/fs/cgroup/memory", "/sub"), None),
        (LEGACY.format(POD), v1_below(POD), (1, "/sys/fs/cgroup/memory", ""), None),
        # The host's whole hierarchy mounted into a container.
        (LEGACY.format(POD), V1, (1, "/sys/fs/cgroup/memory", POD), None),
        # Bound from a group that we are not in: only the mount itself can be looked at.
        (LEGACY.format("/docker/other"), v1_below(f"/docker/{ID}"), (1, "/sys/fs/cgroup/memory", ""), None),
        (LEGACY.format("/"), v1_below(f"/docker/{ID}"), (1, "/sys/fs/cgroup/memory", ""), None),
        (LEGACY.format(f"/docker/{ID}0"), v1_below(f"/docker/{ID}"), (1, "/sys/fs/cgroup/memory", ""), None),
        # A hybrid machine whose memory controller is on version 2.
        (
            f"3:cpu,cpuacct:{SCOPE}\n0::{SCOPE}\n",
            V1.replace("rw,memory", "rw,pids"),
            (2, "/sys/fs/cgroup/unified", SCOPE),
            (1, "/sys/fs/cgroup/cpu,cpuacct", SCOPE),
        ),
    ],
)
def test_where_a_controller_is(groups: str, mounts: str, memory: tuple[Any, ...], cpu: tuple[Any, ...] | None) -> None:
    assert cgroup.locate(groups, mounts, "memory") == memory
    if cpu:
        assert cgroup.locate(groups, mounts, "cpu") == cpu


@pytest.mark.parametrize(
    ("groups", "mounts"), [("", ""), ("0::/\n", ""), ("", V2), ("nonsense", "nonsense"), ("4:memory:/\n", V2)]
)
def test_no_controller_where_none_is_mounted(groups: str, mounts: str) -> None:
    assert cgroup.locate(groups, mounts, "memory") is None


@pytest.mark.parametrize(
    ("path", "root", "below"),
    [
        ("/", "/", ""),
        ("/a/b", "/", "/a/b"),
        ("/a/b/", "/", "/a/b"),
        ("/a/b", "/a", "/b"),
        ("/a", "/a", ""),
        ("/ab", "/a", ""),
        ("/..", "/", ""),
        ("/../x", "/", ""),
        ("/", "/a", ""),
        ("/..", "/..", ""),
    ],
)
def test_a_path_below_a_mount(path: str, root: str, below: str) -> None:
    assert cgroup._below(path, root) == below


def test_the_levels_of_a_group() -> None:
    assert cgroup._levels(cgroup.Group(2, "/m", "/a/b")) == ["/m/a/b", "/m/a", "/m"]
    assert cgroup._levels(cgroup.Group(2, "/m", "")) == ["/m"]


@given(st.lists(st.text("abc.-", min_size=1, max_size=5), max_size=5))
def test_levels_climb_from_the_group_to_the_mount(parts: list[str]) -> None:
    levels = cgroup._levels(cgroup.Group(1, "/m", "".join(f"/{part}" for part in parts)))
    assert len(levels) == len(parts) + 1
    assert levels[-1] == "/m"
    assert all(deeper.startswith(higher) for deeper, higher in itertools.pairwise(levels))


@given(
    lines_of("0::", "4:memory:", "/", "..", "cpu,cpuacct", "docker"),
    lines_of(" - ", "cgroup", "cgroup2", " ", "/", "rw,memory", "35 34 0:30 "),
)
def test_groups_of_any_text(groups: str, mounts: str) -> None:
    found = cgroup.locate(groups, mounts, "memory")
    if found is not None:
        assert found.version in (1, 2)
        assert found.path == "" or not found.path.endswith("/")
        assert not found.path.startswith("/..")


def group_machine(files: dict[str, str], groups: str, mounts: str = V2) -> Cgroup:
    found = machine_of(Paper({"/proc/self/cgroup": groups, "/proc/self/mountinfo": mounts, **files})).get(Cgroup)
    assert isinstance(found, Cgroup), found
    return found


# Layout and names: kernel documentation, cgroup-v2.rst.
EVENTS = "low 0\nhigh 0\nmax 3\noom {0}\noom_kill {0}\noom_group_kill 0\n"


def test_the_tightest_limit_of_the_group_and_its_parents_counts() -> None:
    root = "/sys/fs/cgroup"
    found = group_machine(
        {
            f"{root}/a/b/memory.max": "max\n",
            f"{root}/a/b/memory.events": EVENTS.format(2),
            f"{root}/a/memory.max": "17179869184\n",
            f"{root}/a/memory.current": "9000000000\n",
            f"{root}/a/memory.stat": "anon 1\ninactive_file 1000000000\nactive_file 5\n",
            f"{root}/a/memory.swap.max": "0\n",
            f"{root}/a/memory.events": EVENTS.format(7),
            f"{root}/a/b/cpu.max": "max 100000\n",
            f"{root}/a/cpu.max": "250000 100000\n",
        },
        "0::/a/b\n",
    )
    assert found == Cgroup("v2", limit=17179869184, usage=8000000000, swap=0, oom_kills=7, cpus=2.5)
    assert found.free == 9179869184


def test_a_group_of_version_1_without_limits_has_none() -> None:
    root = "/sys/fs/cgroup"
    found = group_machine(
        {
            f"{root}/memory/memory.limit_in_bytes": "9223372036854771712\n",
            f"{root}/memory/memory.usage_in_bytes": "123\n",
            f"{root}/memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n",
            f"{root}/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
            f"{root}/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
        LEGACY.format("/"),
        V1,
    )
    assert found == Cgroup("hybrid", limit=None, usage=0, swap=None, oom_kills=4, cpus=None)
    assert found.free is None


def test_a_docker_container_on_version_1_has_its_limit() -> None:
    root = "/sys/fs/cgroup"
    found = group_machine(
        {
            f"{root}/memory/memory.limit_in_bytes": "8589934592\n",
            f"{root}/memory/memory.usage_in_bytes": "3000\n",
            f"{root}/memory/memory.stat": "cache 2000\ntotal_inactive_file 1000\n",
            f"{root}/cpu,cpuacct/cpu.cfs_quota_us": "400000\n",
            f"{root}/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
        LEGACY.format(f"/docker/{ID}"),
        v1_below(f"/docker/{ID}"),
    )
    assert (found.limit, found.usage, found.cpus) == (8589934592, 2000, 4.0)


@example({"cpu.max": "² 100000"})
@given(st.dictionaries(st.sampled_from(["memory.max", "memory.current", "memory.stat", "memory.events", "cpu.max"]), TEXT))
def test_a_control_group_with_any_text_in_its_files(files: dict[str, str]) -> None:
    found = group_machine({f"/sys/fs/cgroup/{name}": text for name, text in files.items()}, "0::/\n")
    assert found.usage >= 0
    assert found.oom_kills >= 0
    assert found.limit is None or 0 <= found.limit < BIG
    assert found.cpus is None or found.cpus > 0


@pytest.mark.parametrize(
    ("groups", "engine"),
    [
        (f"12:memory:/docker/{ID}\n", "docker"),
        (f"12:memory:{POD}\n", "kubernetes"),
        (f"12:memory:/machine.slice/libpod-{ID}.scope\n0::/libpod_parent/libpod-{ID}\n", "podman"),
        ("12:memory:/lxc/box\n", "lxc"),
        ("0::/init.scope\n", None),
        ("0::/\n", None),
        ("", None),
    ],
)
def test_the_engine_that_control_groups_name(groups: str, engine: str | None) -> None:
    assert container.engine_of(groups) == engine
