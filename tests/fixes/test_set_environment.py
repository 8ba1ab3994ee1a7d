"""The plan for the file of variables."""

import dataclasses
from typing import Any

import pytest

from machines.make_tapes import MACHINES
from machines.parts import healthy_gb10, toolkit
from sparkdoctor import doctor
from sparkdoctor.facts import EnvironmentFile, Exports
from sparkdoctor.facts.environment import HEADER, Export, parse
from sparkdoctor.facts.exports import Wrong
from sparkdoctor.machine import Machine
from sparkdoctor.model import Missing, Status
from sparkdoctor.plan import Answer, MakeDirectory, NotNeeded, Plan, Refused, WriteFile
from sparkdoctor.profiles import load
from sparkdoctor.registry import Registry
from world import World

REGISTRY = Registry.load()
FIX = REGISTRY.fixes["set-environment"]
PATH = "/home/user/.config/sparkdoctor/environment.sh"
JOBS = {"MAX_JOBS": ("20", "they fit")}
LINE = "export MAX_JOBS=20  # sparkdoctor: they fit\n"


def file(text: str | None, **changes: Any) -> EnvironmentFile:
    values: dict[str, Any] = {"path": PATH, "text": text, "new": (), "obstacle": "", "exports": parse(text or "")}
    return EnvironmentFile(**{**values, **changes})


def answer(exports: Exports, found: EnvironmentFile | Missing) -> Answer:
    answered: Answer = FIX.function(exports, found)
    return answered


def planned(exports: Exports, found: EnvironmentFile) -> Plan:
    plan = answer(exports, found)
    assert isinstance(plan, Plan), plan
    return plan


def test_every_check_that_it_cures_is_there() -> None:
    assert set(FIX.cures) <= set(REGISTRY.checks)


def test_a_new_file_and_its_directory() -> None:
    plan = planned(Exports(JOBS), file(None, new=("/home/user/.config/sparkdoctor",)))
    assert plan.summary == f"{PATH} sets MAX_JOBS"
    assert plan.steps == (MakeDirectory("/home/user/.config/sparkdoctor", 0o700), WriteFile(PATH, HEADER + LINE))
    assert plan.environment == (("MAX_JOBS", "20"),)
    assert plan.then == f". {PATH}"
    assert plan.cures == ("build-jobs-unbounded",)


def test_the_users_lines_are_part_of_the_environment_and_stay() -> None:
    text = "export CUDA_HOME=/mine\n[ -n x ] && export SECRET=1\nunset CUDA_PATH\n"
    plan = planned(Exports(JOBS, kept={"CUDA_HOME": "/mine"}), file(text))
    assert plan.steps == (WriteFile(PATH, text + LINE, text),)
    assert dict(plan.environment) == {"CUDA_HOME": "/mine", "CUDA_PATH": None, "MAX_JOBS": "20"}


def test_what_is_obsolete_goes_and_is_unset_where_it_was_read() -> None:
    text = "export TRITON_PTXAS_PATH=/old  # sparkdoctor: then\n"
    gone = frozenset(("TRITON_PTXAS_PATH",))
    read = Exports({}, obsolete=gone, present={"TRITON_PTXAS_PATH": "/old"})
    plan = planned(read, file(text))
    assert plan.summary == f"{PATH} no longer sets TRITON_PTXAS_PATH"
    assert plan.steps == (WriteFile(PATH, "", text),)
    assert plan.environment == (("TRITON_PTXAS_PATH", None),)
    assert planned(Exports({}, obsolete=gone), file(text)).environment == ()


def test_a_value_in_the_shell_that_differs_from_our_line_wins_and_is_not_said_to_be_set() -> None:
    text = "export NVCC_THREADS=1  # sparkdoctor: few\n"
    plan = planned(Exports(JOBS, kept={"NVCC_THREADS": "2"}, present={"NVCC_THREADS": "2"}), file(text))
    assert plan.steps == (WriteFile(PATH, text + LINE, text),)
    assert plan.environment == (("MAX_JOBS", "20"),)


def test_a_file_that_is_right_is_left_alone() -> None:
    read = answer(Exports(JOBS, present={"MAX_JOBS": "20"}), file(HEADER + LINE))
    assert read == NotNeeded(f"{PATH} is as it should be")
    unread = answer(Exports(JOBS), file(HEADER + LINE))
    assert unread == NotNeeded(f"{PATH} is as it should be, but this shell has not read it: MAX_JOBS", f". {PATH}")
    assert answer(Exports({}), file(None)) == NotNeeded("there is nothing worth exporting here")


