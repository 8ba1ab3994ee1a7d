"""Checks on facts made by hand: cache."""

from typing import Any

import pytest

from by_hand import (
    EVOFORMER,
    FAILED,
    GONE,
    OK,
    ROOT,
    SKIPPED,
    WARNING,
    but,
    command_of,
    course,
    judge,
    place,
    using,
)
from sparkdoctor.architecture import Capability
from sparkdoctor.facts import (
    Attention,
    CacheAccess,
    Container,
    Deepspeed,
    DeepspeedBuilder,
    Extensions,
    Gpu,
    Ninja,
    Python,
    TritonCache,
    TritonKernels,
)
from sparkdoctor.facts.cache_access import Opening
from sparkdoctor.facts.deepspeed_builder import Flags
from sparkdoctor.facts.extensions import Extension, State
from sparkdoctor.facts.gpu import Device
from sparkdoctor.facts.openfold3 import CUEQUIVARIANCE, DEEPSPEED, LMA, ORDER, TRITON
from sparkdoctor.facts.places import Mount
from sparkdoctor.facts.python import Distribution
from sparkdoctor.machine import FileStatus, Holder, Holders
from sparkdoctor.model import Broken, Missing, Status

NOW = 1_760_000_000
DOCKER = Container("docker")
NFS = Mount("/home", "nfs4")
NONE = but(Extensions, found=())


def having(*found: Extension, **more: Any) -> Any:
    return but(Extensions, found=found, **more)


def in_state(state: State, *reasons: str, **more: Any) -> Extension:
    return EVOFORMER._replace(state=state, reasons=reasons, **more)


def installed(**versions: str) -> Any:
    return but(Python, distributions={name: Distribution(version, f"/x/{name}") for name, version in versions.items()})


def test_ninja_missing() -> None:
    assert judge("ninja-missing").status is OK
    none = Ninja(Missing("PATH has no ninja"), "", None)
    assert "pip install ninja" in command_of(judge("ninja-missing", none))
    assert judge("ninja-missing", none, NONE, installed()).status is SKIPPED
    assert judge("ninja-missing", none, NONE).status is FAILED
    assert judge("ninja-missing", none, installed()).status is FAILED  # there is an extension
    aside = judge("ninja-missing", Ninja(Missing("PATH has no ninja"), "", "/venv/my bin/ninja"))
    assert aside.status is FAILED
    assert command_of(aside) == "export PATH='/venv/my bin':$PATH"
    assert judge("ninja-missing", Ninja(Broken("ninja --version was killed by SIGILL"), "", None)).status is FAILED


def locked(age: int = 60, uid: int = 1000, *holders: Holder) -> Extension:
    lock = FileStatus("file", 0, 0o644, f"{EVOFORMER.path}/lock", True, True, False, uid, uid, NOW - age)
    return in_state(State.LOCKED, *(f"{one.name} (pid {one.pid}) has {one.what}" for one in holders), lock=lock, holders=holders)


def seen(hidden: int = 0) -> Holders:
    return Holders(NOW, (), hidden)


@pytest.mark.parametrize(
    ("facts", "status", "words"),
    [
        ([having(locked(), holders=seen())], FAILED, "build that has ended"),
        ([having(locked(), holders=seen(hidden=300))], FAILED, "build that has ended"),  # but the lock is this user's
        ([having(locked(uid=1001), holders=seen(hidden=300))], WARNING, "not everybody can"),
        ([having(locked(uid=1001), holders=seen())], WARNING, "not everybody can"),  # hidepid shows nobody
        ([having(locked(uid=1001), holders=seen(), uid=0)], FAILED, "build that has ended"),  # root sees everybody
        ([having(locked(uid=1001, age=4000), holders=seen(hidden=300))], FAILED, "build that has ended"),
        ([having(locked(), holders=seen(), root=place(ROOT, mount=NFS))], WARNING, "not everybody can"),
        ([having(locked(age=9000), holders=seen(), root=place(ROOT, mount=NFS))], FAILED, "build that has ended"),
        (
            [DOCKER, having(locked(), holders=seen(), root=place(ROOT, mount=Mount("/home", "ext4")))],
            WARNING,
            "not everybody can",
        ),
        ([DOCKER, having(locked(), holders=seen())], FAILED, "build that has ended"),  # its own file system
        ([having(locked(), holders=GONE)], WARNING, "not everybody can"),
        ([having(in_state(State.BUILDING, "python (pid 7) has lock"), holders=seen())], OK, "is being built: python (pid 7)"),
        ([having(EVOFORMER._replace(lock=locked().lock), flocks=True)], OK, "mean nothing"),
        ([NONE], SKIPPED, "no extensions"),
    ],
)
def test_extension_cache_locked(facts: list[Any], status: Status, words: str) -> None:
    verdict = judge("extension-cache-locked", *facts)
    assert verdict.status is status
    assert words in verdict.summary
    if status in (FAILED, WARNING):
        assert command_of(verdict) == f"rm {EVOFORMER.path}/lock"


