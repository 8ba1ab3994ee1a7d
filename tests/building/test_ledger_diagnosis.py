"""What was the matter with a build: exactly one thing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from built import CONTAINER, GIB, MACHINE, build, job, unit, units
from sparkdoctor.building.diagnosis import DIAGNOSES, Diagnosis, conclude
from sparkdoctor.building.outcome import Bounds, Build, Ending


def found(made: Build) -> Diagnosis:
    return conclude(made).diagnosis


def command(made: Build) -> str | None:
    remedy = found(made).remedy
    return remedy.command if remedy else None


# --- enough


@pytest.mark.parametrize("made", [build(), build(units(3, 2.0)), build(units(3, 2.0), ending=Ending(1))])
def test_memory_was_never_short(made: Build) -> None:
    assert found(made).id == "enough"
    assert found(made).remedy is None


def test_places_that_were_asked_for_are_no_shortage() -> None:
    held = build(units(8, 2.0), MACHINE._replace(asked=2), held=6)
    assert found(held).id == "enough"
    assert conclude(held).best is not None


def test_caution_is_no_shortage() -> None:
    assert found(build(units(8, 2.0), held=2)).id == "enough"


@pytest.mark.parametrize("signal", ["SIGKILL", "SIGSEGV"])
def test_a_command_that_a_signal_ended_is_not_said_to_be_killed_for_memory(signal: str) -> None:
    assert found(build(units(6, 2.0), ending=Ending(signal=signal))).id == "enough"
    assert found(build(units(6, 2.0), ending=Ending(137))).id == "enough"


# --- too many jobs


def test_too_many_jobs() -> None:
    made = build(units(8, 2.0), CONTAINER, held=5)
    conclusion = conclude(made)
    assert conclusion.diagnosis.id == "too-many-jobs"
    assert conclusion.best is not None
    assert conclusion.best.number == 3
    assert conclusion.best.already
    assert "8 wanted to run at once, which may take 16.0 GiB of the 6.0 GiB" in conclusion.diagnosis.text
    assert command(made) == "export MAX_JOBS=3 CMAKE_BUILD_PARALLEL_LEVEL=3"


@pytest.mark.parametrize("tool", ["make", "/usr/bin/ninja"])
def test_the_number_is_set_where_the_tool_reads_it(tool: str) -> None:
    remedy = found(build(units(8, 2.0), CONTAINER, held=5, command=(tool, "-j22", "all"))).remedy
    assert remedy is not None
    assert remedy.command is None
    assert remedy.text.endswith(f"no more than 3 jobs run at once: call {tool.rpartition('/')[2]} with -j3.")


def test_an_oom_kill_of_many_jobs() -> None:
    made = build(units(4, 1.9), CONTAINER, Ending(1, oom_kills=1))
    assert found(made).id == "too-many-jobs"
    assert found(made).evidence == ("1 process killed by the kernel for want of memory in this container",)
    # Two at once are no slower than three.
    assert command(made) == "export MAX_JOBS=2 CMAKE_BUILD_PARALLEL_LEVEL=2"


def test_what_was_killed_before_it_was_seen_to_grow_were_too_many_all_the_same() -> None:
    made = build(units(4, 1.0), CONTAINER, Ending(1, oom_kills=2))
    assert found(made).id == "too-many-jobs"
    assert "MAX_JOBS=3 " in str(command(made))
    assert "4 ran at once and had not ended when they had 4.0 GiB of the 6.0 GiB" in found(made).text


def test_a_build_that_was_ended_without_a_culprit() -> None:
    assert found(build(units(3, 1.9), CONTAINER, Ending(reason="nothing can go on"))).id == "too-many-jobs"


def test_too_many_did_not_run_where_one_ran() -> None:
    """As it was seen: five were held, one ran, and others took the memory."""
    account = {"most": 1, "wanted": 6, "total_peak": GIB, "lowest_free": 90 * GIB, "total_then": GIB}
    bounds = MACHINE._replace(reserve=int(94.5 * GIB))
    ending = Ending(reason="a.cu has taken 0.6 GiB", culprit=job(1, 0.6, name="a.cu"))
    made = build([unit("a.cu", 0.6)], bounds, ending, **account)
    assert found(made).id == "memory-taken"
    assert "took 5.0 GiB" in found(made).text


# --- one that is too large


def test_one_job_alone_is_too_large() -> None:
    culprit = job(1, 6.5, name="big.cu", tool="cc1plus", kind="c++")
    made = build([unit("big.cu", 6.6, tool="cc1plus")], CONTAINER, Ending(reason="it outgrew this container", culprit=culprit))
    diagnosis = found(made)
    assert diagnosis.id == "too-large"
    assert "big.cu needs more than 6.6 GiB, and 6.0 GiB were there" in diagnosis.text
    assert diagnosis.remedy is not None
    assert "more than 9 GiB of memory (--memory)" in diagnosis.remedy.text
    assert "CUDA" not in diagnosis.remedy.text
    assert conclude(made).best is None


def test_one_job_alone_that_the_kernel_killed() -> None:
    made = build([unit("big.cu", 5.0), *units(3, 0.1)], CONTAINER, Ending(1, oom_kills=1))
    assert found(made).id == "too-large"
    assert "CUDA is older than 13.0" in str(found(made).remedy)
    assert "CUDA is older than 13.0" not in str(found(made._replace(toolkit="13.0.88")).remedy)


def test_one_job_that_was_quicker_than_our_looks() -> None:
    made = build([unit("big.cu", 3.5, tool="cc1plus")], CONTAINER, Ending(1, oom_kills=1))
    assert found(made).id == "too-large"
    assert found(build([unit("small.cu", 2.5)], CONTAINER, Ending(1, oom_kills=1))).id == "oom-killed"


def test_on_a_machine_memory_can_be_freed() -> None:
    made = build([unit("big.o", 85.0, tool="ld")], ending=Ending(reason="x", culprit=job(1, 85.0, name="big.o", tool="ld")))
    assert found(made).id == "too-large"
    assert "Free more than 101 GiB" in str(found(made).remedy)


def test_a_culprit_that_nobody_has_listed() -> None:
    assert "1.cu needs more than 7.0 GiB" in found(build([], CONTAINER, Ending(reason="x", culprit=job(1, 7.0)))).text


def test_the_largest_of_too_many_is_not_too_large() -> None:
    ending = Ending(reason="4 jobs have begun and none can finish", culprit=job(1, 1.9))
    assert found(build(units(4, 1.9), CONTAINER, ending)).id == "too-many-jobs"
    two = [unit("a.cu", 5.0), unit("b.cu", 3.0)]
    ending = Ending(reason="2 jobs have begun and none can finish", culprit=job(1, 5.0, name="a.cu"))
    assert found(build(two, CONTAINER, ending)).id == "too-many-jobs"


def test_one_job_that_would_have_fitted_had_others_not_taken_the_rest() -> None:
    ending = Ending(reason="it outgrew", culprit=job(1, 2.0), others=("vllm (7) has 5.1 GiB",))
    diagnosis = found(build([unit("1.cu", 2.0)], CONTAINER, ending, lowest_free=GIB))
    assert diagnosis.id == "memory-taken"
    assert diagnosis.evidence == ("vllm (7) has 5.1 GiB",)


# --- one that ran away


@pytest.mark.parametrize("tool", ["cudafe++", "cicc"])
@pytest.mark.parametrize(
    "ending", [Ending(0), Ending(reason="it outgrew this machine", culprit=job(1, 60.0)), Ending(1, oom_kills=3)]
)
@pytest.mark.parametrize("toolkit", [None, "12.8", "12.8.93"])
def test_a_compiler_that_ran_away(tool: str, ending: Ending, toolkit: str | None) -> None:
    made = build([unit("rope.cu", 47.0, tool=tool), *units(30, 2.0)], ending=ending, held=10, toolkit=toolkit)
    diagnosis = found(made)
    assert diagnosis.id == "runaway"
    assert "fewer jobs (MAX_JOBS) will not help" in diagnosis.text
    assert f"{tool}{f' of CUDA {toolkit}' if toolkit else ''} took 47.0 GiB for rope.cu" in diagnosis.text
    assert diagnosis.evidence[0] == f"{tool} 47.0 GiB rope.cu"
    assert [line.partition(":")[0] for line in diagnosis.evidence[1:]] == ["NVIDIA/TransformerEngine #1996", "mfem/mfem #5363"]
    assert diagnosis.remedy is not None
    assert "CUDA 13.0 or later" in diagnosis.remedy.text
    assert "cuda-toolkit-13-0" in str(diagnosis.remedy.command)


@pytest.mark.parametrize("toolkit", ["13.0", "13.0.88", "14.1"])
def test_a_compiler_of_the_right_toolkit_that_ran_away(toolkit: str) -> None:
    diagnosis = found(build([unit("rope.cu", 47.0)], toolkit=toolkit))
    assert diagnosis.id == "runaway"
    assert diagnosis.remedy is not None
    assert diagnosis.remedy.command is None
    assert "split rope.cu" in diagnosis.remedy.text
    assert len(diagnosis.evidence) == 1


@pytest.mark.parametrize(
    "one", [unit(peak=30.0, biggest=18 * GIB), unit(peak=30.0, tool="cc1plus"), unit(peak=30.0, tool="ptxas"), unit(peak=18.6)]
)
def test_what_is_large_is_not_always_a_runaway(one: object) -> None:
    assert found(build([one])).id == "enough"  # type: ignore[list-item]


# --- others


def test_the_kernel_killed_though_the_jobs_were_small() -> None:
    made = build(units(2, 1.0), CONTAINER, Ending(1, oom_kills=1, others=("vllm 5.1 GiB",)), lowest_free=GIB // 2)
    diagnosis = found(made)
    assert diagnosis.id == "oom-killed"
    assert diagnosis.evidence[-1] == "vllm 5.1 GiB"
    assert "no more than 2.0 GiB of 6.0 GiB" in diagnosis.text


def test_others_took_the_memory() -> None:
    made = build(units(8, 2.0), held=4, lowest_free=10 * GIB, total_then=8 * GIB)
    diagnosis = found(made)
    assert diagnosis.id == "memory-taken"
    assert "Something else took 78.0 GiB of the memory of this machine during the build: 10.0 GiB were left" in diagnosis.text


def test_a_build_that_was_ended_for_what_others_took() -> None:
    assert found(build(units(1, 1.0), ending=Ending(reason="2.0 GiB are left"), lowest_free=2 * GIB)).id == "memory-taken"


# --- any

BOUNDS = st.builds(
    Bounds, st.integers(0, 128 * GIB), st.integers(0, 32 * GIB), st.sampled_from(["machine", "container"]), st.integers(1, 24)
)
UNITS = st.lists(st.builds(unit, st.text(max_size=4), st.floats(0, 60), st.floats(0, 100)), max_size=12)
ENDINGS = st.builds(
    Ending,
    st.none() | st.integers(0, 255),
    reason=st.none() | st.just("it had to be"),
    culprit=st.none() | st.builds(job, st.integers(0, 3), st.floats(0, 60)),
    oom_kills=st.integers(0, 3),
)


@settings(max_examples=60)
@given(UNITS, BOUNDS, ENDINGS, st.integers(0, 4), st.none() | st.text(max_size=6) | st.sampled_from(["12.8", "13.0"]))
def test_there_is_a_diagnosis_for_any_build(
    made: list[object], bounds: Bounds, ending: Ending, held: int, toolkit: str | None
) -> None:
    one = build(made, bounds, ending, held=min(held, len(made)), toolkit=toolkit)  # type: ignore[arg-type]
    diagnosis = found(one)
    assert diagnosis.id in DIAGNOSES
    assert diagnosis.text.endswith(".")
    assert (diagnosis.remedy is None) == (diagnosis.id == "enough")
    if ending.oom_kills or ending.reason:
        assert diagnosis.id != "enough"
    if diagnosis.id == "runaway":
        assert any(one.biggest > 20e9 for one in one.account.units)
