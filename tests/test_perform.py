"""Each kind of step, performed and taken back, whatever comes between."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crashing import AROUND, contents, killed_everywhere, mounted, survives, treat, tree, undo_all
from sparkdoctor.journal import Busy, Journal, Unsafe
from sparkdoctor.journal import place as place_of_journal
from sparkdoctor.perform import Refusal, perform
from sparkdoctor.plan import MakeDirectory, Move, RemoveFile, Run, SetMode, Step, Work, WriteFile
from sparkdoctor.treatment import undo

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="mounts, and files of other users, are root's to make")
NOT_ROOT = pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A tree to treat."""
    root = tmp_path / "tree"
    (root / "extension").mkdir(parents=True)
    (root / "builder.py").write_text("num = cc[0] + cc[2]\n")
    (root / "builder.py").chmod(0o640)
    os.utime(root / "builder.py", ns=(1_700_000_000_123_456_789, 1_700_000_000_987_654_321))
    (root / "extension" / "lock").touch()
    (root / "extension" / "build.ninja").write_text("default x.so\n")
    os.utime(root / "extension" / "lock", (1_700_000_000, 1_700_000_000))
    return root


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def replaced(root: Path) -> list[Step]:
    return [WriteFile(f"{root}/builder.py", "num = 121\n", "num = cc[0] + cc[2]\n")]


def created(root: Path) -> list[Step]:
    return [
        MakeDirectory(f"{root}/sparkdoctor", 0o700),
        WriteFile(f"{root}/sparkdoctor/environment.sh", "export A=1\n", mode=0o600),
    ]


def removed(root: Path) -> list[Step]:
    return [RemoveFile(f"{root}/extension/lock", "", 1_700_000_000)]


def moved(root: Path) -> list[Step]:
    return [Move(f"{root}/extension", f"{root}/extension.aside")]


def closed(root: Path) -> list[Step]:
    return [SetMode(f"{root}/extension", 0o700, 0o755), SetMode(f"{root}/builder.py", 0o600, 0o640)]


def rebuilt(root: Path) -> list[Step]:
    make = "set -C; echo new > x.so; echo new > x.o"
    return [
        Move(f"{root}/extension", f"{root}/extension.aside"),
        MakeDirectory(f"{root}/extension", 0o755, filled=True),
        WriteFile(f"{root}/extension/build.ninja", "default x.so\n"),
        Run(("/bin/sh", "-c", f"cd {root}/extension; {make}"), "Build it.", undo=()),
    ]


def everything(root: Path) -> list[Step]:
    return [*replaced(root), *created(root), *rebuilt(root), SetMode(f"{root}/extension.aside", 0o700, 0o755)]


PLANS: tuple[Callable[[Path], list[Step]], ...] = (replaced, created, removed, moved, closed, rebuilt, everything)


def name(make: Callable[[Path], list[Step]]) -> str:
    return make.__name__


@pytest.mark.parametrize("make", [*PLANS[:-1], pytest.param(everything, marks=pytest.mark.waits)], ids=name)
def test_killed_at_every_point(place: Path, state: Path, make: Callable[[Path], list[Step]]) -> None:
    assert survives(place, state, lambda: make(place)) > 5 * len(make(place))


@pytest.mark.parametrize("make", [replaced, created, removed, moved, closed], ids=name)
def test_an_undo_that_is_killed_is_undone_by_the_next(
    place: Path, state: Path, tmp_path: Path, make: Callable[[Path], list[Step]]
) -> None:
    before = tree(place)
    treat(state, make(place))
    shutil.copytree(state, tmp_path / "kept", symlinks=True)
    for _ in killed_everywhere(lambda: undo_all(state)):
        assert undo_all(state) == []
        assert tree(place) == before
        shutil.rmtree(state)
        treat(state, make(place))
    assert tree(place) == before


def test_a_replaced_file_keeps_mode_owner_and_attributes(place: Path, state: Path) -> None:
    path = place / "builder.py"
    try:
        os.setxattr(path, "user.origin", b"here")
    except OSError:
        pytest.skip("no extended attributes here")
    if os.geteuid() == 0:
        os.chown(path, 4711, 4712)
    before = path.stat()
    treat(state, replaced(place))
    after = path.stat()
    assert path.read_text() == "num = 121\n"
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_mtime_ns != before.st_mtime_ns
    assert os.getxattr(path, "user.origin") == b"here"
    assert undo_all(state) == []
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert os.getxattr(path, "user.origin") == b"here"


