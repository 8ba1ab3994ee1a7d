"""Every fix where the disk is full, read-only or somebody else's, where things change meanwhile, and where links lie in the way."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crashing import contents, mounted, tree, undo_all
from sparkdoctor.plan import Move, RemoveFile, Run, SetMode, Step, Work, WriteFile
from sparkdoctor.treatment import Outcome, Treated
from ward import SCENARIOS, Ward, admitted

ON_FILES = [name for name in SCENARIOS if name.partition(",")[0] not in ("install-build-tools", "grow-shm", "drop-page-cache")]
"""The others change nothing but by commands, whose own affair that is."""
ON_ALL = pytest.mark.parametrize("name", ON_FILES)
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="mounts, and files of other users, are root's to make")
WITHOUT_ROOM = ("clear-extension-lock", "quarantine-foreign-extension", "secure-extension-cache")
"""What these do takes no room."""


def one(ward: Ward, **options: Any) -> Treated:
    """How the fix ends, with a reason that a person can read."""
    ((treated,), _) = ward.treat(ward.fix, **options)
    assert treated.outcome in (Outcome.CURED, Outcome.FAILED, Outcome.REFUSED), treated
    assert len(treated.reason) > 10
    assert "[Errno" not in treated.reason
    return treated


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of a MiB, for the tree."""
    with mounted(tmp_path / "tree", "1m") as place:
        yield place


def fill(place: Path) -> None:
    with (place / "filler").open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            return


@ROOT_ONLY
@ON_ALL
def test_a_full_disk(name: str, small: Path, tmp_path: Path, library: Path) -> None:
    ward = admitted(name, tmp_path, library)
    fill(small)
    before = ward.seen()
    treated = one(ward)
    if ward.fix in WITHOUT_ROOM or name == "rebuild-extension, moved aside alone":
        assert treated.outcome in (Outcome.CURED, Outcome.FAILED), treated
        assert undo_all(ward.state, ward.around()) == []
    else:
        assert treated.outcome in (Outcome.FAILED, Outcome.REFUSED), treated
        assert f"{ward.tree}/" in treated.reason
        assert "No space left on device" in treated.reason or "are free for" in treated.reason
    assert ward.seen() == before


@ROOT_ONLY
@ON_ALL
def test_a_read_only_file_system(name: str, small: Path, tmp_path: Path, library: Path) -> None:
    ward = admitted(name, tmp_path, library)
    before = ward.seen()
    subprocess.run(["mount", "-o", "remount,ro", small], check=True)
    treated = one(ward)
    assert treated.outcome in (Outcome.REFUSED, Outcome.FAILED), treated
    assert "cannot be written" in treated.reason or "Read-only file system" in treated.reason
    assert ward.seen() == before


@ROOT_ONLY
@ON_ALL
def test_a_tree_of_somebody_else(name: str, tmp_path: Path, library: Path) -> None:
    """As a user who is not root, on what belongs to another."""
    ward = admitted(name, tmp_path, library)
    for path in (ward.tree, *ward.tree.rglob("*")):
        os.chown(path, 4711, 4711, follow_symlinks=False)
        if path.is_dir():
            path.chmod(path.stat().st_mode & ~0o022 if name != "secure-extension-cache" else path.stat().st_mode)
    for parent in (tmp_path, *tmp_path.parents[:3]):
        parent.chmod(parent.stat().st_mode | 0o055)
    os.chown(tmp_path / "bin", 4712, 4712)
    (tmp_path / "state").mkdir(0o700)
    os.chown(tmp_path / "state", 4712, 4712)
    before = ward.seen()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(4712)
            os.setuid(4712)
            treated = one(ward)
            os.write(write, f"{treated.outcome}: {treated.reason}".encode())
        except BaseException as error:  # noqa: BLE001 (whatever it is, the parent is told)
            os.write(write, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read, encoding="utf-8") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    assert said.startswith(("refused: ", "failed: ")), said
    assert any(words in said for words in ("cannot be written", "Permission denied", "belongs to", "not permitted")), said
    assert ward.seen() == before


