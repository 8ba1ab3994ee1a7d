"""Every fix, killed: at each of its points and within what it runs; the tree is as it was, or as it is to be."""

import shutil
from pathlib import Path

import pytest

from crashing import contents, killed_by, survives, treat, undo_all
from sparkdoctor.plan import Run, Work
from sparkdoctor.treatment import Outcome
from standins.hosts import Witness
from ward import REGISTRY, SCENARIOS, Ward, admitted

ALL = pytest.mark.parametrize("name", SCENARIOS)
LONG = ("rebuild-extension", "warm-kernels, no cache yet", "warm-kernels, of Triton, no cache yet", "install-build-tools")
"""Plans with so many points, each of which runs programs, that it takes seconds to be killed at all of them."""


@pytest.fixture
def ward(name: str, tmp_path: Path, library: Path) -> Ward:
    return admitted(name, tmp_path, library)


def test_every_fix_has_its_scenario() -> None:
    assert {name.partition(",")[0] for name in SCENARIOS} == set(REGISTRY.fixes)


@ALL
def test_it_cures_is_not_needed_again_and_taken_back(ward: Ward) -> None:
    before, plan = ward.seen(), ward.plan()
    ((treated,), _) = ward.treat(ward.fix)
    assert treated.outcome is Outcome.CURED, treated
    _, practice = ward.treat()  # find-cutlass leads DeepSpeed to it, and the same check brings set-environment to the file
    after = ward.seen()
    again, idle = ward.treat()  # `fix --all` in the same shell
    assert {one.outcome for one in again} <= {Outcome.NOT_NEEDED}, again
    assert all(one.command for one in again)  # what the user still has to do: to have the shell read the file
    assert idle.treatment is None
    new, _ = ward.treat(environment={**practice.environment, **ward.read()})  # in one that has read it
    assert new == []
    assert ward.seen() == after
    assert undo_all(ward.state, ward.around()) == []
    assert ward.seen() == before
    if before != after:
        assert ward.plan() == plan


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.waits] * (name in LONG)) for name in SCENARIOS])
def test_killed_at_every_point(ward: Ward) -> None:
    # The plan rests on the tree alone, which is the same each time.
    steps = ward.plan().steps
    assert survives(ward.tree, ward.state, lambda: steps, ward.around()) > 5 * len(steps)


@ALL
def test_killed_while_a_program_runs(ward: Ward, witness: Witness) -> None:
    around = ward.around({**ward.environment, "SPARKDOCTOR_TEST_WITNESS": witness.token})
    steps = ward.plan().steps
    assert len(ward.deaths) >= len([step for step in steps if isinstance(step, Run | Work)])
    before = ward.seen()
    for death in ward.deaths:
        (ward.bin / death).touch()
        killed_by(lambda: treat(ward.state, steps, around=around))
        assert not (ward.bin / death).exists()
        assert undo_all(ward.state, around) == [], death
        assert witness.alive() == [], death
        assert ward.seen() == before, death
        shutil.rmtree(ward.state)
    treat(ward.state, steps, around=around)
    assert contents(ward.seen()) != contents(before) or ward.fix == "drop-page-cache"
