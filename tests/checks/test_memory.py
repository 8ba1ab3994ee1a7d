"""Checks on facts made by hand: memory."""

from typing import Any

import pytest

from by_hand import FAILED, GIB, GONE, HOPPER, KIB, MIB, OK, SKIPPED, UNDEMANDING, WARNING, but, command_of, judge
from sparkdoctor.architecture import Capability
from sparkdoctor.facts import (
    BuildSettings,
    Cgroup,
    Container,
    Disks,
    Gpu,
    Limits,
    Memory,
    Pressure,
    SharedMemory,
)
from sparkdoctor.facts.build import COMPILER_BYTES, compiler_threads, ninja_jobs
from sparkdoctor.facts.gpu import Device
from sparkdoctor.facts.limits import Limit, Volume
from sparkdoctor.model import Missing, Status
from sparkdoctor.profiles import Profile, Severity


def test_memory_low() -> None:
    assert judge("memory-low").status is OK
    few = {"available": 4 * GIB, "swap_free": 2 * GIB, "free": 1 * GIB}
    assert judge("memory-low", but(Memory, **few)).status is FAILED
    assert judge("memory-low", but(Memory, **{**few, "available": 10 * GIB})).status is WARNING
    # Swap counts, free memory alone does not.
    assert judge("memory-low", but(Memory, **{**few, "swap_free": 30 * GIB})).status is OK
    # Huge pages: what is free of them counts, and swap does not.
    assert judge("memory-low", but(Memory, huge_pages=100 * GIB, huge_free=2 * GIB)).status is FAILED
    huge = judge("memory-low", but(Memory, huge_pages=100 * GIB, huge_free=90 * GIB, available=1 * GIB))
    assert huge.status is OK
    assert "huge pages" in huge.summary


def test_memory_low_in_a_container() -> None:
    roomy = judge("memory-low", Cgroup("v2", limit=64 * GIB, usage=4 * GIB))
    assert roomy.status is OK
    assert "60.0 GiB" in roomy.summary
    tight = judge("memory-low", Cgroup("v2", limit=8 * GIB, usage=7 * GIB))
    assert tight.status is FAILED
    assert tight.remedy is not None
    assert "--memory" in tight.remedy.text
    assert judge("memory-low", Cgroup("v2", limit=8 * GIB, usage=9 * GIB)).observed == "0 MiB"
    assert judge("memory-low", cgroup=GONE).status is OK


@pytest.mark.parametrize("bounds", [Severity(None, 0), Severity(0, 0), Severity(0, None), Severity(None, 8), Severity(16, None)])
def test_memory_low_with_odd_bounds(bounds: Severity) -> None:
    assert judge("memory-low", Profile(memory_gib=bounds)).status is OK


@pytest.mark.parametrize(
    ("some10", "full10", "full60", "status"),
    [
        (0.0, 0.0, 0.0, OK),
        (9.9, 3.0, 1.0, OK),
        (10.0, 3.0, 1.0, WARNING),
        (60.0, 19.9, 9.9, WARNING),
        (60.0, 20.0, 0.0, FAILED),
        (0.0, 0.0, 10.0, FAILED),
        (100.0, 100.0, 100.0, FAILED),
    ],
)
def test_memory_pressure(some10: float, full10: float, full60: float, status: Status) -> None:
    assert judge("memory-pressure", Pressure(some10, some10, full10, full60)).status is status
    assert judge("memory-pressure", Pressure(50.0, 50.0, 50.0, 50.0)).status is FAILED
    assert judge("memory-pressure").status is OK


def test_oom_killed_recently() -> None:
    assert judge("oom-killed-recently").status is OK
    one = judge("oom-killed-recently", Cgroup("v2", oom_kills=1), Container("docker"))
    assert one.status is WARNING
    assert "a process in this container" in one.summary
    assert "3 processes in this session" in judge("oom-killed-recently", Cgroup("v1", oom_kills=3)).summary


