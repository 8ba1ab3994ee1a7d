"""Several fixes on one machine: any sequence of them and of undos restores the tree; what one leaves alone is said."""

import os
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from by_hand import GIB, but
from fixes.test_patch_deepspeed import DONE, UNPATCHED
from lab import PLAIN
from sparkdoctor.facts import (
    BuildSettings,
    CacheAccess,
    Cutlass,
    DeepspeedSource,
    EnvironmentFile,
    Exports,
    Extensions,
    Memory,
    Rebuilds,
)
from sparkdoctor.journal import Journal
from sparkdoctor.plan import Plan
from sparkdoctor.treatment import Outcome, undo
from ward import OLD, Ward

FIXES = (
    "clear-extension-lock",
    "quarantine-foreign-extension",
    "rebuild-extension",
    "secure-extension-cache",
    "patch-deepspeed",
    "set-environment",
)


def everything(place: Path, library: Path) -> Ward:
    """All of it at once: a lock, a foreign and a damaged extension, modes, a DeepSpeed, no file of variables."""
    ward = Ward(place, library)
    ward.lives(Extensions, Rebuilds, CacheAccess, DeepspeedSource, EnvironmentFile, Exports, BuildSettings)
    ward.deepspeed({**DONE, "builder": UNPATCHED["builder"]})
    ward.knows(but(Cutlass), but(Memory, available=40 * GIB, free=20 * GIB, swap_free=0))
    lock = ward.extension("locked") / "lock"
    lock.touch()
    os.utime(lock, (OLD, OLD))
    ward.extension("foreign", PLAIN.replace("python3.12", "python3.11"))
    (ward.extension("op") / "op.so").unlink()
    (ward.lab.root / "locked" / "build.ninja").chmod(0o666)
    for name in ("locked", "foreign"):
        (ward.lab.root / name / "op.so").rename(ward.lab.root / name / f"{name}.so")
        recipe = ward.lab.root / name / "build.ninja"
        recipe.write_text(recipe.read_text().replace("op.so", f"{name}.so"))
    return ward


def take_back(ward: Ward, number: int = -1) -> list[str]:
    """`sparkdoctor undo`."""
    journal = Journal(str(ward.state))
    with journal.locked():
        done = [one for one in journal.treatments() if any(not record.undone for record in one.records())]
        return undo(done[number], ward.environment) if done else []


def test_all_at_once(tmp_path: Path, library: Path) -> None:
    ward = everything(tmp_path, library)
    before = ward.seen()
    treated, practice = ward.treat()
    outcomes = {one.fix.id: one.outcome for one in treated}
    assert outcomes.pop("warm-kernels") is Outcome.REFUSED  # this Python lacks the package ninja
    assert outcomes == dict.fromkeys(FIXES, Outcome.CURED), treated
    again, idle = ward.treat(environment=practice.environment)
    assert ({one.fix.id: one.outcome for one in again}, idle.treatment) == ({"warm-kernels": Outcome.REFUSED}, None)
    assert take_back(ward) == []
    assert ward.seen() == before


@settings(max_examples=12)
@given(st.lists(st.sampled_from((*FIXES, "", "undo", "undo")), min_size=1, max_size=8))
def test_any_sequence_of_fixes_and_undos_restores_the_tree(library: Path, deeds: list[str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        ward = everything(Path(place), library)
        before = ward.seen()
        for deed in deeds:
            if deed == "undo":
                assert take_back(ward) == []
                continue
            treated, _ = ward.treat(*([deed] if deed else []))
            assert {one.outcome for one in treated} <= {Outcome.CURED, Outcome.NOT_NEEDED, Outcome.REFUSED}, treated
            assert all(isinstance(one.plan, Plan) for one in treated if one.outcome is Outcome.CURED)
        for _ in deeds:
            assert take_back(ward) == []
        assert ward.seen() == before


def test_a_lock_that_is_left_alone_is_named_with_the_reason(tmp_path: Path, library: Path) -> None:
    ward = Ward(tmp_path, library, "clear-extension-lock")
    ward.lives(Extensions)
    for name, content in (("stale", ""), ("strange", "somebody's")):
        path = ward.lab.add(name)
        (path / "op.so").rename(path / f"{name}.so")
        (path / "lock").write_text(content)
        os.utime(path / "lock", (OLD, OLD))
    ((treated,), _) = ward.treat(ward.fix)
    assert treated.outcome is Outcome.NOT_CURED
    lock = ward.lab.root / "strange" / "lock"
    assert treated.reason.startswith("extension-cache-locked still says: strange ")
    assert treated.reason.endswith(f"; {lock} has content, so it is no lock of PyTorch's")
    assert treated.command == f"rm {lock}"
    assert (lock.exists(), (ward.lab.root / "stale" / "lock").exists()) == (True, False)


def test_an_extension_that_is_left_alone_is_named_with_the_reason(tmp_path: Path, library: Path) -> None:
    ward = Ward(tmp_path, library, "quarantine-foreign-extension")
    ward.lives(Extensions, Rebuilds)
    for name in ("one", "other"):
        ward.extension(name, PLAIN.replace("python3.12", "python3.11").replace("op.so", f"{name}.so"))
        (ward.lab.root / name / "op.so").rename(ward.lab.root / name / f"{name}.so")
    (ward.lab.root / "other").rename(tmp_path / "elsewhere")
    (ward.lab.root / "other").symlink_to(tmp_path / "elsewhere")
    ((treated,), _) = ward.treat(ward.fix)
    assert treated.outcome is Outcome.NOT_CURED
    assert treated.reason.endswith(f"; {ward.lab.root}/other is reached through a symbolic link, to {tmp_path}/elsewhere")
    assert sorted(path.name for path in ward.lab.root.iterdir()) == ["one.aside", "other"]
