"""Shared memory remounted: on facts made by hand, and for real in a mount namespace with a /dev/shm of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from by_hand import GIB, MIB, SPARK, UNDEMANDING
from remedies import answer, planned, refused
from sparkdoctor.facts import Container, SharedMemory, ShmMount
from sparkdoctor.model import Missing
from sparkdoctor.plan import NotNeeded, Run
from sparkdoctor.profiles import Severity

FIX = "grow-shm"
SMALL = SharedMemory(64 * MIB, 60 * MIB)
MOUNT = ShmMount("tmpfs", "shm", ("rw", "nosuid", "nodev", "noexec", "relatime"), admin=True, uid=0)


def test_it_is_remounted_with_its_options_and_back_to_its_size() -> None:
    (step,) = planned(answer(FIX, SMALL)).steps
    assert isinstance(step, Run)
    assert step.argv == ("mount", "-o", "remount,rw,nosuid,nodev,noexec,relatime,size=1048576k", "shm", "/dev/shm")
    assert step.undo == ("mount", "-o", "remount,rw,nosuid,nodev,noexec,relatime,size=65536k", "shm", "/dev/shm")


def test_there_is_no_need() -> None:
    assert isinstance(answer(FIX), NotNeeded)
    assert isinstance(answer(FIX, SMALL, UNDEMANDING), NotNeeded)


KUBERNETES = "`emptyDir: {medium: Memory, sizeLimit: 1Gi}` at /dev/shm"


@pytest.mark.parametrize(
    ("changes", "container", "words", "command"),
    [
        ({"admin": False}, "docker", "--shm-size=1g, or with --ipc=host", None),
        ({"uid": 1000}, "podman", "--shm-size=1g", None),
        ({"admin": False}, "kubernetes", KUBERNETES, None),
        ({"uid": 1000, "admin": False}, None, "/etc/fstab", "sudo mount -o remount,size=1048576k /dev/shm"),
        ({"admin": False}, None, "CAP_SYS_ADMIN", None),
        ({"kind": "ext4"}, None, "is ext4", None),
    ],
)
def test_it_is_refused(changes: dict[str, Any], container: str | None, words: str, command: str | None) -> None:
    mount = ShmMount(**{**vars(MOUNT), **changes})
    found = refused(answer(FIX, SMALL, mount, Container(container)))
    assert words in found.reason
    assert found.command == command


def test_a_container_that_may_mount() -> None:
    plan = planned(answer(FIX, SMALL, Container("docker")))
    assert "until the next start of the container; for good, start" in plan.notes[1]
    assert "--ipc=host" in plan.notes[0]


def test_what_is_full_or_not_there() -> None:
    assert refused(answer(FIX, SharedMemory(GIB, MIB))).command == "ls -la /dev/shm"
    assert "is a tmpfs without a bound" in refused(answer(FIX, SharedMemory(0, 0))).reason
    assert "no mount of its own" in refused(answer(FIX, SMALL, mount=Missing("/dev/shm is no mount of its own"))).reason
    assert "does not exist" in refused(answer(FIX, shm=Missing("/dev/shm does not exist"))).reason


def test_a_profile_that_asks_for_a_part_of_a_gibibyte() -> None:
    (step,) = planned(answer(FIX, SMALL, SPARK._replace(shm_gib=Severity(failed=0.1)))).steps
    assert isinstance(step, Run)
    assert "size=104858k" in step.argv[2]


# In a namespace of its own: a plan from this machine's facts, done and taken back. What is remounted is a file system that the
# test itself has mounted there, never the machine's, which a remount would reach from any namespace.
SCRIPT = """\
import os, subprocess, sys
from sparkdoctor import profiles
from sparkdoctor.facts import SharedMemory, ShmMount
from sparkdoctor.host import LocalHost
from sparkdoctor.machine import Machine
from sparkdoctor.profiles import Severity
from sparkdoctor_fixes.grow_shm import grow_shm
from sparkdoctor.facts import Container

if os.stat("/dev/shm").st_dev == int(sys.argv[1]):
    sys.exit("this is the machine's own /dev/shm")
profile = profiles.load("dgx-spark")._replace(shm_gib=Severity(failed=float(sys.argv[2])))

def mounts():
    return [line for line in open("/proc/self/mountinfo") if " /dev/shm " in line]

def look():
    machine = Machine(LocalHost(), profile)
    return grow_shm.function(machine.get(SharedMemory), machine.get(ShmMount), Container(None), profile)

before = mounts()
(step,) = look().steps
subprocess.run(step.argv, check=True)
grown = os.statvfs("/dev/shm")
assert grown.f_blocks * grown.f_frsize == float(sys.argv[2]) * (1 << 30), grown
assert type(look()).__name__ == "NotNeeded", look()
assert mounts() != before
subprocess.run(step.undo, check=True)
assert mounts() == before, (mounts(), before)
print("taken back")
"""
OWN = ("unshare", "--mount", "--propagation", "private", "sh", "-ec")


def may_unshare() -> bool:
    if os.getuid() != 0:
        return False
    try:
        ran = subprocess.run([*OWN, "mount -t tmpfs shm /dev/shm"], check=False, capture_output=True)
    except OSError:
        return False
    return ran.returncode == 0


@pytest.mark.skipif(not may_unshare(), reason="no mount namespace can be made here")
@pytest.mark.parametrize("options", ["nosuid,nodev,noexec,mode=1777,size=64m", "nosuid,nodev,size=65537k", "rw"])
def test_a_real_remount(options: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    wanted = 1 if "size=" in options else total // GIB
    mount = f"mount -t tmpfs -o {options} shm /dev/shm"
    command = f"{mount}; exec {sys.executable} {tmp_path}/script.py {os.stat('/dev/shm').st_dev} {wanted}"
    mounted = Path("/proc/self/mountinfo").read_text()
    ran = subprocess.run([*OWN, command], check=False, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "taken back\n"), ran.stderr
    assert Path("/proc/self/mountinfo").read_text() == mounted
