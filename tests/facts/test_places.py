"""Where caches lie, who may write them, and what else is asked of them."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from lab import Lab
from sparkdoctor.facts import CacheAccess, Ninja, TritonCache
from sparkdoctor.facts.cache_access import _opening
from sparkdoctor.facts.places import Mount, home, locate, mount_of
from sparkdoctor.host import LocalHost, Question
from sparkdoctor.machine import FileStatus
from sparkdoctor.model import Broken, Missing
from standins.hosts import Elsewhere, Paper, machine_of, script

MOUNTS = """\
22 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw
40 22 0:35 / /home rw,relatime shared:2 - nfs4 server:/home rw
41 40 0:36 / /home/me/a\\040b rw - tmpfs tmpfs rw
42 22 0:37 / /homes rw - fuse.sshfs x rw
nonsense
43 22
"""


@pytest.mark.parametrize(
    ("path", "mount"),
    [
        ("/", Mount("/", "ext4")),
        ("/root/.cache", Mount("/", "ext4")),
        ("/home", Mount("/home", "nfs4")),
        ("/home/me/x", Mount("/home", "nfs4")),
        ("/home/me/a b/c", Mount("/home/me/a b", "tmpfs")),
        ("/homestead", Mount("/", "ext4")),
    ],
)
def test_mounts(path: str, mount: Mount) -> None:
    assert mount_of(path, MOUNTS) == mount
    assert mount_of(path, MOUNTS + f"44 22 0:38 / {mount.point.replace(' ', chr(92) + '040')} rw - xfs x rw\n") == Mount(
        mount.point, "xfs"
    )
    assert mount_of(path, "") is None


def test_a_place_is_found_through_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    found = locate(machine_of(Elsewhere()), f"{tmp_path}/link/new/deep")
    real = os.path.realpath(tmp_path)
    assert (found.path, found.status) == (f"{real}/real/new/deep", None)
    assert [path for path, _ in found.above][:2] == [f"{real}/real", real]
    assert found.above[-1][0] == "/"
    assert found.mount is not None
    there = locate(machine_of(Elsewhere()), f"{tmp_path}/link")
    assert there.status is not None
    assert there.path == f"{real}/real"
    for path in ("/", "//", "///tmp/.."):
        assert locate(machine_of(Elsewhere()), path)[::2] == ("/", ())


def test_home() -> None:
    passwd = {"/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nx:x:1000:0:y:1000:z\nme:x:1000:1000:,,,:/home/me/:/bin/sh\n"}
    itself = {"self": {"uid": 1000, "cwd": "/"}}
    assert home(machine_of(Paper(passwd, answers={"self": {"uid": 0}}))) == "/root"
    assert home(machine_of(Paper({"/etc/passwd": passwd["/etc/passwd"].partition("x:x")[0]}, answers=itself))) == "~"
    assert home(machine_of(Paper(passwd, env={"HOME": "/h//"}))) == "/h"
    assert home(machine_of(Paper(passwd, env={"HOME": ""}))) == ""


# --- who may write


def mode(value: int, uid: int = 1000, gid: int = 1000) -> FileStatus:
    return FileStatus("directory", 0, value, "/x", True, True, True, uid, gid, 0)


@pytest.mark.parametrize(
    ("status", "members", "words"),
    [
        (mode(0o755), 0, None),
        (mode(0o755, uid=0), 0, None),
        (mode(0o755, uid=65534), 0, None),
        (mode(0o775), 0, None),  # Ubuntu's group of one
        (mode(0o775, gid=0), 0, None),
        (mode(0o775), 1, "may be written by 1 other of group 1000"),
        (mode(0o775, gid=100), 3, "may be written by 3 others of group 100"),
        (mode(0o775, gid=77), Missing("77"), "whose members are not known here"),
        (mode(0o777), 0, "may be written by everybody"),
        (mode(0o700, uid=1001), 0, "belongs to uid 1001"),
    ],
)
def test_who_may_write(status: FileStatus, members: Any, words: str | None) -> None:
    machine = machine_of(Paper(answers={f"members {status.gid}": members}))
    found = _opening(machine, "/x", status, 1000)
    assert (found is None) if words is None else (found is not None and words in found.words)
    assert _opening(machine, "/x", mode(0o1777, 0, 0), 1000, guarded=True) is None


def access(lab: Lab) -> list[str]:
    """What is open in the lab; who may write above it is not the lab's."""
    found = lab.machine().get(CacheAccess)
    assert isinstance(found, CacheAccess), found
    place = os.path.realpath(lab.place)
    return [
        f"{os.path.relpath(one.path, place)}: {one.words}" for one in found.openings if f"{one.path}/".startswith(f"{place}/")
    ]