def disturb(step: Step) -> None:
    """Somebody changes what a step is about."""
    match step:
        case WriteFile(path, _, None):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text("somebody's")
        case WriteFile(path) | RemoveFile(path):
            Path(path).write_text("somebody's")
        case Move(path, to):
            Path(to).mkdir()
        case SetMode(path):
            Path(path).chmod(0o700)
        case Run() | Work():
            pytest.fail("no step on a file")
        case made:
            Path(made.path).mkdir(parents=True)


def steps_of(name: str, place: Path, library: Path) -> list[Step]:
    return [step for step in admitted(name, place, library).plan().steps if not isinstance(step, Run | Work)]


@ON_ALL
def test_what_changes_between_plan_and_deed(name: str, tmp_path: Path, library: Path) -> None:
    (tmp_path / "plan").mkdir()
    made: set[str] = set()
    for number, step in enumerate(steps_of(name, tmp_path / "plan", library)):
        place = tmp_path / str(number)
        place.mkdir()
        if getattr(step, "path", "") in made or (isinstance(step, WriteFile) and os.path.dirname(step.path) in made):
            continue  # it is what the plan itself has put there
        if isinstance(step, Move):
            made.add(step.path)
        ward = admitted(name, place, library)
        seen: list[Any] = []

        def agree(_fix: Any, plan: Any, number: int = number, ward: Ward = ward, seen: list[Any] = seen) -> bool:
            disturb([step for step in plan.steps if not isinstance(step, Run | Work)][number])
            seen.append(ward.seen())
            return True

        treated = one(ward, agree=agree)
        assert treated.outcome in (Outcome.REFUSED, Outcome.FAILED), (step, treated)
        assert any(words in treated.reason for words in ("has changed since", "is there", "has the mode", "is gone")), treated
        assert contents(ward.seen()) == contents(seen[0])


@ON_ALL
def test_a_link_put_in_the_way_between_plan_and_deed(name: str, tmp_path: Path, library: Path) -> None:
    ward = admitted(name, tmp_path, library)
    seen: list[Any] = []

    def agree(_fix: Any, plan: Any) -> bool:
        paths = (step.fills if isinstance(step, Work) else step.path for step in plan.steps if not isinstance(step, Run))
        first = Path(next(path for path in paths if path))
        parent = next(one for one in first.parents if one.exists())
        if parent == ward.tree:
            parent = first.parents[0]
        shutil.move(parent, tmp_path / "elsewhere")
        parent.symlink_to(tmp_path / "elsewhere")
        seen.append((ward.seen(), tree(tmp_path / "elsewhere")))
        return True

    treated = one(ward, agree=agree)
    assert treated.outcome in (Outcome.REFUSED, Outcome.FAILED), treated
    assert "is reached through a symbolic link" in treated.reason
    assert (ward.seen(), tree(tmp_path / "elsewhere")) == seen[0]


CACHE = [name for name in ON_FILES if "extension" in name or ("warm" in name and "Triton" not in name)]


@pytest.mark.parametrize("name", [name for name in CACHE if "yet" not in name])
@pytest.mark.parametrize("dangling", [False, True])
def test_an_extension_that_is_a_link(name: str, dangling: bool, tmp_path: Path, library: Path) -> None:
    ward = admitted(name, tmp_path, library)
    path = ward.lab.root / ("evoformer_attn" if ward.fix == "warm-kernels" else "op")
    elsewhere = tmp_path / "elsewhere"
    if path.exists():
        path.rename(elsewhere)
    else:
        elsewhere.mkdir()
    if dangling:
        elsewhere = tmp_path / "nowhere"
    path.symlink_to(elsewhere)
    before = ward.seen(), tree(tmp_path / "elsewhere")
    ((treated,), _) = ward.treat(ward.fix)
    if dangling and ward.fix != "warm-kernels":
        assert treated.outcome is Outcome.NOT_NEEDED
    else:
        assert treated.outcome is Outcome.REFUSED, treated
        assert "symbolic link" in treated.reason
    assert (ward.seen(), tree(tmp_path / "elsewhere")) == before
