"""What facts make of texts: real ones, each with its public source, and any text at all.

Sources are GitHub threads ("owner/repo #n") and public captures of GB10 machines; serials and host names were removed.
"""

import itertools
import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sparkdoctor.architecture import Architecture, Capability, names
from sparkdoctor.facts import (
    ArchList,
    Cgroup,
    Gpu,
    Identity,
    Memory,
    Nvml,
    Pressure,
    Python,
    archlist,
    build,
    cgroup,
    container,
    driver,
    elf,
    gib,
    identity,
    nvcc,
    ptxas,
    python,
    system,
    torch,
    triton,
)
from sparkdoctor.facts import gpu as gpus
from sparkdoctor.model import Broken, Missing
from standins.hosts import Paper, machine_of

BIG = 1 << 63
TEXT = st.one_of(st.text(), st.text("NVRM version:580.1\n =\"'+-_;,kB aPTX", max_size=80))
"""Any text, and text made of what the parsers look for."""


def lines_of(*words: str) -> st.SearchStrategy[str]:
    """Texts of lines put together from these words and arbitrary ones."""
    word = st.one_of(st.sampled_from(words), st.text(max_size=6), st.integers(-5, 1 << 70).map(str))
    return st.lists(st.lists(word, max_size=6).map("".join), max_size=8).map("\n".join)


# --- memory

# GB10, 580.173.02: XuehaiPan/nvitop #208. The other lines from `free -b` on a GB10 (jethac/dgx-spark-hijinks), in kB.
GB10_MEMINFO = """\
MemTotal:       127600748 kB
MemFree:        107991084 kB
MemAvailable:   118566368 kB
Buffers:          200000 kB
Cached:         14570040 kB
SwapCached:            0 kB
Active(anon):     123456 kB
SwapTotal:      16777212 kB
SwapFree:       16443132 kB
Shmem:              8656 kB
SReclaimable:     300000 kB
CmaTotal:         131072 kB
CmaFree:           69320 kB
HugePages_Total:       0
HugePages_Free:        0
Hugepagesize:       2048 kB
Hugetlb:               0 kB
"""
KIB = 1024


def test_the_memory_of_a_gb10() -> None:
    memory = Memory.parse(GB10_MEMINFO)
    assert isinstance(memory, Memory)
    assert memory.total == 127600748 * KIB
    assert gib(memory.total) == "121.7 GiB"
    assert memory.page_cache == (200000 + 14570040 + 300000 - 8656) * KIB
    assert memory.allocatable == (118566368 + 16443132) * KIB


def test_huge_pages_are_all_that_cuda_gets_where_there_are_any() -> None:
    # NVIDIA, DGX Spark known issues. The page size of a -64k kernel: NVIDIA/nodewright-packages #127.
    text = GB10_MEMINFO.replace("HugePages_Total:       0", "HugePages_Total:      16").replace("2048 kB", "524288 kB")
    memory = Memory.parse(text.replace("HugePages_Free:        0", "HugePages_Free:        4"))
    assert isinstance(memory, Memory)
    assert memory.huge_pages == 16 * 524288 * KIB
    assert memory.allocatable == 4 * 524288 * KIB


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "MemTotal and no MemFree and no MemAvailable"),
        ("MemTotal: 1 kB\nMemFree: 1 kB\n", "no MemAvailable"),  # a kernel before 3.14
        (GB10_MEMINFO.replace("127600748", "0"), "no memory"),
        (GB10_MEMINFO.replace("127600748", "lots"), "no MemTotal"),
        (GB10_MEMINFO.replace("127600748", "9" * 400), "no MemTotal"),
    ],
)
def test_a_meminfo_that_makes_no_sense_is_broken(text: str, words: str) -> None:
    memory = Memory.parse(text)
    assert isinstance(memory, Broken)
    assert words in memory.reason


@given(lines_of("MemTotal:", "MemFree:", "MemAvailable:", "Cached:", "HugePages_Total:", "Hugepagesize:", " ", " kB", "(anon)"))
def test_memory_of_any_text_is_in_range(text: str) -> None:
    for start in ("", GB10_MEMINFO):
        memory = Memory.parse(start + text)
        if isinstance(memory, Memory):
            assert memory.total > 0
            values = (memory.total, memory.free, memory.available, memory.page_cache, memory.swap_total, memory.allocatable)
            assert all(value >= 0 for value in values)


@given(st.integers(1, 10**12), st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**12))
def test_memory_reads_what_the_kernel_wrote(total: int, free: int, available: int, swap: int) -> None:
    text = f"MemTotal: {total:14} kB\nMemFree: {free:14} kB\nMemAvailable: {available:14} kB\nSwapFree: {swap:14} kB\n"
    memory = Memory.parse(text)
    assert isinstance(memory, Memory)
    assert (memory.total, memory.free, memory.available, memory.swap_free) == tuple(
        number * KIB for number in (total, free, available, swap)
    )


def test_pressure_of_an_idle_and_of_a_pressed_machine() -> None:
    idle = "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
    assert Pressure.parse(idle) == Pressure(0.0, 0.0, 0.0, 0.0)
    # HP ZGX Nano, public test fixture; the layout is that of Documentation/accounting/psi.rst.
    pressed = "some avg10=1.50 avg60=0.20 avg300=0.00 total=25\nfull avg10=0.75 avg60=0.00 avg300=0.00 total=24\n"
    assert Pressure.parse(pressed) == Pressure(some10=1.5, some60=0.2, full10=0.75, full60=0.0)


def test_pressure_that_the_kernel_does_not_keep_is_missing_and_not_broken() -> None:
    off = Paper(answers={"read /proc/pressure/memory": Broken("/proc/pressure/memory: Operation not supported")})
    found = machine_of(off).get(Pressure)
    assert isinstance(found, Missing)
    assert not isinstance(found, Broken)
    assert "psi=1" in found.reason
    assert machine_of(Paper()).get(Pressure) == Missing("/proc/pressure/memory does not exist")


@given(lines_of("some ", "full ", "avg10=", "avg60=", "1.50", " ", "100.00"))
def test_pressure_of_any_text(text: str) -> None:
    found = Pressure.parse(text)
    assert isinstance(found, Pressure | Broken)
    if isinstance(found, Pressure):
        assert found.some10 >= 0
        assert found.full60 >= 0