def test_page_cache_holds_memory() -> None:
    assert judge("page-cache-holds-memory").status is OK
    full = but(Memory, free=3 * GIB, available=110 * GIB, page_cache=107 * GIB)
    verdict = judge("page-cache-holds-memory", full)
    assert verdict.status is WARNING
    assert "drop_caches" in command_of(verdict)
    assert judge("page-cache-holds-memory", full, gpu=GONE).status is WARNING
    # Used up is another matter, and so is a GPU with memory of its own.
    assert judge("page-cache-holds-memory", but(Memory, free=3 * GIB, available=5 * GIB, page_cache=2 * GIB)).status is OK
    h100 = Gpu((Device("NVIDIA H100", Capability(9, 0), 80 * GIB),))
    assert judge("page-cache-holds-memory", full, h100, HOPPER).status is SKIPPED
    assert judge("page-cache-holds-memory", full, HOPPER, gpu=GONE).status is SKIPPED
    # A GB10 whose NVML tells the system's memory as its own.
    assert judge("page-cache-holds-memory", full, Gpu((Device("NVIDIA GB10", Capability(12, 1), 120 * GIB),))).status is WARNING


def settings(max_jobs: str | None, *, cpus: int = 20, archs: int = 1, deepspeed: bool = False, **threads: str) -> BuildSettings:
    """As the fact's own rules make them of the variables."""
    count, said = compiler_threads({"DS_NVCC_THREADS": None, "NVCC_THREADS": None, **threads}, cpus, deepspeed=deepspeed)
    return BuildSettings(max_jobs, ninja_jobs(max_jobs, cpus), count, said, archs)


def free(gib: float) -> Any:
    return but(Memory, available=int(gib * GIB), swap_free=0)


@pytest.mark.parametrize(
    ("build", "gib", "status", "jobs"),
    [
        (settings("8"), 100, OK, 8),
        (settings("8"), 20, FAILED, 8),
        (settings(None), 116, OK, 22),
        (settings(None), 60, FAILED, 22),
        (settings("rubbish"), 60, FAILED, 22),
        (settings(""), 60, FAILED, 22),
        (settings("-1"), 60, FAILED, 22),
        (settings("4.5"), 60, FAILED, 22),
        (settings("0"), 116, FAILED, None),
        (settings("1"), 4, OK, 1),
        (settings("9" * 5000), 116, FAILED, None),
        # Threads multiply by architectures, and only by those.
        (settings("8", archs=2), 60, OK, 8),
        (settings("8", archs=2, DS_NVCC_THREADS="2"), 40, FAILED, 8),
        (settings("8", archs=1, DS_NVCC_THREADS="8"), 40, OK, 8),
        (settings("8", archs=3, deepspeed=True), 60, FAILED, 8),
        (settings("8", archs=3, deepspeed=True, DS_NVCC_THREADS="1"), 60, OK, 8),
        (settings("8", archs=3, NVCC_THREADS="3"), 60, FAILED, 8),
        (settings("8", archs=3, deepspeed=True, DS_NVCC_THREADS="0"), 60, FAILED, 8),
    ],
)
def test_build_jobs_unbounded(build: BuildSettings, gib: float, status: Status, jobs: int | None) -> None:
    assert build.jobs == jobs or (jobs is None and (build.jobs is None or build.jobs > 1000))
    verdict = judge("build-jobs-unbounded", build, free(gib))
    assert verdict.status is status
    if status is FAILED:
        number = int(command_of(verdict).removeprefix("export MAX_JOBS="))
        assert number * build.bytes_per_job <= gib * GIB, "the number that it tells does not fit either"
        assert (number + 1) * build.bytes_per_job > gib * GIB, "more would fit"
        bounded = BuildSettings(str(number), number, build.threads, build.threads_from, build.architectures)
        assert judge("build-jobs-unbounded", bounded, free(gib)).status is OK


def test_build_jobs_unbounded_heeds_the_containers_limit() -> None:
    assert judge("build-jobs-unbounded", settings("8")).status is OK
    tight = judge("build-jobs-unbounded", settings("8"), Cgroup("v2", limit=16 * GIB, usage=0))
    assert tight.status is FAILED
    assert command_of(tight) == f"export MAX_JOBS={16 * GIB // COMPILER_BYTES}"
    assert judge("build-jobs-unbounded", settings("8"), cgroup=GONE).status is OK


@pytest.mark.parametrize("jobs", ["1", "8", None])
def test_build_jobs_unbounded_where_not_even_one_fits(jobs: str | None) -> None:
    verdict = judge("build-jobs-unbounded", settings(jobs), free(2))
    assert verdict.status is FAILED
    assert verdict.remedy is not None
    if jobs == "1":
        assert "MAX_JOBS=1" not in command_of(verdict), "it is set to that already"
    assert "1 jobs" not in verdict.summary