def test_a_hard_link_elsewhere_is_not_written_through(place: Path, state: Path, tmp_path: Path) -> None:
    os.link(place / "builder.py", tmp_path / "cache")
    treat(state, replaced(place))
    assert (tmp_path / "cache").read_text() == "num = cc[0] + cc[2]\n"


# --- what has changed between plan and deed, and between deed and undo


CHANGES: dict[str, tuple[Callable[[Path], list[Step]], Callable[[Path], object]]] = {
    "another content": (replaced, lambda root: (root / "builder.py").write_text("mine\n")),
    "a file that is gone": (replaced, lambda root: (root / "builder.py").unlink()),
    "a link in its place": (replaced, lambda root: _link(root / "builder.py", root / "extension" / "build.ninja")),
    "a directory in its place": (replaced, lambda root: _directory(root / "builder.py")),
    "a FIFO in its place": (replaced, lambda root: _fifo(root / "builder.py")),
    "a directory that is there": (created, lambda root: (root / "sparkdoctor").mkdir()),
    "a lock that is new": (removed, lambda root: os.utime(root / "extension" / "lock")),
    "a lock with a content": (removed, lambda root: (root / "extension" / "lock").write_text("17")),
    "a lock that is a link": (removed, lambda root: _link(root / "extension" / "lock", root / "builder.py")),
    "a lock that is gone": (removed, lambda root: (root / "extension" / "lock").unlink()),
    "a place that is taken": (moved, lambda root: (root / "extension.aside").mkdir()),
    "a directory that is gone": (moved, lambda root: shutil.rmtree(root / "extension")),
    "another mode": (closed, lambda root: (root / "extension").chmod(0o777)),
    "a link to a directory": (closed, lambda root: _link(root / "extension", root)),
    "a link on the way": (removed, lambda root: _elsewhere(root / "extension")),
}