def test_compilers_without_their_builder() -> None:
    orphans = [Holder(41, "ninja", EVOFORMER.path), Holder(43, "cicc", EVOFORMER.path)]
    verdict = judge("extension-cache-locked", having(locked(60, 1000, *orphans), holders=seen()))
    assert verdict.status is FAILED
    assert "ninja (pid 41), cicc (pid 43)" in verdict.summary
    assert command_of(verdict) == f"tail --pid=41 -f /dev/null; tail --pid=43 -f /dev/null; rm {EVOFORMER.path}/lock"
    assert judge("extension-cache-locked", having(locked(), holders=seen()), container=GONE).status is FAILED


STATES = list(State)


@pytest.mark.parametrize("state", STATES)
def test_one_check_tells_each_state(state: State) -> None:
    extensions = having(in_state(state, "because") if state is not State.LOCKED else locked(), holders=seen())
    verdicts = {
        "locked": judge("extension-cache-locked", extensions).status,
        "incomplete": judge("extension-cache-incomplete", extensions).status,
        "foreign": judge("extension-cache-foreign", extensions).status,
        "shared": judge("extension-cache-shared", extensions).status,
        "warm": judge("kernels-not-warm", extensions).status,
    }
    telling = {State.LOCKED: "locked", State.DAMAGED: "incomplete", State.OUTDATED: "incomplete", State.FOREIGN: "foreign"}
    assert [name for name, status in verdicts.items() if status is FAILED] == ([telling[state]] if state in telling else [])
    assert [name for name, status in verdicts.items() if status is WARNING] == []
    assert verdicts["warm"] is (OK if state is State.WHOLE else SKIPPED)


def test_extension_cache_incomplete() -> None:
    cut = in_state(State.DAMAGED, "evoformer_attn.so is cut off: 8000 of at least 9000 bytes")
    other = EVOFORMER._replace(name="cpu_adam", path=f"{ROOT}/cpu adam", state=State.OUTDATED, reasons=("ninja: older",))
    verdict = judge("extension-cache-incomplete", having(cut, other, locked()._replace(name="gds")))
    assert verdict.status is FAILED
    assert "kills whoever loads it (gds is locked: told elsewhere)" in verdict.summary
    assert command_of(verdict) == (
        f"mv -T --backup=numbered {EVOFORMER.path} {EVOFORMER.path}.aside && "
        f"mv -T --backup=numbered '{ROOT}/cpu adam' '{ROOT}/cpu adam.aside'"
    )
    assert judge("extension-cache-incomplete", NONE).status is SKIPPED
    alone = judge("extension-cache-incomplete", having(EVOFORMER, asked=False))
    assert alone.status is OK
    assert "by their files alone" in alone.summary
    empty = judge("extension-cache-incomplete", having(in_state(State.DAMAGED, f"{EVOFORMER.path}/build.ninja is empty")))
    assert "may be built anew" in empty.summary  # PyTorch writes that file at each use
    assert "is built anew" in judge("extension-cache-incomplete", having(other)).summary


def test_what_was_not_looked_at_is_said() -> None:
    assert judge("extension-cache-shared", having(variable="/c", unseen="/c: no")).summary.endswith("no builds; /c: no")
    for check in ("locked", "incomplete", "foreign"):
        assert judge(f"extension-cache-{check}", having(EVOFORMER, unseen="only 64 were looked at")).summary.endswith(
            "; only 64 were looked at"
        )
        assert judge(f"extension-cache-{check}", having(unseen="/c: Permission denied")).summary == "/c: Permission denied"


