"""`sparkdoctor preflight` in real containers, by podman with runc."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from containers import Containers
from doors import FEW

pytestmark = pytest.mark.containers
GIB = 1 << 30


class Box:
    """Runs preflight in containers, with a profile of few demands."""

    def __init__(self, containers: Containers, place: Path) -> None:
        self.containers = containers
        self.place = place
        place.chmod(0o755)
        self.profile("")

    def profile(self, more: str) -> None:
        (self.place / "few.toml").write_text(f"{FEW}{more}")

    def options(self, *options: str) -> tuple[str, ...]:
        return ("-v", f"{self.place}:/given:ro", "-e", "SPARKDOCTOR_PROFILE=/given/few.toml", *options)

    def preflight(
        self, *command: str, options: tuple[str, ...] = (), stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        ended = self.containers.run("sparkdoctor", "preflight", *command, options=self.options(*options), stdin=stdin)
        assert "Traceback" not in ended.stderr
        return ended

    def report(self, *options: str) -> dict[str, Any]:
        ended = self.containers.run(
            "sparkdoctor", "check", "--profile", "/given/few.toml", "--format", "json", options=self.options(*options)
        )
        assert ended.returncode in (0, 1), ended.stderr
        found: dict[str, Any] = json.loads(ended.stdout)
        return found


@pytest.fixture
def box(containers: Containers, tmp_path: Path) -> Box:
    return Box(containers, tmp_path)


def healthy(ended: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines that were said before the last, which says that all is well."""
    *lines, last = ended.stderr.splitlines()
    assert re.match(r"sparkdoctor: .* checks passed in \d", last), ended.stderr
    return lines


def test_shared_memory(box: Box) -> None:
    box.profile("[shm_gib]\nfailed = 1\n")
    ended = box.preflight("--", "echo", "started")
    assert (ended.returncode, ended.stdout) == (78, "")
    assert "✗ shm-too-small" in ended.stderr
    assert "--shm-size" in ended.stderr
    cures = [("--shm-size", "2g")]
    if shutil.disk_usage("/dev/shm").total >= GIB:
        cures.append(("--ipc", "host"))
    for cure in cures:
        ended = box.preflight("--", "echo", "started", options=cure)
        assert (ended.returncode, ended.stdout) == (0, "started\n"), ended.stderr


def test_every_figure_of_memory_respects_the_limit(box: Box) -> None:
    box.profile("[memory_gib]\nwarning = 7\nfailed = 4\n")
    report = box.report("--memory", "3g")
    results = {result["id"]: result for result in report["results"]}
    assert report["machine"]["memory_limit_gib"] == 3.0
    assert results["memory-low"]["status"] == "failed"
    assert float(results["memory-low"]["observed"].split()[0]) <= 3.0
    assert results["build-jobs-unbounded"]["status"] == "failed"  # not even one compiler of 3.5 GB
    ended = box.preflight("--", "true", options=("--memory", "3g"))
    assert ended.returncode == 78
    assert "✗ memory-low" in ended.stderr
    ended = box.preflight("--ignore", "memory-low", "--", "sh", "-c", "echo $MAX_JOBS", options=("--memory", "5g"))
    assert (ended.returncode, ended.stdout) == (0, "1\n"), ended.stderr
    assert any(
        re.match(r"sparkdoctor: MAX_JOBS=1: compilers of up to 3.5 GB each that fit into [345]\.\d GiB", line)
        for line in healthy(ended)
    )


def test_processors_by_the_quota(box: Box) -> None:
    if (os.cpu_count() or 1) < 2:
        pytest.skip("one processor")
    ended = box.preflight("--", "sh", "-c", "echo $OMP_NUM_THREADS $MAX_JOBS $(nproc)", options=("--cpus", "0.5"))
    assert (ended.returncode, ended.stdout) == (0, "1 1 1\n"), ended.stderr
    assert f"sparkdoctor: OMP_NUM_THREADS=1: this container may use 0.5 of {os.cpu_count()} processors" in healthy(ended)