def _link(path: Path, to: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.symlink_to(to)


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _elsewhere(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_since_the_plan_is_refused(place: Path, state: Path, change: str) -> None:
    make, alter = CHANGES[change]
    alter(place)
    before = tree(place)
    with pytest.raises((Refusal, OSError)):
        treat(state, make(place))
    assert tree(place) == before
    assert undo_all(state) == []
    assert tree(place) == before


LATER: dict[str, tuple[Callable[[Path], list[Step]], Callable[[Path], object], str]] = {
    "another content": (replaced, lambda root: (root / "builder.py").write_text("mine\n"), "builder.py has changed since"),
    "a file that is gone": (replaced, lambda root: (root / "builder.py").unlink(), "builder.py is gone"),
    "a file that is a link": (replaced, lambda root: _link(root / "builder.py", root / "extension"), "is a symbolic link"),
    "a file beside it": (created, lambda root: (root / "sparkdoctor" / "mine").touch(), "sparkdoctor is not empty"),
    "a lock that is there again": (removed, lambda root: (root / "extension" / "lock").write_text("1"), "lock has changed since"),
    "the old place is taken": (moved, lambda root: (root / "extension").mkdir(), "extension is there again"),
    "what was moved is gone": (moved, lambda root: shutil.rmtree(root / "extension.aside"), "aside is gone"),
    "another mode": (closed, lambda root: (root / "builder.py").chmod(0o644), "its mode is 0644"),
    "another directory": (rebuilt, lambda root: _swap(root / "extension"), "is not the directory that was made"),
}


def _swap(path: Path) -> None:
    path.rename(path.with_name("kept"))
    path.mkdir()


@pytest.mark.parametrize("change", LATER)
def test_what_has_changed_since_is_left_alone_by_undo(place: Path, state: Path, change: str) -> None:
    make, alter, words = LATER[change]
    treat(state, make(place))
    alter(place)
    (problem,) = undo_all(state)
    assert words in problem
    assert problem.startswith("mend-it: ")
    shutil.rmtree(state)


def test_what_others_put_into_a_directory_to_be_filled_goes_with_it(place: Path, state: Path) -> None:
    before = tree(place)
    treat(state, rebuilt(place))
    (place / "extension" / "lock").touch()
    (place / "extension" / "link").symlink_to(place / "builder.py")
    assert undo_all(state) == []
    assert tree(place) == before


# --- file systems that will not


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    with mounted(tmp_path / "small", "64k") as place:
        yield place


@ROOT_ONLY
@pytest.mark.parametrize("full", ["the tree's", "the journal's"])
def test_a_full_disk(small: Path, tmp_path: Path, full: str) -> None:
    root = (small if full == "the tree's" else tmp_path) / "tree"
    state = (tmp_path if full == "the tree's" else small) / "state"
    root.mkdir()
    (root / "a").write_text("old")
    (root / "big").write_text("x" * 30_000)
    steps: Sequence[Step] = [
        WriteFile(f"{root}/a", "new", "old"),
        WriteFile(f"{root}/big", "y" * 60_000, "x" * 30_000),
    ]
    if full == "the journal's":
        state.mkdir()
        (state / "filler").write_bytes(b"x" * 48_000)
    before = tree(root)
    with pytest.raises(OSError, match=f"No space left on device: '{small}/"):  # of two disks, the full one is named
        treat(state, steps)
    assert undo_all(state) == []
    assert tree(root) == before


@ROOT_ONLY
def test_a_file_system_that_is_read_only(small: Path, state: Path) -> None:
    (small / "builder.py").write_text("num = cc[0] + cc[2]\n")
    subprocess.run(["mount", "-o", "remount,ro", small], check=True)
    before = tree(small)
    with pytest.raises(OSError, match="Read-only file system"):
        treat(state, replaced(small))
    assert undo_all(state) == []
    assert tree(small) == before


@ROOT_ONLY
@pytest.mark.parametrize("make", [replaced, created, removed, moved], ids=name)
def test_a_directory_that_may_not_be_written(place: Path, make: Callable[[Path], list[Step]]) -> None:
    place.chmod(0o555)
    (place / "extension").chmod(0o555)
    for path in (place, place / "extension", place / "builder.py", place / "extension" / "lock"):
        os.chown(path, 4711, 4711)
    place.parent.chmod(0o777)
    for parent in place.parents[1:4]:
        parent.chmod(parent.stat().st_mode | 0o055)
    before = tree(place)
    code = f"""
import sys
sys.path[:0] = {sys.path!r}
import os
from test_perform import {make.__name__} as make, Path
from crashing import treat, undo_all
os.setgroups([]); os.setgid(4712); os.setuid(4712)
state = Path({str(place.parent)!r}) / "state"
try:
    treat(state, make(Path({str(place)!r})))
except OSError as error:
    print(error.strerror, undo_all(state))
"""
    ran = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("Permission denied []\n", "")
    assert tree(place) == before


# --- the journal


def filling(root: Path, script: str = "mkdir NEW") -> Work:
    """A script that does something in the directory, which holds something already."""
    python = root.parent / "python"
    python.write_text(
        f'#!/bin/sh\ncd "$3"\n{script}\necho \'{{"step": "x", "at": 0}}\n{{"learnt": {{"told": "so"}}}}\n'
        '{"done": true, "at": 1}\' > /proc/self/fd/$SPARKDOCTOR_SAY\n'
    )
    python.chmod(0o755)
    return Work(str(python), "warm_triton", (str(root),), "Fill it.", fills=str(root))


def test_what_came_into_a_directory_that_was_there_is_taken_away_again(place: Path, state: Path) -> None:
    before = tree(place)
    work = filling(place, "mkdir -p NEW/deep; echo x > NEW/deep/file; ln -s / LINK; echo y > '.new\nline'")
    treatment = treat(state, [work])
    assert tree(place) != before
    (place / "later").write_text("somebody else's")  # not while it was filled
    assert treatment.records()[0].done is not None
    assert undo_all(state) == []
    (place / "later").unlink()
    assert tree(place) == before


def test_a_directory_that_is_another_one_now_is_left_alone(place: Path, state: Path) -> None:
    work = filling(place)
    treat(state, [work])
    place.rename(place.with_name("moved"))
    shutil.copytree(place.with_name("moved"), place)
    before = tree(place)
    assert undo_all(state) == [f"mend-it: {place} is not the directory that was filled"]
    assert tree(place) == before
    shutil.rmtree(place)
    assert undo_all(state) == []  # it is gone with all that came


def test_a_script_tells_what_came_of_it(place: Path, state: Path) -> None:
    work = filling(place)
    journal = Journal(str(state))
    with journal.locked():
        treatment = journal.begin()
        assert perform(treatment, 0, "mend-it", work, AROUND) == "so"
        assert perform(treatment, 1, "mend-it", MakeDirectory(f"{place}/x"), AROUND) == ""
        treatment.end()


def test_a_link_is_not_filled(place: Path, state: Path) -> None:
    (place / "link").symlink_to(place)
    work = filling(place)
    with pytest.raises(Refusal, match="is a symbolic link"):
        treat(state, [work._replace(fills=f"{place}/link")])


def test_two_doctors_at_once(place: Path, state: Path) -> None:
    journal = Journal(str(state))
    with journal.locked(), pytest.raises(Busy, match=rf"process {os.getpid()}\)"), Journal(str(state)).locked():
        pass
    treat(state, moved(place))


def test_a_doctor_that_was_killed_holds_no_lock(place: Path, state: Path) -> None:
    for point in killed_everywhere(lambda: treat(state, moved(place))):
        if point == 4:
            break
    treat(state, closed(place))


@ROOT_ONLY
def test_a_journal_of_somebody_else(place: Path, state: Path) -> None:
    state.mkdir()
    os.chown(state, 4711, 4711)
    with pytest.raises(Unsafe, match="belongs to uid 4711"):
        treat(state, moved(place))


def test_a_journal_that_others_may_write(place: Path, state: Path) -> None:
    state.mkdir()
    state.chmod(0o777)
    with pytest.raises(Unsafe, match="chmod go-w"):
        treat(state, moved(place))


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut off": lambda data: data[: len(data) // 2],
    "its last byte gone": lambda data: data[:-1],
    "garbage": lambda data: os.urandom(len(data)),
    "another path": lambda data: data.replace(b"builder.py", b"burglar.py"),
    "no record": lambda _: b"\n[]",
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("kind", ["do", "done"])
def test_a_damaged_record_is_said_and_nothing_is_lost(place: Path, state: Path, damage: str, kind: str) -> None:
    before = tree(place)
    treat(state, [*replaced(place), *moved(place)])
    after = contents(tree(place))
    (path,) = state.glob(f"1/0000.{kind}")
    whole = path.read_bytes()
    path.write_bytes(DAMAGE[damage](whole))
    if path.read_bytes() == whole:
        pytest.skip("nothing to damage in it")
    (entry,) = [one.entry() for one in Journal(str(state)).treatments()]
    assert entry.state == "damaged"
    assert "cannot be read" in entry.note
    (problem,) = undo_all(state)
    assert "0000.do cannot be read" in problem
    assert (place / "extension").is_dir()  # the step after it was taken back
    assert contents(tree(place))["builder.py"] == after["builder.py"]
    assert next(state.glob("1/0000.saved")).read_bytes() == before["builder.py"].content
    path.write_bytes(whole)  # from a backup, say
    assert undo_all(state) == []
    assert tree(place) == before


def test_a_record_that_is_gone(place: Path, state: Path) -> None:
    treat(state, [*replaced(place), *moved(place)])
    next(state.glob("1/0000.do")).unlink()
    (problem,) = undo_all(state)
    assert "0000.do cannot be read" in problem


def test_what_was_saved_is_damaged(place: Path, state: Path) -> None:
    treat(state, replaced(place))
    next(state.glob("1/0000.saved")).write_bytes(b"something else")
    (problem,) = undo_all(state)
    assert "what was saved" in problem
    assert (place / "builder.py").read_text() == "num = 121\n"


def test_a_step_of_a_later_version(place: Path, state: Path) -> None:
    treatment = treat(state, replaced(place))
    treatment.write(0, "do", {"do": "Teleport", "fix": "mend-it", "path": f"{place}/builder.py"})
    (problem,) = undo_all(state)
    assert "Teleport is no step that this version knows" in problem
    treatment.write(0, "do", {"do": "Move", "fix": "mend-it"})
    (problem,) = undo_all(state)
    assert "cannot be understood" in problem


def test_other_directories_in_the_journal_are_none_of_ours(place: Path, state: Path) -> None:
    (state / "mine").mkdir(parents=True)
    (state / "7").mkdir()
    assert Journal(str(state)).treatments() == []
    treat(state, moved(place))
    assert len(Journal(str(state)).treatments()) == 1


# --- commands


def test_a_command_that_fails(place: Path, state: Path) -> None:
    with pytest.raises(OSError, match="exited with status 3: no luck"):
        treat(state, [Run((sys.executable, "-c", "print('no luck'); raise SystemExit(3)"), "Try.", undo=())])


def test_a_command_that_cannot_be_taken_back_says_so(place: Path, state: Path) -> None:
    treat(state, [Run((sys.executable, "-c", ""), "Try.")])
    (problem,) = undo_all(state)
    assert "cannot be taken back" in problem
    assert sys.executable in problem


def test_the_command_that_takes_another_back(place: Path, state: Path) -> None:
    touch = Run(("touch", f"{place}/mark"), "Mark it.", undo=("rm", f"{place}/mark"), env=(("A", "1"),))
    before = tree(place)
    treat(state, [touch])
    assert (place / "mark").exists()
    assert undo_all(state) == []
    assert tree(place) == before


def test_who_still_writes_when_the_doctor_was_killed_is_ended_first(place: Path, state: Path) -> None:
    """A build goes on in processes of its own groups, as ninja's compilers are."""
    grandchild = "import os, time\nos.setpgid(0, 0)\nn = 0\nwhile True:\n    open('x%d' % n, 'w'); n += 1; time.sleep(.002)"
    child = (
        f"import subprocess, sys; subprocess.Popen([sys.executable, '-I', '-S', '-c', {grandchild!r}], cwd=sys.argv[1]).wait()"
    )
    steps: list[Step] = [
        MakeDirectory(f"{place}/new", filled=True),
        Run((sys.executable, "-I", "-S", "-c", child, f"{place}/new"), "Build.", undo=()),
    ]
    doctor = os.fork()
    if doctor == 0:
        try:
            treat(state, steps)
        finally:
            os._exit(0)
    while not list(place.glob("new/x*")):
        pass
    os.kill(doctor, signal.SIGKILL)
    os.waitpid(doctor, 0)
    assert undo_all(state) == []
    assert not (place / "new").exists()


def test_what_it_takes_to_undo_is_on_disk_before_the_deed(place: Path, state: Path) -> None:
    """A record is complete when its step begins: fsynced, named, and its name fsynced."""
    order: list[str] = []
    real = {name: getattr(os, name) for name in ("fsync", "rename", "unlink")}

    def noted(name: str) -> Callable[..., object]:
        def call(*args: object, **named: object) -> object:
            about = os.readlink(f"/proc/self/fd/{args[0]}") if name == "fsync" else str(args[0])
            order.append(f"{name} {Path(about).name}")
            return real[name](*args, **named)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for each in real:
            patch.setattr(os, each, noted(each))
        treatment = treat(state, removed(place))
    deed = order.index("unlink lock")
    assert order[:deed] == [
        f"fsync {state.parent.name}",
        f"fsync {state.name}",
        "fsync 0000.saved.new",
        "rename 0000.saved.new",
        f"fsync {treatment.id}",
        "fsync 0000.do.new",
        "rename 0000.do.new",
        f"fsync {treatment.id}",
    ]
    assert order[deed + 1] == "fsync extension"


# --- sequences

NAMES = ("a", "b", "c")
TEXTS = ("", "one\n", "two\n", "é\n")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from("wrmcdu"), st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from(TEXTS)), max_size=12
    )
)
def test_any_sequence_of_steps_and_undos_restores_the_tree(
    tmp_path_factory: pytest.TempPathFactory, deeds: list[tuple[str, str, str, str]]
) -> None:
    base = tmp_path_factory.mktemp("sequence")
    root, state = base / "tree", base / "state"
    root.mkdir()
    (root / "a").write_text("one\n")
    (root / "b").mkdir(mode=0o750)
    before = tree(root)
    journal = Journal(str(state))
    with journal.locked():
        for kind, one, other, text in deeds:
            if kind == "u":
                for treatment in journal.treatments()[-1:]:
                    undo(treatment, os.environ)
                continue
            treatment = journal.begin()
            try:
                perform(treatment, 0, "mend-it", _step(kind, root / one, root / other, text), AROUND)
            except (Refusal, OSError):
                undo(treatment, os.environ)
    undo_all(state)
    assert tree(root) == before
    shutil.rmtree(base)