def test_extension_cache_foreign() -> None:
    assert judge("extension-cache-foreign", NONE).status is SKIPPED
    wrong = in_state(State.FOREIGN, "its GPU code is sm_90; none of it runs on 12.1")
    assert "mv -T" in command_of(judge("extension-cache-foreign", having(wrong)))
    elsewhere = wrong._replace(mild=True)
    assert judge("extension-cache-foreign", having(elsewhere)).status is WARNING
    assert judge("extension-cache-foreign", having(elsewhere, wrong._replace(name="b"))).status is FAILED


def test_extension_cache_shared() -> None:
    assert judge("extension-cache-shared", NONE).status is OK
    assert EVOFORMER.build is not None
    other = EVOFORMER._replace(name="b", build=EVOFORMER.build._replace(includes=("/other/torch/include",)))
    assert judge("extension-cache-shared", having(EVOFORMER, other)).status is OK  # the folder's name tells them apart
    shared = judge("extension-cache-shared", having(EVOFORMER, other, variable="/my ext", root=place("/my ext")))
    assert shared.status is FAILED
    assert command_of(shared) == "export TORCH_EXTENSIONS_DIR='/my ext/py312_cu130'"
    old = EVOFORMER._replace(name="b", cuda=12)
    assert judge("extension-cache-shared", having(EVOFORMER, old, variable="/ext", root=place("/ext"))).status is FAILED
    assert judge("extension-cache-shared", having(EVOFORMER, variable="/ext", root=place("/ext"))).status is OK
    assert judge("extension-cache-shared", but(Extensions, root=place(ROOT, mount=NFS))).status is WARNING


def access(*openings: Opening, there: bool = True, **more: Any) -> Any:
    return CacheAccess(place(ROOT, there=there, **more), openings)


def test_extension_cache_writable_by_others() -> None:
    assert judge("extension-cache-writable-by-others").status is OK
    everybody = Opening(f"{EVOFORMER.path}/my lib.so", 0o777, "may be written by everybody")
    verdict = judge("extension-cache-writable-by-others", access(everybody))
    assert verdict.status is FAILED
    assert command_of(verdict) == f"chmod go-w '{EVOFORMER.path}/my lib.so'"
    above = judge("extension-cache-writable-by-others", access(everybody._replace(path="/data", above=True)))
    assert command_of(above) == "sudo chmod go-w /data"
    tmp = Opening("/tmp", 0o1777, "may be written by everybody", above=True)
    free = judge("extension-cache-writable-by-others", access(tmp, there=False))
    assert free.status is WARNING
    assert command_of(free) == f"mkdir -m 700 -p {ROOT}"
    theirs = Opening(ROOT, 0o755, "belongs to uid 1001", owner=True)
    assert judge("extension-cache-writable-by-others", access(theirs)).status is FAILED
    assert judge("extension-cache-writable-by-others", access(theirs), DOCKER).status is WARNING
    assert judge("extension-cache-writable-by-others", access(theirs, everybody), DOCKER).status is FAILED
    assert judge("extension-cache-writable-by-others", access(everybody), container=GONE).status is FAILED


@pytest.mark.parametrize(
    ("packages", "found", "prebuilt", "kernels", "status"),
    [
        ({"deepspeed": "0.18.7"}, (EVOFORMER,), (), 0, OK),
        ({"deepspeed": "0.18.7"}, (), (), 0, WARNING),
        ({"deepspeed": "0.18.7"}, (), ("evoformer_attn",), 0, OK),
        ({"deepspeed": "0.18.7", "openfold3": "0.4.0"}, (), (), 0, WARNING),
        ({"deepspeed": "0.18.7", "openfold3": "0.4.3"}, (), (), 0, SKIPPED),
        ({"openfold3": "0.4.5"}, (), (), 0, WARNING),
        ({"openfold3": "0.5.0"}, (), (), 1, OK),
        ({"deepspeed": "0.18.7", "openfold3": "0.5.0"}, (), (), 1, OK),
        ({"deepspeed": "0.18.7", "openfold3": "0.5.0"}, (), (), 0, WARNING),
        ({}, (EVOFORMER,), (), 1, SKIPPED),
    ],
)
def test_kernels_not_warm(
    packages: dict[str, str], found: tuple[Extension, ...], prebuilt: tuple[str, ...], kernels: int, status: Status
) -> None:
    compiled = but(TritonKernels, names=("_attn_fwd",) * kernels)
    facts = [installed(**packages), having(*found), compiled, but(Deepspeed, prebuilt=prebuilt)]
    facts += [using(packages["openfold3"])] if "openfold3" in packages else []
    gone = {} if "deepspeed" in packages else {"deepspeed": GONE}
    assert judge("kernels-not-warm", *facts, **gone).status is status


