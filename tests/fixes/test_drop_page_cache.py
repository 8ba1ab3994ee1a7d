"""Page cache given back: on facts made by hand. It is the whole machine's, so nothing is dropped here."""

import os
from typing import Any

import pytest

from by_hand import GIB, HOPPER, but
from remedies import answer, planned, refused
from sparkdoctor.architecture import Capability
from sparkdoctor.facts import Container, Gpu, Memory, PageCache
from sparkdoctor.facts.gpu import Device
from sparkdoctor.facts.page_cache import DROP
from sparkdoctor.plan import NotNeeded, Run
from standins.hosts import Elsewhere, machine_of

FIX = "drop-page-cache"
FULL = but(Memory, free=4 * GIB, page_cache=90 * GIB, available=95 * GIB)
SUDO = f"sudo sh -c 'sync; echo 3 > {DROP}'"


def cache(**changes: Any) -> PageCache:
    return PageCache(**{"writable": True, "uid": 0, "sync": "/usr/bin/sync", "sysctl": "/sbin/sysctl", **changes})


def test_it_is_dropped() -> None:
    plan = planned(answer(FIX, FULL, cache()))
    assert [step.argv for step in plan.steps if isinstance(step, Run)] == [
        ("/usr/bin/sync",),
        ("/sbin/sysctl", "-w", "vm.drop_caches=3"),
    ]
    assert [step.undo for step in plan.steps if isinstance(step, Run)] == [(), ()]
    assert plan.summary.startswith("up to 90.0 GiB")


def test_there_is_no_need() -> None:
    assert isinstance(answer(FIX), NotNeeded)
    assert isinstance(answer(FIX, but(Memory, free=4 * GIB, page_cache=9 * GIB, available=13 * GIB)), NotNeeded)
    discrete = but(Gpu, devices=(Device("NVIDIA H100", Capability(9, 0), 80 * GIB),))
    assert isinstance(answer(FIX, FULL, discrete, HOPPER), NotNeeded)


@pytest.mark.parametrize(
    ("facts", "words", "command"),
    [
        ((cache(writable=False, uid=1000),), "only root", SUDO),
        ((cache(writable=False), Container("docker")), "on the host", SUDO),
        ((cache(writable=False, uid=1000), Container("docker")), "on the host", SUDO),
        ((cache(writable=False),), "cannot be written here", SUDO),
        ((cache(sysctl=None),), "PATH has no sysctl", SUDO.removeprefix("sudo ")),
        ((cache(sync=None),), "PATH has no sync", SUDO.removeprefix("sudo ")),
    ],
)
def test_it_is_refused(facts: Any, words: str, command: str) -> None:
    found = refused(answer(FIX, FULL, *facts))
    assert words in found.reason
    assert found.command == command


def test_what_this_machine_allows() -> None:
    found = machine_of(Elsewhere()).get(PageCache)
    assert isinstance(found, PageCache)
    assert found.writable is os.access(DROP, os.W_OK)
    assert found.uid == os.getuid()