@given(*[st.decimals(0, 100, places=2)] * 4)
def test_pressure_reads_what_the_kernel_wrote(a: Any, b: Any, c: Any, d: Any) -> None:
    text = f"some avg10={a} avg60={b} avg300=0.00 total=1\nfull avg10={c} avg60={d} avg300=0.00 total=1\n"
    assert Pressure.parse(text) == Pressure(float(a), float(b), float(c), float(d))


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 MiB"), (64 << 20, "64 MiB"), (1 << 30, "1.0 GiB"), (125441420 * KIB, "119.6 GiB")]
)
def test_sizes_in_words(size: int, words: str) -> None:
    assert gib(size) == words


# --- control groups

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


# --- driver

# NVIDIA/k8s-device-plugin #1482 and public captures of GB10 machines (MSI EdgeXpert, Gigabyte AI TOP ATOM), a GB300 node, a
# GH200 with DKMS, and the x86 text of zzzhouuu/truenas-nvidia-drivers #19. The blank at the end of the second line is theirs.
BANNERS = [
    (
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.126.09  Release Build  (dvs-builder@U22-I3-AF04-07-5)"
            "  Wed Jan  7 22:35:57 UTC 2026\nGCC version:  gcc version 13.3.0 (Ubuntu 13.3.0-6ubuntu2~24.04.1)\n"
        ),
        "580.126.09",
    ),
    (
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.142  Release Build  (dvs-builder@U22-I3-H10-02-1)"
            "  Tue Mar  3 19:08:06 UTC 2026\n"
        ),
        "580.142",
    ),
    (
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.173.02  Release Build  (dvs-builder@U22-A24-5-4)"
            "  Tue Jun 23 08:34:19 UTC 2026\nGCC version:  gcc version 13.3.0 (Ubuntu 13.3.0-6ubuntu2~24.04.1) \n"
        ),
        "580.173.02",
    ),
    ("NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  595.71.05  Release Build  (root@host)\n", "595.71.05"),
    ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.173.02  Tue Jun 23 08:38:17 UTC 2026\n", "580.173.02"),
    ("NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  59", None),  # cut
    ("GCC version:  gcc version 580.95.05 (Ubuntu)\n", None),
    ("", None),
]


@pytest.mark.parametrize(("text", "version"), BANNERS)
def test_the_version_in_the_banner_of_the_kernel_module(text: str, version: str | None) -> None:
    assert driver.parse_banner(text) == version


@given(TEXT)
def test_driver_versions_of_any_text(text: str) -> None:
    for found in (driver.parse_banner(text), driver.parse_version(text), driver.parse_stanzas((text,))):
        assert found is None or re.fullmatch(r"\d{3}\.\d+(\.\d+)?", found)


VERSIONS = st.builds("{}.{}{}".format, st.integers(100, 999), st.integers(0, 999), st.sampled_from(["", ".02", ".178"]))


@given(VERSIONS)
def test_a_driver_version_is_read_wherever_it_stands(version: str) -> None:
    assert driver.parse_version(f"{version}\n") == version
    assert driver.parse_banner(f"NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  {version}  Release Build\n") == version
    assert driver.library_version(Nvml({"file": f"/usr/lib/aarch64-linux-gnu/libnvidia-ml.so.{version}"})) == version
    assert driver.library_version(Nvml({"nvmlSystemGetNVMLVersion": f"13.{version}"})) == version


@pytest.mark.parametrize(
    ("number", "version"),
    [(13000, (13, 0)), (12080, (12, 8)), (13020, (13, 2)), (9020, (9, 2)), (0, None), (-42, None), (10**9, None), (None, None)],
)
def test_cuda_versions(number: int | None, version: tuple[int, int] | None) -> None:
    assert driver.cuda_version(number) == version


@given(st.integers(1, 99), st.integers(0, 99))
def test_a_cuda_version_survives_its_number(major: int, minor: int) -> None:
    assert driver.cuda_version(major * 1000 + minor * 10) == (major, minor)


# A GB10 (DGX OS): libnvidia-compute-580:arm64, install ok installed, 580.173.02-0ubuntu0.24.04.1.
STANZA = """\
Package: libnvidia-compute-580
Status: install ok installed
Priority: optional
Section: non-free/libs
Architecture: arm64
Multi-Arch: same
Source: nvidia-graphics-drivers-580
Version: 580.173.02-0ubuntu0.24.04.1
Depends: libc6 (>= 2.39)"""
REMOVED = STANZA.replace("install ok installed", "deinstall ok config-files").replace("580", "550").replace("173.02", "90.07")


@pytest.mark.parametrize(
    ("stanzas", "version"),
    [
        ((STANZA,), "580.173.02"),
        ((REMOVED, STANZA), "580.173.02"),
        ((REMOVED,), None),
        ((STANZA.replace("580.173.02-0", "1:610.43.02-1"),), "610.43.02"),  # with an epoch
        ((STANZA.replace("-580\n", "-580-server\n", 1),), "580.173.02"),
        ((STANZA.replace("libnvidia-compute-580", "libnvidia-compute-utils-580"),), None),
        ((STANZA.replace("Version: 580.173.02", "Version: banana"),), None),
        ((), None),
    ],
)
def test_the_installed_driver_package(stanzas: tuple[str, ...], version: str | None) -> None:
    assert driver.parse_stanzas(stanzas) == version


# --- operating system and identity