def _step(kind: str, one: Path, other: Path, text: str) -> Step:
    status = one.lstat() if one.exists() else None
    content = one.read_text() if one.is_file() else None
    match kind:
        case "w":
            return WriteFile(str(one), text, content)
        case "r":
            return RemoveFile(str(one), content or "", int(status.st_mtime) if status else 0)
        case "m":
            return Move(str(one), str(other))
        case "c":
            return SetMode(str(one), 0o600 if one.is_file() else 0o700, stat.S_IMODE(status.st_mode) if status else 0)
        case _:
            return MakeDirectory(str(one), filled=text == "")


def test_a_record_can_be_read_by_a_person(place: Path, state: Path) -> None:
    treatment = treat(state, moved(place))
    about = json.loads(Path(treatment.path(0, "do")).read_text().partition("\n")[2])
    assert about["shown"] == f"mv {place}/extension {place}/extension.aside"


# --- of whom files are, and where


@ROOT_ONLY
def test_an_owner_that_cannot_be_kept_is_named(place: Path, tmp_path: Path) -> None:
    """A file of somebody else in a directory that anybody may write: it would become ours."""
    place.chmod(0o777)
    tmp_path.chmod(0o777)
    for over in tmp_path.parents:
        if over.stat().st_uid == os.geteuid() and over.stat().st_mode & 0o011 != 0o011:
            pytest.skip(f"{over} is closed to others")
    (place / "builder.py").chmod(0o666)
    before = tree(place)
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.setresgid(4242, 4242, 4242)
            os.setresuid(4242, 4242, 4242)
            treat(tmp_path / "theirs", replaced(place))
        except PermissionError as error:
            code = 0 if "owner (uid 0, gid 0)" in str(error) and f"{place}/builder.py" in str(error) else 71
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert tree(place) == before


