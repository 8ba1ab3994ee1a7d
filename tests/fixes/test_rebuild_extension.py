"""Extensions that are not whole, built anew: on facts made by hand, and with the real ninja and compiler."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from by_hand import EVOFORMER, GIB, ROOT, but, place
from crashing import treat, tree, undo_all
from lab import PLAIN, Lab
from remedies import answer, asked, planned, refused
from sparkdoctor.facts import BuildSettings, CacheAccess, Cgroup, Container, Extensions, Memory, Ninja, Rebuilds
from sparkdoctor.facts.cache_access import Opening
from sparkdoctor.facts.extensions import State
from sparkdoctor.facts.rebuilds import Recipe
from sparkdoctor.model import Missing
from sparkdoctor.plan import MakeDirectory, Move, NotNeeded, Plan, Run, WriteFile

FIX = "rebuild-extension"
OP = EVOFORMER._replace(name="op", path=f"{ROOT}/op", state=State.DAMAGED, reasons=("op.o does not exist",))
RECIPE = Recipe("the text", tuple(f"/src/{number}.cu" for number in range(9)), ("c++", "nvcc"), copies=2)


def broken(one: Any = OP, recipe: Any = RECIPE) -> tuple[Any, Any]:
    return but(Extensions, found=(one,)), Rebuilds(frozenset({one.name}), {one.name: recipe})


@pytest.mark.parametrize("state", [State.DAMAGED, State.OUTDATED])
def test_it_is_moved_aside_and_built_anew(state: State) -> None:
    plan = planned(answer(FIX, *broken(OP._replace(state=state)), but(BuildSettings, jobs=22)))
    ninja = Run(("/usr/bin/ninja", "-C", OP.path, "-j", "9"), "compiles 9 files and links op", (), 3600.0)
    fresh = (MakeDirectory(OP.path, 0o755, filled=True), WriteFile(f"{OP.path}/build.ninja", "the text"), ninja)
    assert plan == Plan("op is built from the beginning", (Move(OP.path, f"{OP.path}.aside"), *fresh))


def jobs(plan: Plan) -> int:
    (run,) = (step for step in plan.steps if isinstance(step, Run))
    return int(run.argv[-1])


def test_compilers_fit_into_memory() -> None:
    def memory(gib: int) -> Any:
        return but(Memory, available=gib * GIB, swap_free=0)

    many = but(BuildSettings, jobs=22)
    assert jobs(planned(answer(FIX, *broken(), many, memory(30)))) == 4  # 2 × 3.5 GB each
    assert jobs(planned(answer(FIX, *broken(), many, Cgroup("v2", 16 * GIB)))) == 2
    assert jobs(planned(answer(FIX, *broken(), but(BuildSettings, jobs=3)))) == 3
    assert jobs(planned(answer(FIX, *broken(), but(BuildSettings, jobs=None)))) == 9
    assert jobs(planned(answer(FIX, *broken(), memory=Missing("no"), cgroup=Missing("no")))) == 1
    assert moved_only(answer(FIX, *broken(), many, memory(5))).endswith("7 GB, and 5.0 GiB is free")


def moved_only(found: Any) -> str:
    plan = planned(found)
    assert len(plan.steps) == 1
    assert isinstance(plan.steps[0], Move)
    assert "is moved aside, not being whole; the next use builds anew" in plan.summary
    return plan.notes[0]


def test_it_is_only_moved_aside() -> None:
    assert "/src/a.cu is gone" in moved_only(answer(FIX, *broken(recipe=Missing("/src/a.cu is gone"))))
    assert "no ninja" in moved_only(answer(FIX, *broken(), Ninja(Missing("PATH has no ninja"), "", None)))
    assert "no ninja" in moved_only(answer(FIX, *broken(), ninja=Missing("x")))
    # What others could have written is not run.
    everybody = CacheAccess(place(ROOT), (Opening(ROOT, 0o777, "may be written by everybody"),))
    assert "others could have written" in moved_only(answer(FIX, *broken(), everybody))
    assert "not known" in moved_only(answer(FIX, *broken(), access=Missing("the owners are not known")))
    # DeepSpeed's own builder knows its flags.
    evoformer = EVOFORMER._replace(state=State.DAMAGED)
    assert "DeepSpeed's own builder" in moved_only(answer(FIX, *broken(evoformer)))
    assert len(planned(answer(FIX, *broken(evoformer), deepspeed=Missing("none"))).steps) == 4


def test_what_is_well_or_may_not_be_touched() -> None:
    assert isinstance(answer(FIX), NotNeeded)
    for state in (State.BUILDING, State.LOCKED, State.FOREIGN):
        found = answer(FIX, *broken(OP._replace(state=state)))
        assert isinstance(found, NotNeeded)
        assert f"op {state}" in found.reason
    unseen = but(Extensions, found=(OP,), root=place(ROOT, writable=False))
    assert (refused(answer(FIX, unseen)).command or "").startswith("sudo mv ")
    assert "no entries" in refused(answer(FIX, broken()[0], rebuilds=Missing("no entries"))).reason
    planned(answer(FIX, *broken(), Container("docker")))  # there is no lock: nobody builds


# --- real ones

NINJA = shutil.which("ninja", path="/usr/local/bin:/usr/bin:/bin")
real_ninja = pytest.mark.skipif(NINJA is None or shutil.which("c++") is None, reason="no ninja or no C++ compiler on this system")


@pytest.fixture
def built(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An extension that the real ninja has built."""
    (lab.place / "bin" / "ninja").unlink()
    monkeypatch.setenv("PATH", f"{lab.place}/bin:/usr/local/bin:/usr/bin:/bin")
    (lab.place / "src").mkdir()
    source = lab.place / "src" / "op.cpp"
    source.write_text("int op() { return 1; }\n")
    path = lab.root / "op"
    path.mkdir()
    text = PLAIN.replace("/src/op.cpp", str(source)).replace("-lc10 -ltorch_cpu -ltorch -ltorch_python", "")
    (path / "build.ninja").write_text(text.replace("TORCH/", f"{lab.torch}/").replace("-std=c++20", "-std=c++17"))
    subprocess.run([str(NINJA), "-C", str(path)], check=True, capture_output=True)
    assert lab.state() == (State.WHOLE, "")
    return path