def test_everything_that_is_loaded_is_looked_at(lab: Lab) -> None:
    path = lab.add()
    assert access(lab) == []
    for name in ("op.so", "build.ninja", "op.o", ".ninja_log"):
        (path / name).chmod(0o666)
    everybody = "may be written by everybody"
    assert access(lab) == [f"root/op/{name}: {everybody}" for name in ("op.so", "op.o", "build.ninja")]
    for name in ("op.so", "build.ninja", "op.o"):
        (path / name).chmod(0o644)
    lab.root.chmod(0o777)
    assert access(lab) == [f"root: {everybody}"]
    lab.root.chmod(0o755)
    lab.place.chmod(0o777)
    assert access(lab) == [f".: {everybody}"]
    lab.place.chmod(0o1777)
    assert access(lab) == []
    shutil.rmtree(lab.root)
    assert access(lab) == [f".: {everybody}"]  # the name is free
    lab.place.chmod(0o700)
    assert access(lab) == []


def test_owners_that_a_tape_does_not_tell_are_not_judged(lab: Lab) -> None:
    said = LocalHost().answer(Question("lineage", (str(lab.root),)), 1)
    old = [{name: value for name, value in one.items() if name not in ("uid", "gid", "mtime")} for one in said]
    assert isinstance(lab.machine(**{f"lineage {lab.root}": old}).get(CacheAccess), Missing)


# --- ninja, Triton's cache, DeepSpeed


def test_ninja_is_the_one_on_path_or_lies_aside(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lab.machine().get(Ninja) == Ninja(f"{lab.place}/bin/ninja", "1.99", None)
    monkeypatch.setenv("PATH", str(lab.place / "lab"))
    assert lab.machine().get(Ninja) == Ninja(Missing("PATH has no ninja"), "", None)
    script(lab.place / "lab" / "ninja", "#!/bin/sh\necho no >&2; exit 1\n")
    found = lab.machine().get(Ninja)
    assert isinstance(found, Ninja)
    assert isinstance(found.path, Broken)
    assert "exited with status 1: no" in found.path.reason


def triton_of(version: str, **env: str) -> TritonCache:
    said = {"version": "3.12.3", "include": "/i", "distributions": [], "modules": {"triton": {"origin": "/t/triton/__init__.py"}}}
    ran = {"code": 0, "stdout": f"sparkdoctor-interpreter:{json.dumps(said)}", "stderr": ""}
    files = {"/t/triton/__init__.py": f"__version__ = '{version}'\n", "/h/.triton/cache/ABC/x": "", "/h/.triton/cache/DEF/x": ""}
    host = Paper(
        files,
        env={"SPARKDOCTOR_PYTHON": "/p", "HOME": "/h", **env},
        answers={"script /p": ran, "self": {"uid": 1000, "cwd": "/w", "machine": "x", "patient_python": None}},
    )
    found = machine_of(host).get(TritonCache)
    assert isinstance(found, TritonCache), found
    return found


@pytest.mark.parametrize(
    ("version", "env", "variable", "path"),
    [
        ("3.7.1", {}, None, "/h/.triton/cache"),
        ("3.7.1", {"TRITON_CACHE_DIR": "/c"}, "TRITON_CACHE_DIR", "/c"),
        ("3.7.1", {"TRITON_CACHE_DIR": "c"}, "TRITON_CACHE_DIR", "/w/c"),
        ("3.7.1", {"TRITON_HOME": "/th"}, "TRITON_HOME", "/th/.triton/cache"),
        ("3.7.1", {"TRITON_HOME": "/th", "TRITON_CACHE_DIR": "/c"}, "TRITON_CACHE_DIR", "/c"),
        ("3.7.1", {"TRITON_CACHE_DIR": ""}, "TRITON_CACHE_DIR", None),
        ("3.3.1", {"TRITON_CACHE_DIR": ""}, None, "/h/.triton/cache"),
    ],
)
def test_triton_s_cache(version: str, env: dict[str, str], variable: str | None, path: str | None) -> None:
    found = triton_of(version, **env)
    assert found.variable == variable
    if path is None:
        assert isinstance(found.place, Broken)
    else:
        assert not isinstance(found.place, Missing)
        assert found.place.path == path
        assert found.kernels == (2 if path.startswith("/h") else 0)