def warm(*flags: str) -> Any:
    assert EVOFORMER.build is not None
    return having(EVOFORMER._replace(build=EVOFORMER.build._replace(flags=flags)))


GENCODE = "-gencode=arch=compute_121,code=sm_121"


@pytest.mark.parametrize(
    ("flags", "now", "status", "words"),
    [
        ((GENCODE, "--threads=8"), (GENCODE,), OK, "is ready"),
        (("-gencode=arch=compute_120,code=sm_120", "--threads=8"), (GENCODE,), WARNING, "code=sm_120 is -gencode"),
        (("-gencode=arch=compute_120,code=sm_120", "--threads=8"), (), OK, "is ready"),  # nobody has asked DeepSpeed
        ((GENCODE, "--threads=4"), (GENCODE,), WARNING, "--threads=4 is 8 now"),
        ((GENCODE,), (GENCODE,), OK, "is ready"),
    ],
)
def test_a_library_that_was_built_with_other_flags(
    flags: tuple[str, ...], now: tuple[str, ...], status: Status, words: str
) -> None:
    asked = DeepspeedBuilder(Capability(12, 1), course(), Flags(now, True) if now else None, None, {}, {})
    verdict = judge("kernels-not-warm", warm(*flags), asked)
    assert (verdict.status, words in verdict.summary) == (status, True)
    if "--threads=4" in flags:
        assert command_of(verdict) == "export DS_NVCC_THREADS=4"
    other = but(Gpu, devices=(Device("NVIDIA H100", Capability(9, 0), None),))
    elsewhere = judge("kernels-not-warm", warm(*flags), asked, other)
    assert elsewhere.status is (WARNING if "--threads=4" in flags else OK)


def test_kernels_not_warm_gives_what_it_costs() -> None:
    cold = judge("kernels-not-warm", NONE)
    assert "about 3 minutes on a GB10" in cold.summary
    assert command_of(cold).startswith("/venv/bin/python -c ")
    assert "PyTorch expands no ~" not in cold.summary
    assert "PyTorch expands no ~" in judge("kernels-not-warm", having(variable="~/x")).summary
    new = using("0.5.0")
    absent = judge("kernels-not-warm", new, triton=GONE)
    assert (absent.status, absent.summary) == (SKIPPED, GONE.reason)
    for root in (place(ROOT, writable=False), place(ROOT, kind="file"), place(ROOT, there=False, writable=False)):
        stuck = judge("kernels-not-warm", having(root=root))
        assert stuck.status is FAILED
        assert stuck.summary.startswith("DeepSpeed's evoformer_attn can be neither built nor loaded: /home/user")
        # A name that anybody can take first: `mkdir` says so, and nothing follows.
        assert command_of(stuck).startswith(
            "mkdir -m 700 /var/tmp/torch_extensions-$(id -u) && export TORCH_EXTENSIONS_DIR=/var/tmp/"
        )
        assert judge("kernels-not-warm", having(root=root), new).status is not FAILED
        assert judge("kernels-not-warm", having(root=root), but(Deepspeed, prebuilt=("evoformer_attn",))).status is OK
    # PyTorch locks even what is whole.
    assert judge("kernels-not-warm", having(EVOFORMER._replace(writable=False))).status is FAILED
    assert judge("kernels-not-warm", having(EVOFORMER, root=place(ROOT, writable=False))).status is OK


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({}, OK, "Triton has compiled OpenFold3's kernels in /home/user/.triton/cache (3)"),
        ({"names": ("_attn_fwd_dyn",)}, WARNING, "has not compiled OpenFold3's kernels in /home/user/.triton/cache: about 11 s"),
        ({"names": ("_attn_fwd_dyn",), "dynamic": True}, OK, "(1)"),
        ({"dynamic": True}, WARNING, "about 11 s more, on an H100"),
        ({"names": ("layernorm_kernel",)}, WARNING, "has not compiled"),
        ({"names": (), "others": ("_attn_fwd", "linear_kernel")}, WARNING, "only for other GPUs (2): about 11 s"),
        ({"names": (), "unseen": 5}, SKIPPED, "has more entries than were looked into"),
    ],
)
def test_kernels_of_openfold3_in_the_cache_of_triton(changes: dict[str, Any], status: Status, words: str) -> None:
    verdict = judge("kernels-not-warm", using("0.5.0"), but(TritonKernels, **changes))
    assert (verdict.status, words in verdict.summary) == (status, True), verdict
    if status is WARNING:
        assert command_of(verdict) == "sparkdoctor fix warm-kernels"