def test_what_the_user_has_set_wrong_is_named() -> None:
    wrong = {
        "MAX_JOBS": Wrong("0", "MAX_JOBS=0: compilers without bound", None),
        "CUDA_HOME": Wrong("/x", "CUDA_HOME=/x is none", PATH),
    }
    refused = answer(Exports({}, wrong=wrong), file("export CUDA_HOME=/x\n"))
    assert isinstance(refused, Refused)
    assert refused.command == "unset MAX_JOBS"
    assert "MAX_JOBS=0: compilers without bound (you have set that in this environment)" in refused.reason
    assert f"(you have set that in {PATH})" in refused.reason
    plan = planned(Exports({"NVCC_THREADS": ("1", "few")}, wrong=wrong), file(None))
    assert "MAX_JOBS=0" in plan.notes[0]


@pytest.mark.parametrize("found", [Missing("there is no home"), file(None, obstacle="it is a symbolic link")])
def test_a_file_that_must_not_be_written(found: EnvironmentFile | Missing) -> None:
    refused = answer(Exports(JOBS), found)
    assert isinstance(refused, Refused)
    assert refused.command == 'eval "$(sparkdoctor env)"'


def test_values_are_known_to_be_plain() -> None:
    assert parse(HEADER + LINE)["MAX_JOBS"] == Export("20", ours=True, reason="they fit")


# --- on described machines: planned, done, looked at again


def done(world: World, plan: Plan) -> World:
    """The machine after the plan, seen by a shell that has read the file."""
    environment = {name: value for name, value in plan.environment if value is not None}
    unset = {name for name, value in plan.environment if value is None}
    files = dict(world.files)
    for step in plan.steps:
        if isinstance(step, WriteFile):
            assert step.before == files.get(step.path)
            files[step.path] = step.text
    kept = {name: value for name, value in world.env.items() if name not in unset}
    return dataclasses.replace(world, files=files, env=kept | environment)


def asked(world: World) -> Answer:
    machine = Machine(world, load("dgx-spark"))
    exports, found = machine.get(Exports), machine.get(EnvironmentFile)
    assert isinstance(exports, Exports)
    return answer(exports, found)


def judged(world: World) -> dict[str, Status]:
    checks = doctor.select(REGISTRY, FIX.cures)
    report = doctor.diagnose(Machine(world, load("dgx-spark")), REGISTRY, checks)
    return {result.id: result.status for result in report.results}


@pytest.mark.parametrize("name", MACHINES)
def test_nothing_gets_worse_and_the_second_time_nothing_is_done(name: str) -> None:
    world = MACHINES[name]()
    plan = asked(world)
    if isinstance(plan, NotNeeded | Refused):
        return
    before, after = judged(world), judged(done(world, plan))
    ill = (Status.FAILED, Status.WARNING, Status.CRASHED)
    assert [check for check, status in after.items() if status in ill and before[check] not in ill] == []
    again = asked(done(world, plan))
    assert not isinstance(again, Plan), again


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("gb10-triton-3.5", "triton-ptxas-too-old"),
        ("gb10-triton-3.4", "triton-ptxas-too-old"),
        ("gb10-memory-full", "build-jobs-unbounded"),
    ],
)
def test_what_is_ill_is_cured(name: str, check: str) -> None:
    world = MACHINES[name]()
    assert judged(world)[check] is Status.FAILED
    plan = asked(world)
    assert isinstance(plan, Plan)
    assert judged(done(world, plan))[check] is Status.OK


def test_a_toolkit_is_named_where_builds_would_find_an_older_one_or_none() -> None:
    for usual, check in (("/usr/local/cuda-12.8", "nvcc-lacks-architecture"), (None, "nvcc-missing")):
        world = healthy_gb10()
        toolkit(world, "12.8.93")
        del world.links["/usr/local/cuda"]
        if usual:
            world.links["/usr/local/cuda"] = usual
        assert judged(world)[check] in (Status.FAILED, Status.WARNING)
        plan = asked(world)
        assert isinstance(plan, Plan)
        assert dict(plan.environment)["CUDA_HOME"] == "/usr/local/cuda-13.0"
        after = judged(done(world, plan))
        assert (after[check], after["cuda-home-wrong"]) == (Status.OK, Status.OK)


def test_path_is_left_to_the_user() -> None:
    world = healthy_gb10()
    world.env["PATH"] = f"{toolkit(world, '12.8.93')}/bin:{world.env['PATH']}"
    plan = asked(world)
    assert isinstance(plan, Plan)
    assert "CUDA_HOME" not in dict(plan.environment)
    assert dict(plan.environment)["TORCH_CUDA_ARCH_LIST"] == "12.0"