# NVIDIA Sionna RK documentation, Founders Edition, November 2025.
DGX_RELEASE = """\
DGX_NAME="DGX Spark"
DGX_PRETTY_NAME="NVIDIA DGX Spark"
DGX_SWBUILD_DATE="2025-09-10-13-50-03"
DGX_SWBUILD_VERSION="7.2.3"
DGX_COMMIT_ID="833b4a7"
DGX_PLATFORM="DGX Server for KVM"
DGX_SERIAL_NUMBER="XXXXXXXXXXXX"

DGX_OTA_VERSION="7.3.1"
DGX_OTA_DATE="Wed Nov 19 05:05:30 PM CET 2025"
"""
# The OTA pairs of an ASUS GX10, one with a French date.
FOUR_OTAS = """
DGX_OTA_VERSION="7.4.0"
DGX_OTA_DATE="Mon Feb  2 19:34:58 CET 2026"

DGX_OTA_VERSION="7.5.0"
DGX_OTA_DATE="Sat Apr  4 15:11:50 CEST 2026"

DGX_OTA_VERSION="7.6.0"
DGX_OTA_DATE="mer. 16 sept. 2026 17:08:05 CEST"
"""
# HP ZGX Nano: values without quotes.
UNQUOTED = """\
DGX_NAME=DGX Spark
DGX_PRETTY_NAME=NVIDIA DGX Spark
DGX_SWBUILD_VERSION=7.2.3
DGX_PLATFORM=HP ZGX Nano G1n AI Station
DGX_OTA_VERSION=7.5.0
DGX_OTA_DATE=Fri Jun 19 14:17:10 EDT 2026
"""


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (DGX_RELEASE, "7.3.1"),
        (DGX_RELEASE + FOUR_OTAS, "7.6.0"),
        (UNQUOTED, "7.5.0"),
        ('DGX_SWBUILD_VERSION="7.5.0"\nDGX_PLATFORM="DGX Server for KVM"\n', "7.5.0"),  # an ASUS with NVIDIA's image, no OTA yet
        (DGX_RELEASE.replace("\n", "\r\n"), "7.3.1"),
        ("DGX_OTA_VERSION=soon\n", None),
        ("", None),
    ],
)
def test_the_dgx_os_version_is_that_of_the_last_update(text: str, version: str | None) -> None:
    assert identity.dgx_os_version(text) == version


def test_os_release() -> None:
    # Ubuntu 24.04.4 on arm64: wazuh/wazuh #37457.
    text = 'PRETTY_NAME="Ubuntu 24.04.4 LTS"\nNAME="Ubuntu"\nVERSION_CODENAME=noble\nID=ubuntu\n'
    assert system.os_name(text) == "Ubuntu 24.04.4 LTS"
    assert system.shell_values(text)["VERSION_CODENAME"] == "noble"
    # Dell's FastOS file, public capture.
    assert system.shell_values('NAME="DGX SPARK FASTOS"\nVERSION="1.105.17"\n')["NAME"] == "DGX SPARK FASTOS"
    assert system.os_name(Missing("")) is None


@given(st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,9}", fullmatch=True), st.text("abc 1.=#", max_size=9).map(str.strip)))
def test_shell_values_read_what_was_written(values: dict[str, str]) -> None:
    for quote in ("", '"', "'"):
        text = "\n".join(f"{name}={quote}{value}{quote}" for name, value in values.items())
        assert system.shell_values(text) == values


@given(TEXT)
def test_releases_of_any_text(text: str) -> None:
    version = identity.dgx_os_version(text)
    assert version is None or re.fullmatch(r"\d+(\.\d+)*", version)
    assert all(re.fullmatch(r"\w+", name) for name in system.shell_values(text))


@pytest.mark.parametrize(
    ("vendor", "product", "name"),
    [
        ("NVIDIA", "NVIDIA_DGX_Spark", "NVIDIA DGX Spark"),  # lablup/all-smi #147
        ("ASUSTeK COMPUTER INC.", "GX10", "ASUSTeK COMPUTER INC. GX10"),
        ("Dell  Inc.", "Dell Pro Max with GB10 FCM1253", "Dell Pro Max with GB10 FCM1253"),  # open-mpi/hwloc #766
        ("HP", "HP ZGX Nano G1n AI Station", "HP ZGX Nano G1n AI Station"),
        ("MSI", "MS-C931", "MSI MS-C931"),
        ("LENOVO", "30KL0005GF", "LENOVO 30KL0005GF"),
        ("GIGABYTE", "AI TOP ATOM", "GIGABYTE AI TOP ATOM"),
        ("To Be Filled By O.E.M.", "Default string", "DGX Spark"),
    ],
)
def test_what_a_machine_is_called(vendor: str, product: str, name: str) -> None:
    dmi = "/sys/class/dmi/id/"
    files = {dmi + "sys_vendor": vendor + "\n", dmi + "product_name": product + "\n", dmi + "product_family": "DGX Spark\n"}
    found = machine_of(Paper(files)).get(Identity)
    assert isinstance(found, Identity)
    assert found.name == name
    assert found.family == "DGX Spark"
    assert found.dgx_os is None


def test_a_machine_without_dmi_has_no_name() -> None:
    found = machine_of(Paper()).get(Identity)
    assert isinstance(found, Identity)
    assert found.name is None


@given(TEXT)
def test_dmi_of_any_text_is_one_printable_line(text: str) -> None:
    found = identity.clean(text)
    assert found is None or (found.isprintable() and found == " ".join(found.split()) and found)
    assert found is None or identity.clean(found) == found


# --- GPUs

# A GB10: NVIDIA/k8s-device-plugin #1482, lablup/all-smi #80; GB200: public capture.
SMI = [
    ("NVIDIA GB10, 12.1\n", [("NVIDIA GB10", "12.1")]),
    ("NVIDIA GB200, 10.0\n" * 4, [("NVIDIA GB200", "10.0")] * 4),
    (
        "NVIDIA H100 80GB HBM3, 9.0\nNVIDIA A100-SXM4-40GB, 8.0\n",
        [("NVIDIA H100 80GB HBM3", "9.0"), ("NVIDIA A100-SXM4-40GB", "8.0")],
    ),
    ("No devices were found\n", []),
    ("Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.178\n", []),
    (
        (
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is"
            " installed and running.\n"
        ),
        [],
    ),
    ("Failed to initialize NVML: Unknown Error\n", []),
    ("NVIDIA GB10, [N/A]\n", []),
    ("name, compute_cap\nNVIDIA GB10, 12.1\n", [("NVIDIA GB10", "12.1")]),
    ("NVIDIA \x1b[2JGB10, 12.1\n", []),
    ("X, 1234.5\n", []),
    ("", []),
]


