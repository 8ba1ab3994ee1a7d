"""Locks of builds that have ended, removed: on facts made by hand, and in a real directory."""

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from by_hand import EVOFORMER, ROOT, but, place
from crashing import treat
from lab import FLOCK, Lab
from remedies import answer, asked, planned, refused
from sparkdoctor.facts import Container, Extensions
from sparkdoctor.facts.extensions import State
from sparkdoctor.facts.places import Mount
from sparkdoctor.machine import FileStatus, Holder, Holders
from sparkdoctor.model import Broken, Missing
from sparkdoctor.plan import NotNeeded, RemoveFile
from standins.hosts import Witness

FIX = "clear-extension-lock"
NOW = 1_760_000_000
LOCK = f"{EVOFORMER.path}/lock"
VOLUME = place(ROOT, mount=Mount("/home", "ext4"))
NOBODY = Holders(NOW, (), 0)


def locked(
    *, age: int = 60, holders: Any = NOBODY, root: Any = None, uid: int = 1000, held: tuple[Holder, ...] = (), **lock: Any
) -> Any:
    status = FileStatus("file", 0, 0o644, LOCK, True, True, False, uid, uid, NOW - age)._replace(**lock)
    one = EVOFORMER._replace(state=State.LOCKED, lock=status, holders=held, reasons=tuple(holder.name for holder in held))
    return but(Extensions, found=(one,), holders=holders, root=root or place(ROOT), uid=1000)


def test_a_lock_that_nobody_holds_is_removed() -> None:
    plan = planned(answer(FIX, locked()))
    assert plan.steps == (RemoveFile(LOCK, "", NOW - 60),)
    assert plan.notes == ()
    assert plan.summary == "evoformer_attn waits no more for a build that has ended"


def test_nothing_is_locked() -> None:
    assert answer(FIX) == NotNeeded("no extension is locked")
    building = EVOFORMER._replace(state=State.BUILDING, reasons=("python (pid 7) has it",))
    found = answer(FIX, but(Extensions, found=(building,)))
    assert isinstance(found, NotNeeded)
    assert "is being built: python (pid 7)" in found.reason


@pytest.mark.parametrize(
    ("extensions", "container", "words"),
    [
        (locked(root=place(ROOT, mount=Mount("/home", "nfs4"))), None, "is on nfs4"),
        (locked(root=VOLUME), "docker", "processes outside of it cannot be seen"),
        (locked(uid=1001), None, "is uid 1001's"),
        (locked(holders=Holders(NOW, (), 3), uid=0), None, "3 processes of others"),
        (locked(holders=Broken("/proc: denied")), None, "/proc: denied"),
    ],
)
def test_a_young_lock_is_left_where_not_everybody_can_be_seen(extensions: Any, container: str | None, words: str) -> None:
    found = refused(answer(FIX, extensions, Container(container)))
    assert words in found.reason
    assert found.command == f"rm {LOCK}"


def test_an_old_one_is_removed_all_the_same_and_the_doubt_is_told() -> None:
    plan = planned(answer(FIX, locked(age=4000, root=VOLUME), Container("docker")))
    assert "processes outside of it cannot be seen" in plan.notes[0]
    # Without a look at processes there is no telling how old it is.
    refused(answer(FIX, locked(age=4000, holders=Missing("no /proc"))))


def test_what_is_no_lock_of_pytorch_s_stays() -> None:
    assert "has content" in refused(answer(FIX, locked(size=5))).reason
    assert "symbolic link" in refused(answer(FIX, locked(real="/etc/passwd"))).reason
    assert "is not known" in refused(answer(FIX, locked(mtime=None))).reason


def test_compilers_that_go_on_are_waited_for() -> None:
    found = refused(answer(FIX, locked(held=(Holder(7, "cicc", EVOFORMER.path),))))
    assert "cicc" in found.reason
    assert found.command == f"tail --pid=7 -f /dev/null; rm {LOCK}"


def test_who_may_not_write_there_is_told_how() -> None:
    extensions = locked()
    theirs = but(Extensions, found=(extensions.found[0]._replace(writable=False),), holders=NOBODY)
    assert refused(answer(FIX, theirs)).command == f"sudo rm {LOCK}"


def test_of_two_locks_only_the_stale_one(lab: Lab) -> None:
    for name in ("op", "other"):
        (lab.add(name) / "lock").touch()
    with (lab.root / "other" / "lock").open() as lock, subprocess.Popen(["sleep", "60"], stdin=lock) as holder:
        plan = planned(asked(FIX, lab.machine()))
        holder.kill()
    assert [step.path for step in plan.steps if isinstance(step, RemoveFile)] == [f"{os.path.realpath(lab.root)}/op/lock"]


def test_a_real_lock(lab: Lab, witness: Witness) -> None:
    path = lab.add()
    (path / "lock").touch()
    before = {file: file.read_bytes() for file in path.iterdir() if file.name != "lock"}
    treat(lab.place / "state", planned(asked(FIX, lab.machine())).steps)
    assert {file: file.read_bytes() for file in path.iterdir()} == before
    assert lab.state() == (State.WHOLE, "")
    assert isinstance(asked(FIX, lab.machine()), NotNeeded)


def test_a_lock_of_the_kernel_s_is_no_lock(lab: Lab) -> None:
    (lab.add() / "lock").touch()
    lab.of_torch("2.14.1", "13.0", FLOCK)
    assert isinstance(asked(FIX, lab.machine()), NotNeeded)


def test_links_are_not_followed(lab: Lab, tmp_path: Path) -> None:
    path = lab.add()
    (path / "lock").symlink_to(lab.torch / "__init__.py")
    assert "symbolic link" in refused(asked(FIX, lab.machine())).reason
    (path / "lock").unlink()
    (path / "lock").touch()
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    found = refused(asked(FIX, lab.machine()))
    assert ("symbolic link" in found.reason, found.command) == (True, None)


def test_a_lock_with_content(lab: Lab) -> None:
    (lab.add() / "lock").write_text("mine")
    os.utime(lab.root / "op" / "lock", (time.time() - 9000,) * 2)
    assert "has content" in refused(asked(FIX, lab.machine())).reason