def test_limits_are_seen_and_raised(box: Box) -> None:
    box.profile("[stack_mib]\nfailed = 8\n[memlock_mib]\nwarning = 6\n[limits]\nopen_files = 4096\n")
    options = ("--ulimit", "stack=4194304:67108864", "--ulimit", "memlock=4194304:8388608", "--ulimit", "nofile=1024:8192")
    report = box.report(*options)
    assert {result["id"] for result in report["results"] if result["status"] != "ok"} >= {"stack-limit-low", "memlock-limit-low"}
    ended = box.preflight("--", "sh", "-c", "ulimit -s; ulimit -l; ulimit -n", options=options)
    assert (ended.returncode, ended.stdout.split()) == (0, ["65536", "8192", "8192"]), ended.stderr
    lines = healthy(ended)
    assert "sparkdoctor: the limit on stack is raised from 4 MiB to 64 MiB" in lines
    assert "sparkdoctor: the limit on locked memory is raised from 4 MiB to 8 MiB" in lines
    assert "sparkdoctor: the limit on open files is raised from 1024 to 8192" in lines
    ended = box.preflight("--", "true", options=("--ulimit", "stack=4194304:4194304"))
    assert ended.returncode == 78
    assert "✗ stack-limit-low" in ended.stderr
    assert "--ulimit stack=67108864" in ended.stderr


@pytest.mark.parametrize("options", [(), ("--init",)], ids=["PID 1", "init"])
def test_a_signal_reaches_the_command(box: Box, options: tuple[str, ...]) -> None:
    script = "trap 'echo ended; exit 9' TERM; echo $$; while :; do sleep 0.05; done"
    command = ("sparkdoctor", "preflight", "--", "sh", "-c", script)
    with box.containers.start(*command, options=box.options(*options)) as child:
        assert child.stdout is not None
        pid = int(child.stdout.readline())
        assert (pid == 1) == (not options)
        child.send_signal(signal.SIGTERM)
        out, _ = child.communicate(timeout=20)
    assert (child.returncode, out) == (9, b"ended\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_while_it_waits_ends_pid_1(box: Box, number: signal.Signals, code: int) -> None:
    box.profile("[memory_gib]\nfailed = 100000\n")
    with box.containers.start(
        "sparkdoctor", "preflight", "--wait", "1h", "--", "echo", "started", options=box.options()
    ) as child:
        assert child.stderr is not None
        lines = iter(child.stderr.readline, b"")
        assert any(line.startswith(b"sparkdoctor: waiting") for line in lines)
        began = time.monotonic()
        child.send_signal(number)
        out, _ = child.communicate(timeout=20)
        assert (child.returncode, out) == (code, b"")
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 41", 41), ("kill -9 $PPID; exit 3", 3), ("exec python3 -c 'import ctypes; ctypes.string_at(0)'", 139)],
)
def test_its_end_is_the_containers(box: Box, script: str, code: int) -> None:
    ended = box.preflight("--", "sh", "-c", script, options=("--ulimit", "core=0"))
    assert ended.returncode == code, ended.stderr


