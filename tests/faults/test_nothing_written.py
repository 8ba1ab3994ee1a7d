"""The installed command among faults: nothing is written."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from sick import MARK, TORCH, Env, check, end, left_in_shm, patient, run, start, statuses
from standins.hosts import script


def snapshot(*places: Path) -> dict[str, tuple[int, int]]:
    """Every path below these places with its size and the time it was changed."""
    found = {}
    for place in places:
        for base, folders, files in os.walk(place):
            for path in (base, *(os.path.join(base, name) for name in (*folders, *files))):
                status = os.lstat(path)
                found[path] = (status.st_mtime_ns, status.st_size)
    return found


@pytest.fixture
def busy(env: Env, tmp_path: Path, nvml_library: Path) -> Env:
    """An environment where everything that a check can ask is there to be asked."""
    site = patient(tmp_path / "venv")
    (site / "triton" / "backends" / "nvidia" / "bin").mkdir(parents=True)
    (site / "triton" / "__init__.py").write_text(MARK + "__version__ = '3.6.0'\n")
    tool = "#!/bin/sh\necho 'Cuda compilation tools, release 13.0, V13.0.88'\n"
    script(site / "triton" / "backends" / "nvidia" / "bin" / "ptxas-blackwell", tool)
    # The real one wants a temporary directory for a dry run, too.
    script(tmp_path / "bin" / "nvcc", tool + "[ $1 = --version ] || echo x > ${TMPDIR:-/tmp}/scratch.$$\n")
    for name in ("work", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "home" / "file").write_text("mine\n")
    return env | {
        "VIRTUAL_ENV": f"{tmp_path}/venv",
        "TMPDIR": f"{tmp_path}/tmp",
        "XDG_CACHE_HOME": f"{tmp_path}/home/cache",
        "LD_LIBRARY_PATH": str(nvml_library),
    }


@pytest.mark.parametrize(
    "args",
    [("check",), ("check", "-v", "--format", "markdown"), ("record", "-"), ("list",), ("explain", "disk-low")],
    ids=" ".join,
)
def test_nothing_is_written(busy: Env, tmp_path: Path, args: tuple[str, ...]) -> None:
    before = snapshot(tmp_path)
    process = start(busy, *args, cwd=tmp_path / "work")
    assert end(process, time.monotonic()).code in {0, 1}
    assert snapshot(tmp_path) == before
    assert left_in_shm(process.pid) == []


def namespace() -> tuple[str, ...]:
    """What runs a command where mounts are its own, if we may; /dev/shm is empty there."""
    prefix = ("unshare", "-m", "/bin/sh", "-ec")
    probe = "mount -t tmpfs tmpfs /dev/shm"
    if os.getuid() != 0 or subprocess.run([*prefix, probe], capture_output=True, check=False).returncode != 0:
        pytest.skip("only root in a machine that lets it mount can arrange this")
    return prefix


def test_shared_memory_is_left_as_it_was(busy: Env, tmp_path: Path) -> None:
    code = 'mount -t tmpfs tmpfs /dev/shm; "$0" "$@" || true; ls -A /dev/shm >&2'
    ended = run(busy, "check", prefix=(*namespace(), code), cwd=tmp_path)
    assert ended.out
    assert ended.err == b""


def test_a_machine_that_cannot_be_written(busy: Env, tmp_path: Path) -> None:
    """Every file system read-only, shared memory too: the kernel sees to it that nothing is written."""
    usual = check(busy)
    code = (
        "mount -t tmpfs tmpfs /dev/shm; mount -o remount,ro /dev/shm; mount --bind / /; "
        'mount -o remount,ro,bind /; cd /; exec "$0" "$@"'
    )
    document = check(busy, prefix=(*namespace(), code), cwd=tmp_path)
    assert document["machine"]["torch"] == TORCH
    changed = {name for name, status in statuses(document).items() if status != statuses(usual)[name]}
    assert changed <= {
        "nvcc-lacks-architecture",
        "nvcc-missing",
        "nvcc-torch-mismatch",
        "cuda-newer-than-driver",
        "shm-too-small",
        "cuda-home-wrong",
        "triton-cache-unwritable",
    }


GARBLED = [
    "/proc/meminfo",
    "/proc/pressure/memory",
    "/proc/self/cgroup",
    "/proc/self/mountinfo",
    "/proc/1/cgroup",
    "/etc/os-release",
    "/sys/class/dmi/id/product_name",
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory.events",
    "/var/lib/dpkg/status",
]


@pytest.mark.parametrize("content", ["empty", "noise", "long", "fifo", "numbers"])
def test_system_files_of_nonsense(env: Env, tmp_path: Path, content: str) -> None:
    prefix = namespace()
    path = tmp_path / "nonsense"
    match content:
        case "fifo":
            os.mkfifo(path)
        case "noise":
            path.write_bytes(os.urandom(10_000))
        case "long":
            path.write_bytes(b"MemTotal: 1 kB " * 1_000_000)
        case "numbers":
            path.write_text(
                "MemTotal: 99999999999999999999999999 kB\nMemAvailable: -5 kB\n0::/../../..\n"
                "some avg10=nan avg60=inf\noom_kill x\n"
            )
        case _:
            path.touch()
    places = " ".join(f'"{place.replace("/self/", "/$$/")}"' for place in GARBLED)
    code = (
        f"for place in {places}; do if [ -e $place ]; then mount --bind {path} $(readlink -f $place) || true; "
        f'fi; done; exec "$0" "$@"'
    )
    check(env, prefix=(*prefix, code))