def test_it_is_the_kernels_that_are_chosen_that_are_to_be_warm() -> None:
    cold = but(TritonKernels, names=())
    chosen = {
        switch: judge("kernels-not-warm", Attention("0.5.0", switch, default=False), NONE, cold) for switch in (*ORDER, None)
    }
    assert {switch for switch, verdict in chosen.items() if verdict.status is WARNING} == {DEEPSPEED, TRITON}
    assert chosen[DEEPSPEED].summary.startswith("the first use compiles first: DeepSpeed's evoformer_attn is not in")
    assert chosen[TRITON].summary.startswith("the first use compiles first: Triton has not compiled")
    assert {chosen[switch].status for switch in (CUEQUIVARIANCE, LMA, None)} == {SKIPPED}


def test_cache_not_persistent() -> None:
    assert judge("cache-not-persistent").status is OK
    verdict = judge("cache-not-persistent", DOCKER)
    assert verdict.status is WARNING
    assert verdict.remedy is not None
    assert f"-v torch_extensions:{ROOT} -v triton_cache:/home/user/.triton/cache" in verdict.remedy.text
    spaced = judge("cache-not-persistent", DOCKER, but(Extensions, root=place("/a b/c")))
    assert spaced.remedy is not None
    assert "-v 'torch_extensions:/a b/c'" in spaced.remedy.text
    volume = Mount("/home/user", "ext4")
    kept = [
        but(Extensions, root=place(ROOT, mount=volume)),
        but(TritonCache, place=place("/home/user/.triton/cache", mount=volume)),
    ]
    assert judge("cache-not-persistent", DOCKER, *kept).status is OK
    lost = judge("cache-not-persistent", DOCKER, kept[0])
    assert lost.remedy is not None
    assert "-v triton_cache:/home/user/.triton/cache`" in lost.remedy.text
    assert (
        judge("cache-not-persistent", DOCKER, but(Extensions, root=place(ROOT, mount=Mount("/home", "tmpfs")))).status is WARNING
    )
    assert judge("cache-not-persistent", DOCKER, extensions=GONE, triton=GONE).status is SKIPPED
    assert judge("cache-not-persistent", DOCKER, but(Extensions, root=place(ROOT, mount=None))).status is SKIPPED


@pytest.mark.parametrize(
    ("cache", "status"),
    [
        (place("/t"), OK),
        (place("/t", there=False), OK),
        (place("/t", writable=False), FAILED),
        (place("/t", there=False, writable=False), FAILED),
        (place("/t", kind="file"), FAILED),
        (place("/t", there=False, kind="file"), FAILED),
        (place("/t", there=False)._replace(above=()), FAILED),
        (Broken("TRITON_CACHE_DIR is set and empty"), FAILED),
    ],
)
def test_triton_cache_unwritable(cache: Any, status: Status) -> None:
    assert judge("triton-cache-unwritable").status is OK
    for variable in (None, "TRITON_CACHE_DIR", "TRITON_HOME"):
        assert judge("triton-cache-unwritable", TritonCache(variable, cache, 0)).status is status
