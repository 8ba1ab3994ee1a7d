"""How /dev/shm is mounted."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor.facts import ShmMount
from sparkdoctor.facts.shm_mount import may_mount, parse
from sparkdoctor.model import Broken, Missing
from standins.hosts import Paper, machine_of

DOCKER = "63 43 0:39 / /dev/shm rw,nosuid,nodev,noexec,relatime - tmpfs shm rw,size=65536k\n"


def test_docker_s() -> None:
    assert parse(DOCKER) == ("tmpfs", "shm", ("rw", "nosuid", "nodev", "noexec", "relatime"))


def test_of_several_the_last_covers_the_others() -> None:
    assert parse(DOCKER + "64 63 0:41 / /dev/shm rw shared:7 - tmpfs tmpfs rw\n") == ("tmpfs", "tmpfs", ("rw",))


@pytest.mark.parametrize("text", ["", "x", DOCKER.replace("/dev/shm", "/dev/shm/x"), DOCKER.replace("/dev/shm", "/mnt")])
def test_no_mount(text: str) -> None:
    found = parse(text)
    assert isinstance(found, Missing)
    assert not isinstance(found, Broken)


@pytest.mark.parametrize("text", [DOCKER.replace("tmpfs shm", "tmpfs s\\040m;x"), DOCKER.replace("nosuid", "$(id)"), DOCKER[:60]])
def test_nonsense(text: str) -> None:
    assert isinstance(parse(text), Broken)


@given(st.text() | st.text("1 :/devshmrw,-tmpfs\n").map(lambda text: DOCKER + text))
def test_no_mountinfo_makes_us_stumble(text: str) -> None:
    assert isinstance(parse(text), tuple | Missing)


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("CapEff:\t000001fffeffffff\n", True),
        ("CapEff:\t00000000a80425fb\n", False),  # docker's default
        ("CapEff:\t0000000000200000\n", True),
        ("CapEff:\t0000000000000000\n", False),
        ("CapPrm:\t000001ffffffffff\n", False),
        ("", False),
    ],
)
def test_capabilities(text: str, may: bool) -> None:
    assert may_mount(text) is may


@given(st.text() | st.from_regex(r"CapEff:\t[0-9a-fA-F]{1,20}\n", fullmatch=True))
def test_no_status_makes_us_stumble(text: str) -> None:
    assert may_mount(text) in (True, False)


def test_the_fact() -> None:
    files = {"/proc/self/mountinfo": DOCKER, "/proc/self/status": "CapEff:\t00000000a80425fb\n"}
    found = machine_of(Paper(files, answers={"self": {"uid": 0}})).get(ShmMount)
    assert found == ShmMount("tmpfs", "shm", ("rw", "nosuid", "nodev", "noexec", "relatime"), admin=False, uid=0)
    assert isinstance(machine_of(Paper()).get(ShmMount), Missing)


def test_this_machine_s() -> None:
    assert isinstance(parse(Path("/proc/self/mountinfo").read_text()), tuple | Missing)
