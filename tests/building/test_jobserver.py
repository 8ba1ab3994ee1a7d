"""The jobserver: who is offered one, and what comes of taking tokens away; with tools that are there, and with stand-ins for others."""

import os
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sparkdoctor.building.jobserver import Jobserver, speaks
from standins.hosts import script


@pytest.mark.parametrize(
    ("argv", "makeflags", "tools", "offered"),
    [
        (["make"], None, {"make": "GNU Make 4.4.1"}, True),
        (["make", "all"], "--no-print-directory", {"make": "GNU Make 4.4"}, True),
        (["make"], None, {"make": "GNU Make 4.3"}, False),
        (["gmake"], None, {"gmake": "GNU Make 4.4.1", "make": "GNU Make 4.3"}, False),
        (["make", "-j8"], None, {"make": "GNU Make 4.4.1"}, False),
        (["make", "-kj", "8"], None, {"make": "GNU Make 4.4.1"}, False),
        (["make", "--jobs=8"], None, {"make": "GNU Make 4.4.1"}, False),
        (["make"], "-j4", {"make": "GNU Make 4.4.1"}, False),
        (["make"], "-- --jobserver-auth=3,4", {"make": "GNU Make 4.4.1"}, False),
        (["ninja"], None, {"ninja": "1.13.0"}, True),
        (["ninja"], None, {"ninja": "1.13.2.git.kitware.jobserver-pipe-1", "make": "GNU Make 4.4.1"}, True),
        (["ninja"], None, {"ninja": "1.13.0", "make": "GNU Make 4.3"}, False),
        (["ninja"], None, {"ninja": "1.12.1"}, False),
        (["ninja"], None, {"ninja": "nonsense"}, False),
        (["ninja"], None, {}, False),
        (["pip", "install", "x"], None, {"make": "GNU Make 4.4.1", "ninja": "1.13.0"}, False),
    ],
    ids=str,
)
def test_who_is_offered_one(tmp_path: Path, argv: list[str], makeflags: str | None, tools: dict[str, str], offered: bool) -> None:
    for name, version in tools.items():
        script(tmp_path / name, f"#!/bin/sh\necho '{version}'\n")
    environment = {"PATH": str(tmp_path)} | ({} if makeflags is None else {"MAKEFLAGS": makeflags})
    assert speaks(argv, environment) is offered


def tokens(server: Jobserver) -> int:
    """How many jobs could begin beside the first."""
    path = server.flags.partition("fifo:")[2]
    pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        taken = os.read(pipe, 100) if select.select([pipe], [], [], 0)[0] else b""
        os.write(pipe, taken)
        return len(taken)
    finally:
        os.close(pipe)


def test_tokens_are_taken_while_memory_is_short_and_come_back_one_by_one() -> None:
    server = Jobserver(4)
    place = Path(server.flags.partition("fifo:")[2]).parent
    try:
        assert server.flags.startswith(" -j4 --jobserver-auth=fifo:")
        assert tokens(server) == 3
        server.tend(short=True)
        assert tokens(server) == 0
        server.tend(short=True)
        for back in (1, 2, 3, 3):
            server.tend(short=False)
            assert tokens(server) == back
    finally:
        server.close()
    assert not place.exists()


@pytest.mark.real
def test_a_real_ninja_obeys_it(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    assert pytestconfig.cache is not None
    place = Path(pytestconfig.cache.mkdir("sparkdoctor-ninja-1.13"))
    if not (place / "ninja").is_dir():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(place), "ninja==1.13.0"]
        if (ran := subprocess.run(command, check=False, capture_output=True, text=True)).returncode:
            pytest.skip(f"pip cannot install ninja: {ran.stderr.strip()}")
    (ninja,) = place.glob("**/bin/ninja")
    steps = "".join(f"build o{i}: s\n" for i in range(4))
    (tmp_path / "build.ninja").write_text(f"rule s\n  command = {shutil.which('sleep')} 0.4\n{steps}")
    command = [sys.executable, "-m", "sparkdoctor", "build", "--jobs", "2", "--", str(ninja), "-v", "-d", "stats"]
    env = {**os.environ, "PATH": str(ninja.parent), "SPARKDOCTOR_STATE": str(tmp_path / "state")}
    env.pop("MAKEFLAGS", None)
    ended = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert "Jobserver mode detected:  -j2" in ended.stdout