@pytest.mark.parametrize(("text", "devices"), SMI)
def test_the_gpus_that_nvidia_smi_lists(text: str, devices: list[tuple[str, str]]) -> None:
    found = gpus.parse_nvidia_smi(text)
    assert [(device.name, str(device.capability)) for device in found] == devices
    assert all(device.memory is None for device in found)


@given(st.one_of(TEXT, lines_of("NVIDIA GB10", ", ", "12.1", "9.0")))
def test_gpus_of_any_text(text: str) -> None:
    for device in gpus.parse_nvidia_smi(text):
        assert device.name.strip()
        assert 0 <= device.capability.minor < 10
        assert device.capability.major < 1000


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["total", "ask", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
CALLS = [
    "nvmlInit",
    "nvmlDeviceGetCount",
    "nvmlDeviceGetHandleByIndex",
    "nvmlDeviceGetName",
    "nvmlDeviceGetCudaComputeCapability",
]


@given(
    st.lists(
        st.one_of(
            st.fixed_dictionaries({"ask": st.sampled_from(CALLS)}, optional={"device": st.one_of(JSON, st.integers(0, 2))}),
            st.fixed_dictionaries({"answer": st.one_of(JSON, st.integers(0, 40), st.just([12, 1]), st.just("NVIDIA GB10"))}),
            st.fixed_dictionaries({"error": JSON}, optional={"code": JSON, "text": JSON}),
            JSON,
        ),
        max_size=20,
    ),
    TEXT,
)
def test_gpus_of_any_answers(said: list[Any], noise: str) -> None:
    nvml = Nvml.parse("\n".join(map(json.dumps, said)) + "\n" + noise)
    found = Gpu.of(nvml)
    assert isinstance(found, Gpu | Missing)
    if isinstance(found, Gpu):
        assert found.devices
        assert found.name.isprintable()
        assert all(0 < device.capability.major < 100 and 0 <= device.capability.minor < 10 for device in found.devices)


def test_nvml_that_stops_in_a_call_leaves_it_as_asking() -> None:
    nvml = Nvml.parse('{"ask": "load"}\n{"answer": null}\n\n[]\nnoise {\n{"ask": "nvmlDeviceGetName", "device": 3}\n')
    assert nvml.answers == {"load": None, "asking": "nvmlDeviceGetName[3]"}
    assert not nvml.errors


# --- toolkit

NVCC_VERSION = """\
nvcc: NVIDIA (R) Cuda compiler driver
Copyright (c) 2005-2025 NVIDIA Corporation
Built on Wed_Aug_20_01:58:59_PM_PDT_2025
Cuda compilation tools, release 13.0, V13.0.88
Build cuda_13.0.r13.0/compiler.36424714_0
"""


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (NVCC_VERSION, "13.0.88"),
        (NVCC_VERSION.replace("nvcc: NVIDIA (R) Cuda compiler driver", "ptxas: NVIDIA (R) Ptx optimizing assembler"), "13.0.88"),
        ("Cuda compilation tools, release 12.8, V12.8.93\n", "12.8.93"),
        ("release 12.8", "12.8"),
        ("release 12", None),
        ("clang version 18.1.3", None),
        ("", None),
    ],
)
def test_the_version_that_nvcc_and_ptxas_print(text: str, version: str | None) -> None:
    assert ptxas.parse_version(text) == version


@given(st.one_of(TEXT, lines_of("release ", "12.8", ", V", ".", "12.8.93")))
def test_toolkit_versions_of_any_text(text: str) -> None:
    version = ptxas.parse_version(text)
    if version is not None:
        major, minor = ptxas.release_of(version)
        assert major >= 0
        assert minor >= 0


@given(st.integers(1, 99), st.integers(0, 99), st.integers(0, 999))
def test_a_toolkit_version_survives_its_text(major: int, minor: int, patch: int) -> None:
    version = ptxas.parse_version(f"Cuda compilation tools, release {major}.{minor}, V{major}.{minor}.{patch}")
    assert version == f"{major}.{minor}.{patch}"
    assert ptxas.release_of(version) == (major, minor)


def test_the_plan_of_a_dry_run() -> None:
    # nvcc 13.0.88 --dryrun, its first lines.
    text = """\
#$ _NVVM_BRANCH_=nvvm
#$ _SPACE_=
#$ _HERE_=/usr/local/cuda-13.0/bin
#$ TOP=/usr/local/cuda-13.0/bin/..
#$ CICC_PATH=/usr/local/cuda-13.0/bin/../nvvm/bin
#$ LD_LIBRARY_PATH=/usr/local/cuda-13.0/bin/../lib:
#$ gcc -D__CUDA_ARCH_LIST__=1210 -E x.cu
"""
    plan = nvcc.parse_plan(text)
    assert plan["CICC_PATH"] == "/usr/local/cuda-13.0/bin/../nvvm/bin"
    assert plan["_HERE_"] == "/usr/local/cuda-13.0/bin"


@given(TEXT)
def test_plans_of_any_text(text: str) -> None:
    assert all(re.fullmatch(r"\w+", name) for name in nvcc.parse_plan(text))


# --- PyTorch

# From the PyPI wheels for aarch64 and cp312.
TORCH_2_11 = """\
from typing import Optional

__all__ = ['__version__', 'debug', 'cuda', 'git_version', 'hip', 'rocm', 'xpu']
__version__ = '2.11.0+cu130'
debug = False
cuda: Optional[str] = '13.0'
git_version = '70d99e998b4955e0049d13a98d77ae1b14db1f45'
hip: Optional[str] = None
rocm: Optional[str] = None
xpu: Optional[str] = None
"""
TORCH_2_9 = TORCH_2_11.replace("2.11.0+cu130", "2.9.1+cpu").replace("= '13.0'", "= None")
TORCH_2_5 = TORCH_2_9.replace("2.9.1+cpu", "2.5.1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TORCH_2_11, ("2.11.0+cu130", "13.0")),
        (TORCH_2_9, ("2.9.1+cpu", None)),
        (TORCH_2_5, ("2.5.1", None)),
        ("__version__ = '2.12.0a0+5aff3928d8.nv26.05'\ncuda = '13.2'\n", ("2.12.0a0+5aff3928d8.nv26.05", "13.2")),  # NGC 26.05
        ('__version__: str = "1.13.1"\ncuda = ""\n', ("1.13.1", None)),
        ("__version__ = '2.11.0'\n", None),
        ("cuda = None\n", None),
        ("raise RuntimeError\n", None),
        ("", None),
    ],
)
def test_a_version_file_of_pytorch(text: str, said: tuple[str, str | None] | None) -> None:
    assert torch.parse_version_file(text) == said