def ruin(path: Path, what: str) -> None:
    match what:
        case "library cut off":
            times = (path / "op.so").stat()
            os.truncate(path / "op.so", 5000)
            os.utime(path / "op.so", ns=(times.st_atime_ns, times.st_mtime_ns))
        case "no log":
            (path / ".ninja_log").unlink()
        case "newer source":
            os.utime(path.parents[1] / "src" / "op.cpp", (4e9, 4e9))
        case gone:
            (path / gone).unlink()


@real_ninja
@pytest.mark.parametrize("what", ["library cut off", "op.o", "op.so", "no log"])
def test_a_real_one_is_built_anew(lab: Lab, built: Path, what: str) -> None:
    ruin(built, what)
    left = {file.name: file.read_bytes() for file in built.iterdir()}
    assert lab.state()[0] in (State.DAMAGED, State.OUTDATED)
    plan = planned(asked(FIX, lab.machine()))
    assert [type(step) for step in plan.steps] == [Move, MakeDirectory, WriteFile, Run]
    treat(lab.place / "state", plan.steps)
    assert lab.state() == (State.WHOLE, "")
    ran = subprocess.run([str(NINJA), "-C", str(built), "-n"], check=True, capture_output=True, text=True)
    assert "no work to do" in ran.stdout
    assert {file.name: file.read_bytes() for file in (lab.root / "op.aside").iterdir()} == left
    assert isinstance(asked(FIX, lab.machine()), NotNeeded)


@real_ninja
@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("build.ninja", "does not exist"),
        ("source", "op.cpp is gone"),
        ("python", "today's is 3.13"),
        ("torch", "compiled with the headers of"),
        ("compiler", "is gone"),
        ("shell", "is not as PyTorch writes it"),
        ("cut", "is not as PyTorch writes it"),
    ],
)
def test_a_real_one_that_cannot_be_built_from_here(lab: Lab, built: Path, what: str, words: str) -> None:
    ruin(built, "op.so")
    recipe = built / "build.ninja"
    text = recipe.read_text()
    match what:
        case "build.ninja":
            recipe.unlink()
        case "source":
            (lab.place / "src" / "op.cpp").unlink()
        case "python":
            lab.version = "3.13.1"
        case "torch":
            recipe.write_text(text.replace(str(lab.torch), str(lab.place)))
        case "compiler":
            recipe.write_text(text.replace("cxx = c++", "cxx = /gone/c++"))
        case "shell":
            recipe.write_text(text.replace("-fPIC", f"-fPIC; touch {lab.place}/pwned"))
        case "cut":
            recipe.write_text(text[:-12])
    assert words in moved_only(asked(FIX, lab.machine()))
    treat(lab.place / "state", planned(asked(FIX, lab.machine())).steps)
    assert lab.look().found == ()
    assert not (lab.place / "pwned").exists()


@real_ninja
def test_a_cache_that_others_can_write_is_not_run(lab: Lab, built: Path) -> None:
    ruin(built, "op.so")
    built.chmod(0o777)
    assert "others could have written" in moved_only(asked(FIX, lab.machine()))


@real_ninja
def test_a_build_that_fails_is_taken_back(lab: Lab, built: Path) -> None:
    ruin(built, "op.so")
    before = tree(lab.root)
    (lab.place / "src" / "op.cpp").write_text("no C++\n")
    with pytest.raises(OSError, match=r"exited with status 1: .*op\.cpp:1:1: error: "):
        treat(lab.place / "state", planned(asked(FIX, lab.machine())).steps)
    assert undo_all(lab.place / "state") == []
    assert tree(lab.root) == before


@real_ninja
def test_undo_brings_the_old_one_back(lab: Lab, built: Path) -> None:
    ruin(built, "op.o")
    before = tree(lab.root)
    treat(lab.place / "state", planned(asked(FIX, lab.machine())).steps)
    assert tree(lab.root) != before
    assert undo_all(lab.place / "state") == []
    assert tree(lab.root) == before