def test_a_failure_names_the_path(place: Path, state: Path) -> None:
    """Files are reached by names in directories; a person wants to know which one it was."""
    step = WriteFile(f"{place}/{'x' * 256}", "text")
    with pytest.raises(OSError, match=f"{place}/xxx"):
        treat(state, [step])


def test_a_name_as_long_as_can_be(place: Path, state: Path) -> None:
    before = tree(place)
    treat(state, [WriteFile(f"{place}/{'x' * 255}", "text")])
    assert (place / ("x" * 255)).read_text() == "text"
    assert undo_all(state) == []
    assert tree(place) == before


def test_a_command_that_cannot_be_started_has_nothing_to_take_back(place: Path, state: Path) -> None:
    """Though it could not be taken back, had it run."""
    before = tree(place)
    with pytest.raises(FileNotFoundError):
        treat(state, [*replaced(place), Run((f"{place}/no-such-command",), "Run it.", undo=None)])
    assert undo_all(state) == []
    assert tree(place) == before


def test_rights_that_a_directory_hands_down_are_not_taken_on(place: Path, state: Path) -> None:
    """A default ACL is for new files; one that is replaced is not new."""
    # user::rwx user:5:rwx group::r-x mask::rwx other::r-x
    entries = ((0x01, 7, -1), (0x02, 7, 5), (0x04, 5, -1), (0x10, 7, -1), (0x20, 5, -1))
    acl = (2).to_bytes(4, "little") + b"".join(
        tag.to_bytes(2, "little") + rights.to_bytes(2, "little") + (who & 0xFFFFFFFF).to_bytes(4, "little")
        for tag, rights, who in entries
    )
    try:
        os.setxattr(place, "system.posix_acl_default", acl)
    except OSError:
        pytest.skip("this file system has no ACLs")
    (place / "new").touch()
    assert "system.posix_acl_access" in os.listxattr(place / "new")
    treat(state, replaced(place))
    assert os.listxattr(place / "builder.py") == []
    assert undo_all(state) == []
    assert os.listxattr(place / "builder.py") == []