@given(st.one_of(TEXT, lines_of("__version__", "cuda", ": Optional[str]", " = ", "'2.11.0'", "None", '"13.0"')))
def test_version_files_of_any_text(text: str) -> None:
    said = torch.parse_version_file(text)
    assert said is None or (said[0] and "\n" not in said[0] and said[1] != "")
    version = triton.parse_version_file(text)
    assert version is None or (version and "\n" not in version)


@pytest.mark.parametrize(
    ("strings", "codes"),
    [
        # libtorch_python.so of 2.11.0+cu130 (aarch64) on a GB10, and of NGC 26.05.
        (("sm_80 sm_90 sm_100 sm_110 sm_120",), "sm_80 sm_90 sm_100 sm_110 sm_120"),
        (("sm_80 sm_86 sm_90 sm_100 sm_110 sm_120 compute_120",), "sm_80 sm_86 sm_90 sm_100 sm_110 sm_120 compute_120"),
        # aarch64 cu124 nightly, pytorch/pytorch PR #140844.
        (("sm_50 sm_80 sm_86 sm_89 sm_90 sm_90a",), "sm_50 sm_80 sm_86 sm_89 sm_90 sm_90a"),
        (("sm_90", "sm_", "arch >= sm_70 is needed", "sm_80 sm_90 sm_120", " sm_120"), "sm_80 sm_90 sm_120"),
    ],
)
def test_the_architectures_compiled_into_pytorch(strings: tuple[str, ...], codes: str) -> None:
    found = torch.parse_architectures(strings)
    assert found is not None
    assert names(found) == codes


@pytest.mark.parametrize("strings", [(), ("",), ("sm_",), ("gfx942 gfx1100",), ("sm_90 and later",)])
def test_no_architectures_where_no_list_is(strings: tuple[str, ...]) -> None:
    assert torch.parse_architectures(strings) is None


CODES = st.builds(
    Architecture, st.builds(Capability, st.integers(1, 99), st.integers(0, 9)), st.booleans(), st.sampled_from(["", "a", "f"])
)


@given(st.lists(CODES, min_size=1).map(tuple), st.lists(st.text("sm_ x1", max_size=3)).map(tuple))
def test_architectures_survive_their_list(codes: tuple[Architecture, ...], noise: tuple[str, ...]) -> None:
    assert torch.parse_architectures((*noise, names(codes))) == codes


@given(st.lists(st.one_of(TEXT, st.from_regex(r"(sm_\d{1,5}[a-z]? ?){1,4}", fullmatch=True))).map(tuple))
def test_architectures_of_any_strings(strings: tuple[str, ...]) -> None:
    found = torch.parse_architectures(strings)
    assert found is None or found


@pytest.mark.parametrize(
    ("lines", "wants"),
    [
        # METADATA of torch 2.11.0 (x86-64), 2.9.1, NGC, and of a CPU build.
        (
            ("Requires-Dist: sympy>=1.13.3", 'Requires-Dist: triton==3.6.0; platform_system == "Linux"'),
            'triton==3.6.0; platform_system == "Linux"',
        ),
        (("Requires-Dist: pytorch-triton==3.5.0+gitc817b9b6",), "pytorch-triton==3.5.0+gitc817b9b6"),
        (("Requires-Dist: tritonclient", 'Requires-Dist: triton; extra == "x"', "Requires-Dist: numpy"), None),
        ((), None),
    ],
)
def test_the_triton_that_pytorch_wants(lines: tuple[str, ...], wants: str | None) -> None:
    assert torch.triton_requirement(lines) == wants


# --- Triton: `get_ptxas` as the wheels on PyPI have it

TRITON_3_2 = """\
@functools.lru_cache()
def get_ptxas_version():
    version = subprocess.check_output([_path_to_binary("ptxas")[0], "--version"]).decode("utf-8")
    return version
"""
TRITON_3_3 = """\
@functools.lru_cache()
def get_ptxas(arch: int):
    name = "ptxas-blackwell" if arch >= 100 else "ptxas"
    return _path_to_binary(name)


@functools.lru_cache()
def get_ptxas_version(arch: int):
    mock_ver = os.environ.get('TRITON_MOCK_PTX_VERSION')
"""
TRITON_3_4 = """\
def get_ptxas() -> knobs.NvidiaTool:
    return knobs.nvidia.ptxas


@functools.lru_cache()
def get_ptxas_version():
"""
TRITON_3_6 = """\
def get_ptxas(arch: int) -> knobs.NvidiaTool:
    return knobs.nvidia.ptxas_blackwell if arch >= 100 else knobs.nvidia.ptxas


@functools.lru_cache()
def get_ptxas_version(arch: int = 80):
"""
TRITON_3_9 = """\
def get_ptxas(arch: int) -> knobs.NvidiaTool:
    if arch < 90:
        return knobs.nvidia.ptxas
    # The ptxas-blackwell name is misleading; keep it until legacy ptxas is removed.
    return knobs.nvidia.ptxas_blackwell


@functools.lru_cache()
def get_ptxas_version(arch: int = 80):
"""
OLD, NEW = ("ptxas", triton.PLAIN), ("ptxas-blackwell", triton.BLACKWELL)
UNSETTABLE = ("ptxas-blackwell", triton.UNSETTABLE)
TOOLS = [
    # version, source, then what it takes for 9.0, 10.0 and 12.1
    ("3.2.0", TRITON_3_2, OLD, OLD, OLD),
    ("3.3.1", TRITON_3_3, OLD, UNSETTABLE, UNSETTABLE),
    ("3.4.0", TRITON_3_4, OLD, OLD, OLD),
    ("3.5.1", TRITON_3_4, OLD, OLD, OLD),
    ("3.6.0", TRITON_3_6, OLD, NEW, NEW),
    ("3.7.1", TRITON_3_6, OLD, NEW, NEW),
    ("3.8.0", TRITON_3_6, OLD, NEW, NEW),
    ("3.9.0", TRITON_3_9, NEW, NEW, NEW),
]


