"""Extensions of another environment, moved aside: on facts made by hand, and in a real directory."""

import os
from pathlib import Path

import pytest

from by_hand import EVOFORMER, ROOT, but, place
from crashing import treat
from lab import PLAIN, Lab
from remedies import answer, asked, planned, refused
from sparkdoctor.facts import Container, Extensions, Rebuilds
from sparkdoctor.facts.extensions import State
from sparkdoctor.facts.places import Mount
from sparkdoctor.machine import FileStatus, Holders
from sparkdoctor.model import Missing
from sparkdoctor.plan import Move, NotNeeded

FIX = "quarantine-foreign-extension"
NOW = 1_760_000_000
VOLUME = place(ROOT, mount=Mount("/home", "ext4"))
FOREIGN = EVOFORMER._replace(state=State.FOREIGN, reasons=("it was compiled for Python 3.11; today's is 3.12",))
OURS = FileStatus("directory", 0, 0o755, EVOFORMER.path, True, True, True, 1000, 1000, NOW)


@pytest.mark.parametrize("mild", [False, True])
def test_a_foreign_extension_is_moved_aside(mild: bool) -> None:
    plan = planned(answer(FIX, but(Extensions, found=(FOREIGN._replace(mild=mild),))))
    assert plan.steps == (Move(EVOFORMER.path, f"{EVOFORMER.path}.aside"),)
    assert "Python 3.11" in plan.notes[0]


def test_nothing_is_foreign() -> None:
    assert isinstance(answer(FIX), NotNeeded)


def test_what_may_not_be_moved() -> None:
    linked = FOREIGN._replace(place=OURS._replace(real="/elsewhere"))
    assert "symbolic link, to /elsewhere" in refused(answer(FIX, but(Extensions, found=(linked,)))).reason
    read_only = but(Extensions, found=(FOREIGN,), root=place(ROOT, writable=False))
    assert (refused(answer(FIX, read_only)).command or "").startswith("sudo mv -T --backup=numbered ")
    sticky = place(ROOT, mode=0o1777, uid=0)
    theirs = FOREIGN._replace(place=OURS._replace(uid=1001))
    assert "sticky" in refused(answer(FIX, but(Extensions, found=(theirs,), root=sticky, uid=1000))).reason
    lock = FileStatus("file", 0, 0o644, f"{EVOFORMER.path}/lock", True, True, False, 1000, 1000, NOW - 60)
    young = but(Extensions, found=(FOREIGN._replace(lock=lock),), root=VOLUME, flocks=True, holders=Holders(NOW, (), 0))
    assert "may be in the making" in refused(answer(FIX, young, Container("docker"))).reason
    planned(answer(FIX, young))
    assert "no room" in refused(answer(FIX, but(Extensions, found=(FOREIGN,)), rebuilds=Missing("no room"))).reason


def test_one_that_cannot_be_moved_does_not_hold_up_another() -> None:
    linked = FOREIGN._replace(name="a", path=f"{ROOT}/a", place=OURS._replace(real="/elsewhere"))
    plan = planned(answer(FIX, but(Extensions, found=(FOREIGN, linked))))
    assert len(plan.steps) == 1
    assert "symbolic link" in plan.notes[-1]


def test_names_that_are_taken() -> None:
    taken = {"evoformer_attn.aside", "evoformer_attn.aside.~1~", "evoformer_attn.aside.~3~"}
    plan = planned(answer(FIX, but(Extensions, found=(FOREIGN,)), Rebuilds(frozenset(taken), {})))
    assert plan.steps == (Move(EVOFORMER.path, f"{EVOFORMER.path}.aside.~2~"),)


def test_a_real_one_twice(lab: Lab) -> None:
    for number, name in enumerate(("op.aside", "op.aside.~1~")):
        path = lab.add(text=PLAIN.replace("python3.12", "python3.11"))
        (path / "mark").write_text(str(number))
        assert lab.state()[0] is State.FOREIGN
        treat(lab.place / "state", planned(asked(FIX, lab.machine())).steps)
        assert lab.look().found == ()
        assert (lab.root / name / "mark").read_text() == str(number)
    assert isinstance(asked(FIX, lab.machine()), NotNeeded)


def test_a_link_in_the_cache_is_left_alone(lab: Lab, tmp_path: Path) -> None:
    path = lab.add(text=PLAIN.replace("python3.12", "python3.11"))
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    refused(asked(FIX, lab.machine()))
    assert os.path.islink(path)