def test_a_new_directory_keeps_the_group_of_the_one_above(place: Path, state: Path) -> None:
    place.chmod(0o2755)
    treat(state, [MakeDirectory(f"{place}/new", 0o755)])
    assert stat.S_IMODE((place / "new").stat().st_mode) == 0o2755


@ROOT_ONLY
def test_a_directory_of_an_image_is_not_moved(place: Path, state: Path, tmp_path: Path) -> None:
    """In a container, what came with the image cannot be renamed (overlayfs); mv would copy it."""
    upper, work, merged = (tmp_path / name for name in ("upper", "work", "merged"))
    for each in (upper, work, merged):
        each.mkdir()
    options = f"lowerdir={place},upperdir={upper},workdir={work},redirect_dir=off"
    mounted = subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(merged)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("no overlayfs can be mounted here")
    try:
        with pytest.raises(Refusal, match=r"container's image.* mv "):
            treat(state, moved(merged))
        assert (merged / "extension").is_dir()
        assert undo_all(state) == []
    finally:
        subprocess.run(["umount", str(merged)], check=True)


# --- the place of the journal


def test_no_home_is_no_directory_named_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SPARKDOCTOR_STATE", "XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sparkdoctor.journal._home", lambda: "")
    with pytest.raises(Unsafe, match="SPARKDOCTOR_STATE"):
        place_of_journal()
    monkeypatch.setenv("HOME", "relative")
    with pytest.raises(Unsafe, match="HOME"):
        place_of_journal()
    monkeypatch.setenv("HOME", "/home/spark")
    assert place_of_journal() == "/home/spark/.local/state/sparkdoctor"