@pytest.mark.parametrize(
    ("total", "unused", "engine", "status"),
    [
        (60 * GIB, 60 * GIB, None, OK),
        (16 * GIB, 16 * GIB, "docker", OK),
        (64 * MIB, 64 * MIB, "docker", FAILED),
        (64 * MIB, 64 * MIB, None, FAILED),
        (1 * GIB, 1 * GIB, "docker", OK),
        (16 * GIB, 100 * MIB, "docker", FAILED),
        (0, 0, None, FAILED),
    ],
)
def test_shm_too_small(total: int, unused: int, engine: str | None, status: Status) -> None:
    verdict = judge("shm-too-small", SharedMemory(total, unused), Container(engine))
    assert verdict.status is status
    if total == 64 * MIB and engine:
        assert "default" in verdict.summary
        assert verdict.remedy
        assert "--shm-size=16g" in verdict.remedy.text


def test_shm_too_small_where_there_is_none() -> None:
    assert judge("shm-too-small").status is OK
    assert judge("shm-too-small", UNDEMANDING).status is SKIPPED
    assert judge("shm-too-small", shm=Missing("/dev/shm does not exist")).status is FAILED


@pytest.mark.parametrize(
    ("soft", "hard", "engine", "status", "command"),
    [
        (8 * MIB, None, None, OK, ""),
        (None, None, None, OK, ""),
        (64 * MIB, 64 * MIB, "docker", OK, ""),
        (1 * MIB, None, None, FAILED, "ulimit -s 8192"),
        (1 * MIB, 8 * MIB, "docker", FAILED, "ulimit -s 8192"),
        (1 * MIB, 1 * MIB, "docker", FAILED, ""),
        (1 * MIB, 1 * MIB, None, FAILED, ""),
        (8 * MIB - 1, 8 * MIB - 1, None, FAILED, ""),
    ],
)
def test_stack_limit_low(soft: int | None, hard: int | None, engine: str | None, status: Status, command: str) -> None:
    verdict = judge("stack-limit-low", but(Limits, stack=Limit(soft, hard)), Container(engine))
    assert verdict.status is status
    if status is FAILED:
        assert command_of(verdict) == command
        assert len(verdict.evidence) == 3
        assert verdict.observed != verdict.expected
    assert judge("stack-limit-low", UNDEMANDING).status is SKIPPED
    assert judge("stack-limit-low").status is OK


@pytest.mark.parametrize(("wanted", "stack"), [(8, 64 * MIB), (256, 256 * MIB)])
def test_the_stack_to_start_a_container_with_is_what_the_profile_wants(wanted: float, stack: int) -> None:
    profile = Profile(stack_mib=Severity(failed=wanted))
    verdict = judge("stack-limit-low", but(Limits, stack=Limit(MIB, MIB)), Container("docker"), profile)
    assert verdict.remedy is not None
    assert verdict.remedy.text == f"Start the container with --ulimit stack={stack}."


@pytest.mark.parametrize(
    ("soft", "engine", "status"),
    [
        (None, None, OK),
        (64 * MIB, None, OK),
        (8 * MIB, None, WARNING),
        (8 * MIB, "docker", WARNING),
        (64 * KIB, "docker", WARNING),
    ],
)
def test_memlock_limit_low(soft: int | None, engine: str | None, status: Status) -> None:
    verdict = judge("memlock-limit-low", but(Limits, memlock=Limit(soft, soft)), Container(engine))
    assert verdict.status is status
    if status is WARNING:
        assert verdict.remedy
        assert ("--ulimit memlock=-1" in verdict.remedy.text) is bool(engine)
    if soft == 64 * KIB:
        assert verdict.observed == "64 KiB"
    assert judge("memlock-limit-low", UNDEMANDING).status is SKIPPED
    assert judge("memlock-limit-low").status is OK


@pytest.mark.parametrize(("gib", "status"), [(2000, OK), (40, OK), (39, WARNING), (5, WARNING), (4.9, FAILED), (0, FAILED)])
def test_disk_low(gib: float, status: Status) -> None:
    volumes = (Volume("/", "the system", 500 * GIB), Volume("/home/a, b", "caches and weights", int(gib * GIB)))
    verdict = judge("disk-low", Disks(volumes))
    assert verdict.status is status
    if status is not OK:
        assert "/home/a, b" in verdict.summary
        assert len(verdict.evidence) == 2
    assert judge("disk-low", UNDEMANDING).status is SKIPPED
    assert judge("disk-low").status is OK