def test_a_kill_from_outside(box: Box) -> None:
    """PID 1 cannot kill itself: podman does it."""
    with box.containers.start(
        "sparkdoctor", "preflight", "--", "sh", "-c", "echo up; exec sleep 60", options=box.options()
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        subprocess.run(["podman", "kill", "--signal", "KILL", box.containers.last], check=True, capture_output=True)
        assert child.wait(20) == 137


@pytest.mark.parametrize(
    "options",
    [
        ("--read-only", "--read-only-tmpfs=false"),
        ("--user", "1000:1000"),
        ("--user", "1000:1000", "--read-only", "--read-only-tmpfs=false", "--cap-drop=all"),
        ("--unsetenv", "HOME"),
        ("--env", "HOME=/nowhere"),
        ("--ipc", "none", "--read-only", "--read-only-tmpfs=false"),
    ],
    ids=" ".join,
)
def test_what_containers_lack(box: Box, options: tuple[str, ...]) -> None:
    ended = box.preflight("--", "sh", "-c", "id -u; echo home=${HOME-none}", options=options)
    assert ended.returncode == 0, ended.stderr
    healthy(ended)
    uid, home = ended.stdout.split()
    assert uid == ("1000" if "--user" in options else "0")
    assert home != "home=none" or "--unsetenv" in options


def test_a_large_environment(box: Box) -> None:
    names = [word for number in range(1000) for word in ("-e", f"NAME_{number}={'x' * 50} \t='{number}")]
    listing = ("python3", "-c", "print(sorted(open('/proc/self/environ', 'rb').read().split(b'\\0')))")  # podman shuffles
    bare = box.containers.run(*listing, options=box.options(*names, "--hostname", "here", "-e", "MAX_JOBS=1"))
    through = box.preflight("--", *listing, options=(*names, "--hostname", "here", "-e", "MAX_JOBS=1"))
    assert through.returncode == 0
    assert bare.stdout == through.stdout
    assert bare.stdout.count("NAME_") == 1000


def test_standard_input_and_terminal(box: Box) -> None:
    ended = box.preflight("--", "cat", options=("-i",), stdin="some\nlines\n")
    assert (ended.returncode, ended.stdout) == (0, "some\nlines\n")
    ended = box.preflight("--", "sh", "-c", "test -t 0 && test -t 1 && test -t 2 && echo terminal", options=("-t",))
    assert ended.returncode == 0, ended.stdout
    assert "terminal" in ended.stdout


def test_a_terminal_that_is_refused_has_no_rubbish(box: Box) -> None:
    box.profile("[memory_gib]\nfailed = 100000\n")
    ended = box.preflight("--", "true", options=("-t", "-e", "NO_COLOR=1"))
    assert ended.returncode == 78
    assert "true was not started: 1 failed" in ended.stdout  # a terminal has one stream


def test_the_reason_is_left_for_kubernetes(box: Box, tmp_path: Path) -> None:
    box.profile("[memory_gib]\nfailed = 100000\n")
    log = tmp_path / "log"
    log.write_text("")
    ended = box.preflight(options=("-v", f"{log}:/dev/termination-log"))
    assert ended.returncode == 78
    assert log.read_text().startswith("Not ready: 1 failed")
    assert "failed: memory-low: only" in log.read_text()


def test_nothing_is_left_beside_the_command(box: Box) -> None:
    ended = box.preflight("--", "sh", "-c", "ls -d /proc/[0-9]*; ls /dev/shm /tmp; exit 0")
    assert ended.returncode == 0
    assert [line for line in ended.stdout.split() if line.startswith("/proc")][:1] == ["/proc/1"]
    assert len([line for line in ended.stdout.split() if line.startswith("/proc")]) <= 2  # sh and ls
    assert "sparkdoctor" not in ended.stdout


def test_what_was_killed_leaves_no_zombie_to_pid_1(box: Box) -> None:
    script = box.place / "python"
    script.write_text("#!/bin/sh\nsleep 1000 &\nsetsid sleep 1000 &\nsleep 1000\n")
    script.chmod(0o755)
    options = ("-e", "SPARKDOCTOR_PYTHON=/given/python", "-e", "SPARKDOCTOR_PREFLIGHT=warn")
    ended = box.preflight("--timeout", "1", "--", "sh", "-c", "grep -h State /proc/[0-9]*/status", options=options)
    assert ended.returncode == 0
    assert "Z (zombie)" not in ended.stdout


def test_the_stand_in_of_a_gb10(box: Box, nvml_library: Path) -> None:
    """What dgx-spark demands of the GPU is met; what is refused is what this machine lacks."""
    options = ("-v", f"{nvml_library}:/nvml:ro", "-e", "LD_LIBRARY_PATH=/nvml", "-e", "SPARKDOCTOR_PROFILE=dgx-spark")
    ended = box.preflight("--", "true", options=options)
    assert ended.returncode == 78
    assert "NVIDIA GB10 · capability 12.1 · driver 580.95.05" in ended.stderr
    assert "✗ torch-missing" in ended.stderr
    assert "✗ shm-too-small" in ended.stderr
    assert "compute-capability-mismatch" not in ended.stderr
    assert "driver-too-old" not in ended.stderr
    others = [word for name in re.findall(r"✗ (\S+)", ended.stderr) for word in ("--ignore", name)]
    ended = box.preflight(*others, "--", "echo", "started", options=options)
    assert (ended.returncode, ended.stdout) == (0, "started\n"), ended.stderr
    assert "sparkdoctor: NVIDIA GB10 · capability 12.1 · driver 580.95.05" in ended.stderr.splitlines()[-1]