def test_directories_of_the_journal_are_this_users_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with Journal(str(tmp_path / "a" / "b" / "state")).locked():
            pass
    finally:
        os.umask(before)
    assert {
        stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a", tmp_path / "a" / "b", tmp_path / "a" / "b" / "state")
    } == {0o700}


def test_a_full_disk_does_not_keep_from_the_lock_nor_from_the_end(
    place: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(place)
    treatment = treat(state, removed(place))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    monkeypatch.setattr(treatment, "_put", full)
    treatment.end()
    assert undo_all(state) == []
    assert tree(place) == before


def test_an_older_treatment_waits_for_a_later_one_of_the_same_file(place: Path, state: Path) -> None:
    """Though the file holds what the older one wrote: the way back of the later one would be lost."""
    first = treat(state, replaced(place))
    (place / "builder.py").write_text("mine\n")
    second = treat(state, [WriteFile(f"{place}/builder.py", "num = 121\n", "mine\n"), *closed(place)[:1]])
    (problem,) = undo(first, os.environ, later=[second])
    assert f"treatment {second.id}" in problem
    assert (place / "builder.py").read_text() == "num = 121\n"
    assert undo(second, os.environ) == []
    assert (place / "builder.py").read_text() == "mine\n"


def test_a_directory_that_was_filled_waits_for_a_later_treatment_of_what_is_in_it(place: Path, state: Path) -> None:
    first = treat(state, rebuilt(place))
    second = treat(state, [WriteFile(f"{place}/extension/build.ninja", "later\n", "default x.so\n")])
    (problem, *_) = undo(first, os.environ, later=[second])
    assert f"treatment {second.id}" in problem
    assert (place / "extension" / "build.ninja").read_text() == "later\n"
    assert undo(second, os.environ) == []
    assert undo(first, os.environ, later=[second]) == []


@ROOT_ONLY
def test_root_makes_nothing_in_the_home_of_a_user(tmp_path: Path) -> None:
    """As sudo may be set up to keep HOME."""
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 4242, 4242)
    with pytest.raises(Unsafe, match="belongs to uid 4242"), Journal(str(home / ".local" / "state" / "sparkdoctor")).locked():
        pass
    assert list(home.iterdir()) == []