@pytest.mark.parametrize(("version", "source", "hopper", "blackwell", "spark"), TOOLS)
def test_the_ptxas_that_a_triton_takes(version: str, source: str, hopper: Any, blackwell: Any, spark: Any) -> None:
    for number, tool in ((90, hopper), (100, blackwell), (121, spark)):
        assert triton.tool_for(source, version, number) == tool
        assert triton.tool_for("", version, number) == tool  # by version, where the source cannot be read
        if version != "3.2.0":
            assert triton.tool_for(source, "unknown", number) == tool  # by source, where the version cannot


@pytest.mark.parametrize("version", ["3.5.1+gitbfeb0668.nv25.12", "3.5.0.post1", "3.5.1rc1"])
def test_local_and_pre_releases_of_triton_are_versions_too(version: str) -> None:
    assert triton.tool_for("", version, 121) == OLD
    assert triton.release_of(version)[:2] == (3, 5)


@given(TEXT, TEXT, st.integers(10, 999))
def test_any_triton_takes_some_ptxas(source: str, version: str, number: int) -> None:
    for text in (source, "def get_ptxas(arch):" + source, f"def get_ptxas(arch):\n    blackwell {source}"):
        assert triton.tool_for(text, version, number) in (OLD, NEW, UNSETTABLE)


@pytest.mark.parametrize(("number", "name"), [(75, "sm_75"), (89, "sm_89"), (90, "sm_90a"), (100, "sm_100a"), (121, "sm_121a")])
def test_what_triton_calls_an_architecture(number: int, name: str) -> None:
    assert triton.code_name(number) == name


# --- TORCH_CUDA_ARCH_LIST


@pytest.mark.parametrize(
    ("text", "codes", "refused"),
    [
        ("12.1", "sm_121", ()),
        ("12.0+PTX", "sm_120 compute_120", ()),
        ("12.1a", "sm_121a", ()),
        ("12.1a+PTX", "sm_121a compute_121a", ()),
        ("9.0;12.1", "sm_90 sm_121", ()),
        ("9.0 12.1", "sm_90 sm_121", ()),
        # NGC's own, 25.10 and 26.05 (docker inspect).
        (
            "8.0 8.6 9.0 10.0 11.0 12.0+PTX",
            "sm_80 sm_86 sm_90 sm_100 sm_110 sm_120 compute_120",
            (),
        ),
        ("Blackwell", "sm_100 sm_103 sm_120 sm_121 compute_121", ()),
        ("Hopper;12.1", "sm_90 compute_90 sm_121", ()),
        # `ValueError: Unknown CUDA arch (12.0f) or GPU not supported`
        ("12.0f", "", ("12.0f",)),
        ("12.1;12.0f", "sm_121", ("12.0f",)),
        ("12.0,12.1", "", ("12.0,12.1",)),
        ("9.0; 12.1", "sm_90 sm_121", ("",)),
        ("12.1;", "sm_121", ("",)),
        ("sm_121", "", ("sm_121",)),
        ("12.2", "", ("12.2",)),
        ("121", "", ("121",)),
        ("12.1+ptx", "", ("12.1+ptx",)),
        ("12.1+PTX+PTX", "", ("12.1+PTX+PTX",)),
        ("blackwell", "", ("blackwell",)),
    ],
)
def test_an_architecture_list(text: str, codes: str, refused: tuple[str, ...]) -> None:
    found = ArchList.parse(text)
    assert (names(found.codes), found.refused, found.text) == (codes, refused, text)


# torch/utils/cpp_extension.py of 2.8: fewer architectures, other families, and combined names before single ones.
CPP_EXTENSION_2_8 = """
    named_arches = collections.OrderedDict([
        ('Kepler+Tesla', '3.7'),
        ('Volta', '7.0+PTX'),
        ('Ampere+Tegra', '8.7'),
        ('Ampere', '8.0;8.6+PTX'),
        ('Hopper', '9.0+PTX'),
        ('Blackwell+Tegra', '10.1'),
        ('Blackwell', '10.0;12.0+PTX'),
    ])

    supported_arches = ['3.5', '3.7', '5.0', '7.0', '7.2', '7.5', '8.0', '8.6', '8.7', '8.9', '9.0', '9.0a',
                        '10.0', '10.0a', '10.1', '10.1a', '12.0', '12.0a']
    valid_arch_strings = supported_arches + [s + "+PTX" for s in supported_arches]
"""


@pytest.mark.parametrize(
    ("text", "codes", "refused"),
    [
        ("Blackwell", "sm_100 sm_120 compute_120", ()),
        ("Blackwell+Tegra", "sm_101", ()),
        ("Ampere+Tegra;Ampere", "sm_87 sm_80 sm_86 compute_86", ()),
        ("12.1", "", ("12.1",)),
        ("Volta", "sm_70 compute_70", ()),
    ],
)
def test_an_architecture_list_by_the_installed_pytorch(text: str, codes: str, refused: tuple[str, ...]) -> None:
    found = ArchList.parse(text, *archlist.tables(CPP_EXTENSION_2_8))
    assert (names(found.codes), found.refused) == (codes, refused)


def theirs(text: str) -> list[str] | str:
    """What `_get_cuda_arch_flags` makes of a list, restated from its documentation: flags, or the entry it refuses."""
    supported, families = archlist.tables(CPP_EXTENSION_2_8)
    text = text.replace(" ", ";")
    for family, numbers in families.items():
        text = text.replace(family, numbers)
    flags = []
    for entry in text.split(";"):
        version = entry.split("+")[0]
        if entry not in {name + ptx for name in supported for ptx in ("", "+PTX")}:
            return entry
        number = version.replace(".", "")
        flags.append(f"sm_{number}")
        if entry.endswith("+PTX"):
            flags.append(f"compute_{number}")
    return flags


