"""What is mended for a process: chosen from facts by hand."""

import resource
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor import facts, mends, profiles, tape
from sparkdoctor.facts import Cgroup, Exports, System
from sparkdoctor.facts.exports import NAMES
from sparkdoctor.host import Host, Question
from sparkdoctor.machine import Fact, Machine
from sparkdoctor.mends import FILES, READERS, STACK, THREADS, Raise
from sparkdoctor.model import Missing
from sparkdoctor.profiles import Profile, Severity

MACHINES = Path(__file__).parents[1] / "machines"
MIB = 1 << 20
DEMANDS = Profile(stack_mib=Severity(failed=8), memlock_mib=Severity(warning=64), open_files=65536)
LIMITS: dict[str, tuple[int | None, int | None]] = {"stack": (None, None), "memlock": (None, None), "nofile": (None, None)}


def after(profile: Profile, name: str, soft: int | None, hard: int | None) -> dict[str, int | None]:
    return {planned.name: planned.after for planned in mends.raises(profile, LIMITS | {name: (soft, hard)})}


@pytest.mark.parametrize(
    ("name", "soft", "hard", "wanted"),
    [
        ("stack", 8 * MIB, None, STACK),  # never unlimited: threads would get 2 MiB
        ("stack", 8 * MIB, 16 * MIB, 16 * MIB),
        ("stack", 8 * MIB, 1 << 40, STACK),
        ("stack", STACK, None, "stays"),
        ("stack", None, None, "stays"),
        ("stack", 8 * MIB, 8 * MIB, "stays"),
        ("memlock", 8 * MIB, None, None),
        ("memlock", 8 * MIB, 32 * MIB, 32 * MIB),
        ("memlock", 64 * MIB, None, "stays"),
        ("memlock", 8 * MIB, 8 * MIB, "stays"),
        ("nofile", 1024, 10**9, FILES),
        ("nofile", 1024, None, FILES),
        ("nofile", 1024, 4096, 4096),
        ("nofile", 65536, 10**9, "stays"),
        ("nofile", 10**9, 10**9, "stays"),
    ],
)
def test_a_limit(name: str, soft: int | None, hard: int | None, wanted: int | str | None) -> None:
    assert after(DEMANDS, name, soft, hard) == ({} if wanted == "stays" else {name: wanted})
    assert after(Profile(), name, soft, hard) == {}  # nobody asks for it


def test_a_profile_may_ask_for_more() -> None:
    assert after(Profile(stack_mib=Severity(failed=256)), "stack", STACK, None) == {"stack": 256 * MIB}
    assert after(Profile(open_files=2 * FILES), "nofile", FILES, None) == {"nofile": 2 * FILES}


bounds = st.one_of(st.none(), st.integers(0, 1 << 62))


@given(soft=bounds, hard=bounds, name=st.sampled_from(sorted(LIMITS)))
def test_a_limit_is_only_ever_raised_and_never_above_the_hard_one(soft: int | None, hard: int | None, name: str) -> None:
    for planned in mends.raises(DEMANDS, LIMITS | {name: (soft, hard)}):
        assert planned.before is not None
        assert planned.after is None or planned.after > planned.before
        assert hard is None or (planned.after is not None and planned.after <= hard)
        assert str(planned)


def test_what_the_kernel_refuses_is_no_mend() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert not mends.perform(Raise("nofile", 1, hard + 1, hard))


def test_the_words() -> None:
    assert str(Raise("memlock", 8 * MIB, None, None)) == "the limit on locked memory is raised from 8 MiB to unlimited"
    assert str(Raise("nofile", 1024, 4096, 4096)) == "the limit on open files is raised from 1024 to 4096"


def system(cpus: int) -> System:
    return System(architecture="aarch64", kernel="6.11", page_size=4096, cpus=20, usable_cpus=cpus, os=None)


@pytest.mark.parametrize(("quota", "wanted"), [(None, None), (2.0, "2"), (2.5, "3"), (0.2, "1"), (20.0, None), (64.0, None)])
def test_threads_by_the_quota(quota: float | None, wanted: str | None) -> None:
    found = mends.variables({}, Exports({}), Cgroup("v2", cpus=quota), system(20))
    assert found.get(THREADS, (None,))[0] == wanted
    assert mends.variables({THREADS: "7"}, Exports({}), Cgroup("v2", cpus=quota), system(20)) == {}


def test_what_the_user_has_set_is_never_set() -> None:
    exports = Exports({"MAX_JOBS": ("2", "why"), "NVCC_APPEND_FLAGS": ("-g --split-compile=0", "why")})
    assert set(mends.variables({}, exports, Missing("no"), Missing("no"))) == {"MAX_JOBS", "NVCC_APPEND_FLAGS"}
    assert mends.variables({"MAX_JOBS": "1", "NVCC_APPEND_FLAGS": ""}, exports, Missing("no"), Missing("no")) == {}
    assert set(mends.variables({"MAX_JOBS": "", "NVCC_APPEND_FLAGS": ""}, exports, Missing("no"), Missing("no"))) == {"MAX_JOBS"}
    assert mends.variables({}, Missing("no"), Missing("no"), Missing("no")) == {}


class Listening:
    """A host that knows which variables it was asked for."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.names: set[str] = set()

    def answer(self, question: Question, timeout: float) -> Any:
        if question.kind == "env":
            self.names.add(question.args[0])
        return self._host.answer(question, timeout)


FACTS = [kind for kind in list(vars(facts).values()) if isinstance(kind, type) and issubclass(kind, Fact) and kind is not Fact]
FACTS = [kind for kind in FACTS if not kind.deep and kind is not Exports]


def test_the_facts_that_variables_of_ours_change() -> None:
    found = set()
    for name in ("gb10-openfold3", "h100-openfold3", "h100-warm"):
        player = tape.Player(tape.load(str(MACHINES / f"{name}.tape.json")))
        for kind in FACTS:
            host = Listening(player)
            Machine(host, profiles.load("openfold3-spark")).get(kind)
            if host.names & {*NAMES, THREADS}:
                found.add(kind)
    assert found == set(READERS)
