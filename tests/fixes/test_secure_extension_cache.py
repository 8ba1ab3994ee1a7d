"""The right to write, taken from others: on facts made by hand, and in a real directory."""

import os
from pathlib import Path
from typing import Any

import pytest

from by_hand import EVOFORMER, HOME, ROOT, place
from crashing import treat
from lab import Lab
from remedies import answer, asked, planned, refused
from sparkdoctor.facts import CacheAccess
from sparkdoctor.facts.cache_access import Opening
from sparkdoctor.plan import MakeDirectory, NotNeeded, SetMode

FIX = "secure-extension-cache"
PRIVATE = "export TORCH_EXTENSIONS_DIR=~/.cache/torch_extensions-own"


def opening(path: str = ROOT, mode: int = 0o777, **more: Any) -> Opening:
    return Opening(path, mode, "may be written by everybody", **{"uid": 1000, "real": path, **more})


def access(*openings: Opening, root: Any = None, uid: int = 1000) -> CacheAccess:
    return CacheAccess(root or place(ROOT), openings, uid)


@pytest.mark.parametrize(("mode", "after"), [(0o777, 0o755), (0o2775, 0o2755), (0o1777, 0o1755), (0o666, 0o644), (0o720, 0o700)])
def test_the_right_to_write_and_nothing_else(mode: int, after: int) -> None:
    assert planned(answer(FIX, access(opening(mode=mode)))).steps == (SetMode(ROOT, after, mode),)


def test_nothing_is_open() -> None:
    assert isinstance(answer(FIX), NotNeeded)


@pytest.mark.parametrize(
    ("bad", "uid", "command"),
    [
        (opening(owner=True, uid=1001), 1000, PRIVATE),
        (opening(owner=True, uid=1001), 0, PRIVATE),
        (opening(real="/elsewhere"), 1000, PRIVATE),
        (opening("/opt/it", uid=0), 1000, f"sudo chmod go-w {EVOFORMER.path} /opt/it"),
        (opening("/opt", uid=0, above=True), 1000, f"sudo chmod go-w {EVOFORMER.path} /opt"),
        (opening("/tmp", uid=0, above=True), 0, f"chmod go-w {EVOFORMER.path} /tmp"),
        (opening("/opt/it", uid=65534), 0, f"chmod go-w {EVOFORMER.path} /opt/it"),
    ],
)
def test_all_or_nothing(bad: Opening, uid: int, command: str) -> None:
    assert refused(answer(FIX, access(opening(EVOFORMER.path, uid=uid), bad, uid=uid))).command == command


def test_a_directory_above_that_is_this_user_s_own() -> None:
    plan = planned(answer(FIX, access(opening("/home/user", 0o775, above=True))))
    assert plan.steps == (SetMode("/home/user", 0o755, 0o775),)
    # Nobody can make a directory first in a home that only a group may write: it is closed.
    free = place(ROOT, there=False)
    assert planned(answer(FIX, access(opening("/home/user", 0o775, above=True), root=free))).steps == plan.steps


def test_a_name_that_is_still_free() -> None:
    tmp = opening("/tmp", 0o1777, uid=0, above=True)
    free = place("/tmp/a/b", there=False)._replace(above=(("/tmp", HOME._replace(mode=0o1777, uid=0)),))
    plan = planned(answer(FIX, access(tmp, root=free)))
    assert plan.steps == (MakeDirectory("/tmp/a", 0o700), MakeDirectory("/tmp/a/b", 0o700))
    other = opening("/", uid=0, above=True)
    assert refused(answer(FIX, access(tmp, other, root=free))).command == PRIVATE


def test_a_real_cache(lab: Lab) -> None:
    path = lab.add()
    changed = {path: 0o2775, path / "op.so": 0o777, path / "build.ninja": 0o646, lab.root: 0o757}
    for one, mode in changed.items():
        one.chmod(mode)
    os.chown(lab.root, os.getuid(), os.getgid())
    before = {file: file.stat().st_mode for file in lab.root.rglob("*")}
    machine = lab.machine()
    treat(lab.place / "state", planned(asked(FIX, machine)).steps)
    assert isinstance(asked(FIX, lab.machine()), NotNeeded)
    for file, mode in before.items():
        assert file.stat().st_mode in {mode, mode & ~0o022}
    assert lab.root.stat().st_mode & 0o7777 == 0o755
    assert (path / "build.ninja").stat().st_mode & 0o7777 == 0o644


def test_a_real_library_elsewhere(lab: Lab, tmp_path: Path) -> None:
    path = lab.add()
    (path / "op.so").rename(tmp_path / "op.so")
    (path / "op.so").symlink_to(tmp_path / "op.so")
    (tmp_path / "op.so").chmod(0o777)
    assert "symbolic link" in refused(asked(FIX, lab.machine())).reason


def test_a_real_name_that_is_free(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t").chmod(0o1777)
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "t" / "a" / "b"))
    plan = planned(asked(FIX, lab.machine()))
    assert len(plan.steps) == 2
    treat(lab.place / "state", plan.steps)
    assert isinstance(asked(FIX, lab.machine()), NotNeeded)