@given(
    st.one_of(
        st.text(), st.lists(st.sampled_from(["12.0", "12.1", "9.0a", "+PTX", ";", " ", ",", "Blackwell", "f"])).map("".join)
    )
)
def test_architecture_lists_are_read_as_pytorch_reads_them(text: str) -> None:
    found = ArchList.parse(text, *archlist.tables(CPP_EXTENSION_2_8))
    expected = theirs(text)
    assert found.refused[:1] == (expected,) if isinstance(expected, str) else names(found.codes).split() == expected


@given(TEXT)
def test_tables_of_any_text(text: str) -> None:
    supported, families = archlist.tables(text)
    assert ArchList.parse("12.1", supported, families) is not None


# --- builds


@pytest.mark.parametrize(
    ("max_jobs", "cpus", "jobs"),
    [
        (None, 20, 22),  # ninja's own guess: a GB10 starts 22 compilers at once
        (None, 1, 2),
        (None, 2, 3),
        (None, 3, 5),
        ("4", 20, 4),
        ("0", 20, None),
        ("", 20, 22),
        ("-1", 20, 22),
        ("four", 20, 22),
        (" 4", 20, 22),
        ("²", 20, 22),
        ("9" * 5000, 20, None),
    ],
)
def test_how_many_compilers_ninja_starts(max_jobs: str | None, cpus: int, jobs: int | None) -> None:
    found = build.ninja_jobs(max_jobs, cpus)
    assert found == jobs or (jobs is None and max_jobs != "0" and found is not None and found > 10**6)


@given(st.one_of(st.none(), st.text(), st.integers(0, 10**6).map(str)), st.integers(1, 1024))
def test_the_number_of_jobs_is_positive_or_without_bound(max_jobs: str | None, cpus: int) -> None:
    jobs = build.ninja_jobs(max_jobs, cpus)
    assert jobs is None or jobs >= 1


@pytest.mark.parametrize(
    ("variables", "cpus", "deepspeed", "expected"),
    [
        ({"DS_NVCC_THREADS": "2", "NVCC_THREADS": "8"}, 20, True, (2, "DS_NVCC_THREADS=2")),
        ({"DS_NVCC_THREADS": None, "NVCC_THREADS": "8"}, 20, True, (8, "NVCC_THREADS=8")),
        ({"DS_NVCC_THREADS": None, "NVCC_THREADS": None}, 20, True, (8, "DeepSpeed's default")),
        ({}, 4, True, (4, "DeepSpeed's default")),
        ({}, 20, False, (1, "nvcc's default")),
        ({"NVCC_THREADS": "0"}, 20, False, (1, "nvcc's default")),
        ({"NVCC_THREADS": "many"}, 20, False, (1, "nvcc's default")),
        ({"NVCC_THREADS": "9" * 5000}, 20, False, (1, "nvcc's default")),
    ],
)
def test_compiler_threads(variables: dict[str, str | None], cpus: int, deepspeed: bool, expected: tuple[int, str]) -> None:
    assert build.compiler_threads(variables, cpus, deepspeed=deepspeed) == expected


@given(st.dictionaries(st.text(max_size=3), st.one_of(st.none(), st.text()), max_size=3), st.integers(1, 512), st.booleans())
def test_compiler_threads_are_positive(variables: dict[str, str | None], cpus: int, deepspeed: bool) -> None:
    threads, why = build.compiler_threads(variables, cpus, deepspeed=deepspeed)
    assert threads >= 1
    assert why


# --- ELF


def head(machine: int) -> bytes:
    return b"\x7fELF\x02\x01\x01" + bytes(9) + (3).to_bytes(2, "little") + machine.to_bytes(2, "little")


@pytest.mark.parametrize(
    ("number", "name"), [(183, "aarch64"), (62, "x86_64"), (3, "i386"), (40, "arm"), (999, "ELF machine 999")]
)
def test_the_processor_of_an_elf_file(number: int, name: str) -> None:
    assert elf.machine_of(head(number)) == name


@given(st.one_of(st.binary(), st.binary().map(lambda rest: b"\x7fELF" + rest)))
def test_the_processor_of_any_bytes(data: bytes) -> None:
    found = elf.machine_of(data)
    assert (found is None) == (len(data) < elf.HEAD or not data.startswith(b"\x7fELF"))
    assert elf.machine_of(Missing("")) is None


# --- Python

SAID = {
    "executable": "/venv/bin/python",
    "version": "3.12.3",
    "implementation": "cpython",
    "prefix": "/venv",
    "include": "/usr/include/python3.12",
    "path": ["/venv/lib/python3.12/site-packages"],
    "modules": {"torch": {"origin": "/venv/lib/python3.12/site-packages/torch/__init__.py"}, "triton": None},
    "distributions": [["torch", "2.11.0+cu130", "/venv/lib/python3.12/site-packages/torch-2.11.0+cu130.dist-info"]],
}
MARK = "sparkdoctor-interpreter:"


@pytest.mark.parametrize("before", ["", "Loading modules...\n", "no newline\n", MARK + "{}\n"])
@pytest.mark.parametrize("after", ["", "goodbye\n"])
def test_the_marked_line_is_found_among_chatter(before: str, after: str) -> None:
    assert python.parse(f"{before}{MARK}{json.dumps(SAID)}\n{after}") == SAID


@given(st.one_of(TEXT, JSON.map(lambda data: MARK + json.dumps(data)), st.text().map(lambda rest: MARK + rest)))
def test_any_text_is_understood_or_not(text: str) -> None:
    said = python.parse(text)
    assert said is None or {"version", "include", "modules", "distributions"} <= set(said)


def interpreter(said: dict[str, Any], **files: str) -> Python | Missing:
    host = Paper(
        files,
        answers={
            "self": {"patient_python": "/venv/bin/python", "path": [], "executable": "/usr/bin/python3", "cwd": "/"},
            "script /venv/bin/python": {"code": 0, "stdout": MARK + json.dumps(said), "stderr": ""},
        },
    )
    return machine_of(host).get(Python)


