"""OpenFold3's kernels in Triton's cache."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from by_hand import DEFAULTS, but, place, using
from sparkdoctor import profiles
from sparkdoctor.facts import Gpu, TritonCache, TritonKernels, triton_kernels
from sparkdoctor.facts.triton_kernels import architecture
from sparkdoctor.host import PATIENT
from sparkdoctor.machine import Machine
from sparkdoctor.model import Broken, Missing
from standins.hosts import Paper
from texts import TEXT

CACHE = "/home/user/.triton/cache"
# What Triton 3.6.0 wrote for an H100, but for the hash.
DESCRIPTION = (
    '{"hash": "5f1c", "target": {"backend": "cuda", "arch": 90, "warp_size": 32}, "num_warps": 4, "num_ctas": 1, "num_stages": 1, '
    '"maxnreg": null, "ptx_version": null, "ptx_options": null, "enable_fp_fusion": true, "extern_libs": [["libdevice", "/x.bc"]], '
    '"debug": false, "backend_name": "cuda", "sanitize_overflow": true, "arch": "sm90", "triton_version": "3.6.0", '
    '"shared": 9216, "tmem_size": 0, "global_scratch_size": 0, "name": "_attn_fwd"}'
)


class Known(Machine):
    """A machine of which these facts are known; the others are read."""

    def __init__(self, host: Paper, *facts: Any, version: str = "0.5.0") -> None:
        super().__init__(host, profiles.load("dgx-spark"))
        self._facts = {type(fact): fact for fact in (using(version), DEFAULTS[TritonCache], DEFAULTS[Gpu], *facts)}

    def get(self, kind: Any) -> Any:
        return self._facts[kind] if kind in self._facts else super().get(kind)


def cached(*kernels: tuple[str, int], env: dict[str, str] | None = None, facts: tuple[Any, ...] = ()) -> TritonKernels:
    files = {f"{CACHE}/H{at:05}/{name}.json": DESCRIPTION.replace("90", str(number)) for at, (name, number) in enumerate(kernels)}
    found = Known(Paper({**files, f"{CACHE}/X/__grp__other.json": ""}, env=env), *facts).get(TritonKernels)
    assert isinstance(found, TritonKernels), found
    return found


def test_those_for_the_gpu_that_is_there_count() -> None:
    found = cached(("_attn_fwd", 121), ("linear_kernel", 121), ("_attn_fwd", 90), ("softmax", 121))
    assert (found.names, found.others, found.warm) == (("_attn_fwd", "linear_kernel"), ("_attn_fwd",), True)
    assert (found.place.path, found.dynamic, found.unseen, found.temporary) == (CACHE, False, 0, None)
    cold = cached(("_attn_fwd", 90), ("linear_kernel", 121))
    assert (cold.names, cold.others, cold.warm) == (("linear_kernel",), ("_attn_fwd",), False)
    assert not cached().warm


def test_without_a_gpu_to_be_seen_each_counts() -> None:
    machine = Known(Paper({f"{CACHE}/H/_attn_fwd.json": DESCRIPTION}))
    machine._facts[Gpu] = Missing("no GPU is visible")
    assert machine.get(TritonKernels).warm


def test_for_all_lengths_another_kernel_is_used() -> None:
    dynamic = {"OF3_TRITON_DYNAMIC_SHAPES": "1"}
    assert cached(("_attn_fwd_dyn", 121), env=dynamic).warm
    assert not cached(("_attn_fwd", 121), env=dynamic).warm
    assert not cached(("_attn_fwd_dyn", 121), env={"OF3_TRITON_DYNAMIC_SHAPES": "true"}).warm


def test_a_cache_without_end_is_looked_into_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_kernels, "LIMIT", 20)
    monkeypatch.setattr(triton_kernels, "READS", 10)
    found = cached(*[("_attn_fwd", 121)] * 25)
    assert (len(found.names), found.unseen) == (10, 6)
    empty = cached(facts=(but(TritonCache, place=place(CACHE, there=False)),))
    assert (empty.names, empty.unseen) == ((), 0)


def test_where_nobody_would_use_them_nobody_looks() -> None:
    for version, used in (("0.4.3", False), ("0.4.4", True), ("0.5.0", True)):
        machine = Known(Paper({f"{CACHE}/H/_attn_fwd.json": DESCRIPTION}), version=version)
        assert isinstance(machine.get(TritonKernels), TritonKernels) is used
    nowhere = Known(Paper(), TritonCache("TRITON_CACHE_DIR", Broken("it is set and empty"), 0)).get(TritonKernels)
    assert nowhere == Broken("it is set and empty")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (DESCRIPTION, 90),
        ('{"target": {"backend": "hip", "arch": "gfx942", "warp_size": 64}}', None),
        ('{"target": {"backend": "cuda", "arch": "90"}}', None),
        ('{"target": ["cuda", 90, 32]}', None),
        ("[" * 100_000, None),
        ("", None),
    ],
)
def test_descriptions_of_kernels(text: str, number: int | None) -> None:
    assert architecture(text) == number


COMPILING = """\
import os, sys
sys.path.insert(0, os.environ["PATIENT"])
os.environ["SPARKDOCTOR_SAY"] = "1"
import predict, triton
from compile import kernel_module, source
predict.watch_triton()
from triton.backends.compiler import GPUTarget
for _ in range(2):
    triton.compile(source(kernel_module().muladd), target=GPUTarget("cuda", 121, 32))
print(predict.kernels["built"], predict.kernels["found"])
"""


@pytest.mark.real
def test_what_the_real_triton_writes_and_tells(patient: Path, tmp_path: Path) -> None:
    env = {**os.environ, "TRITON_CACHE_DIR": str(tmp_path), "PATIENT": PATIENT}
    argv = [str(patient / "python"), "-B", "-c", COMPILING]
    ran = subprocess.run(argv, env=env, check=False, capture_output=True, text=True)
    told, kernels = ran.stdout.splitlines()[-2:]
    said = json.loads(told)
    assert (said["kernel"], said["seconds"] > 0, kernels) == ("muladd", True, "1 1"), ran.stderr
    (description,) = tmp_path.glob("*/muladd.json")
    assert architecture(description.read_text()) == 121


JSON = st.recursive(st.none() | st.booleans() | st.integers() | TEXT, lambda one: st.lists(one) | st.dictionaries(TEXT, one))


@given(st.one_of(TEXT, JSON.map(json.dumps), st.dictionaries(st.just("target"), JSON).map(json.dumps)))
def test_descriptions_of_any_text(text: str) -> None:
    assert architecture(text) is None