def test_an_interpreter_as_it_describes_itself() -> None:
    found = interpreter(SAID, **{"/usr/include/python3.12/Python.h": ""})
    assert isinstance(found, Python)
    assert (found.path, found.why, found.version, found.headers) == ("/venv/bin/python", "--python", "3.12.3", True)
    assert found.modules["torch"] == "/venv/lib/python3.12/site-packages/torch/__init__.py"
    assert found.modules["triton"] == Missing("triton is not installed in /venv/bin/python")
    torch_found = found.distribution("pytorch", "torch")
    assert torch_found is not None
    assert torch_found.version == "2.11.0+cu130"
    without = interpreter(SAID)
    assert isinstance(without, Python)
    assert without.headers is False


@given(JSON, JSON, JSON)
def test_an_interpreter_that_says_anything_at_all(modules: Any, distributions: Any, version: Any) -> None:
    found = interpreter({**SAID, "modules": modules, "distributions": distributions, "version": version})
    assert isinstance(found, Python | Broken)


def test_a_distribution_has_many_spellings() -> None:
    found = interpreter({**SAID, "distributions": [["NVIDIA_ML.py", "13.6", "/a"], ["nvidia-ml-py", "12", "/b"], [1, 2], "x"]})
    assert isinstance(found, Python)
    assert dict(found.distributions) == {"nvidia-ml-py": python.Distribution("13.6", "/a")}


def test_an_interpreter_that_dies_is_broken() -> None:
    dead = {"code": -11, "stdout": "", "stderr": "Fatal Python error\n"}
    host = Paper(
        answers={"self": {"patient_python": "/p", "path": [], "executable": "/e", "cwd": "/"}, "script /p": dead},
    )
    assert machine_of(host).get(Python) == Broken("/p (--python) was killed by SIGSEGV: Fatal Python error")


# --- whose Python?

OWN = {"patient_python": None, "path": ["/own/site"], "executable": "/own/bin/python", "cwd": "/home/me/work"}


@pytest.mark.parametrize(
    ("host", "path", "why"),
    [
        (
            Paper(answers={"self": {**OWN, "patient_python": "/asked"}}, env={"SPARKDOCTOR_PYTHON": "/named"}),
            "/asked",
            "--python",
        ),
        (
            Paper(answers={"self": OWN}, env={"SPARKDOCTOR_PYTHON": "/named", "VIRTUAL_ENV": "/v"}),
            "/named",
            "$SPARKDOCTOR_PYTHON",
        ),
        (
            Paper(
                {"/v/bin/python": "", "/c/bin/python": ""}, answers={"self": OWN}, env={"VIRTUAL_ENV": "/v", "CONDA_PREFIX": "/c"}
            ),
            "/v/bin/python",
            "the active virtual environment",
        ),
        (
            Paper({"/c/bin/python": ""}, answers={"self": OWN}, env={"VIRTUAL_ENV": "/gone", "CONDA_PREFIX": "/c"}),
            "/c/bin/python",
            "the active conda environment",
        ),
        (
            Paper({"/own/site/torch/__init__.py": ""}, answers={"self": OWN}, which={"python3": "/usr/bin/python3"}),
            "/own/bin/python",
            "sparkdoctor's own interpreter, which has torch",
        ),
        (Paper(answers={"self": OWN}, which={"python3": "/usr/bin/python3"}), "/usr/bin/python3", "python3 on PATH"),
        (Paper(answers={"self": OWN}), "/own/bin/python", "sparkdoctor's own interpreter: there is no python3 on PATH"),
    ],
)
def test_whose_python(host: Paper, path: str, why: str) -> None:
    assert python.choose(machine_of(host)) == python.Choice(path, why)


def test_no_python_at_all_is_missing() -> None:
    assert isinstance(python.choose(machine_of(Paper(answers={"self": {**OWN, "executable": ""}}))), Missing)


PYENV = "/home/me/.pyenv"
KEPT = {f"{PYENV}/versions/{version}/bin/python3": "" for version in ("3.12.1", "3.11.7", "3.10.13")}
SHIM = f"{PYENV}/shims/python3"


@pytest.mark.parametrize(
    ("files", "env", "version"),
    [
        ({f"{PYENV}/version": "3.12.1\n"}, {}, "3.12.1"),
        ({f"{PYENV}/version": "3.12.1\n", "/home/me/.python-version": "3.11.7\n"}, {}, "3.11.7"),
        ({"/home/me/work/.python-version": "3.10.13\n", "/home/me/.python-version": "3.11.7\n"}, {}, "3.10.13"),
        ({"/.python-version": "3.10.13\n", f"{PYENV}/version": "3.12.1\n"}, {}, "3.10.13"),
        ({"/home/me/.python-version": "3.11.7\n"}, {"PYENV_VERSION": "3.12.1"}, "3.12.1"),
        ({}, {"PYENV_VERSION": "3.9.9:3.11.7"}, "3.11.7"),
        ({f"{PYENV}/version": "3.9.9\n3.10.13\n"}, {}, "3.10.13"),
        # pyenv would go on to the system's Python: the shim itself knows best.
        ({f"{PYENV}/version": "system\n"}, {}, None),
        ({f"{PYENV}/version": "3.99\n"}, {}, None),
        ({f"{PYENV}/version": ""}, {}, None),
        ({}, {}, None),
    ],
)
def test_the_interpreter_behind_a_shim(files: dict[str, str], env: dict[str, str], version: str | None) -> None:
    machine = machine_of(Paper({**KEPT, **files}, env=env))
    expected = f"{PYENV}/versions/{version}/bin/python3" if version else SHIM
    assert python.behind_shim(machine, SHIM, "/home/me/work") == expected


@pytest.mark.parametrize("path", ["/usr/bin/python3", "/opt/shims/python3", "/home/me/.asdf/shims/python3", "python3"])
def test_what_is_no_shim_of_pyenv_is_left_alone(path: str) -> None:
    assert python.behind_shim(machine_of(Paper(KEPT, env={"PYENV_VERSION": "3.12.1"})), path, "/") == path


@given(st.text("/ab.", max_size=12), TEXT)
def test_a_shim_anywhere(cwd: str, text: str) -> None:
    machine = machine_of(Paper({**KEPT, f"{PYENV}/version": text, f"{cwd}/.python-version": text}))
    assert python.behind_shim(machine, SHIM, cwd) in {SHIM, *KEPT}
