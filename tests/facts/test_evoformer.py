"""Where evoformer_attn is built, as it is found."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import Lab
from sparkdoctor.facts import EvoformerPlace
from sparkdoctor.facts.evoformer import ROOMY
from sparkdoctor.facts.extensions import free_name
from sparkdoctor.facts.nvcc import SPLIT
from standins.hosts import script

NVCC = """\
#!/bin/sh
case "$*" in
  *--split-compile=0*) {answer};;
  *) echo '#$ _HERE_=/cuda/bin' >&2; echo '-D__CUDACC_VER_MAJOR__=13 -D__CUDACC_VER_MINOR__=0 -D__CUDACC_VER_BUILD__=88' >&2;;
esac
"""


def look(
    lab: Lab, place: Path, monkeypatch: pytest.MonkeyPatch, answer: str = "exit 0", cc: str = "gcc (Debian) 12"
) -> EvoformerPlace:
    script(place / "cuda" / "bin" / "nvcc", NVCC.format(answer=answer))
    for name in ("gcc", "c++"):
        script(place / "bin" / name, f"#!/bin/sh\necho '{cc}'\n")
    monkeypatch.setenv("CUDA_HOME", str(place / "cuda"))
    for name in ("PYTORCH_NVCC", "CC", "CXX", "NVCC_CCBIN"):
        monkeypatch.delenv(name, raising=False)
    found = lab.machine().get(EvoformerPlace)
    assert isinstance(found, EvoformerPlace), found
    return found


def test_an_empty_cache(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NVCC_APPEND_FLAGS", "-lineinfo")
    found = look(lab, tmp_path, monkeypatch)
    assert (found.path, found.inside) == (f"{lab.root}/evoformer_attn", None)
    assert found.aside == f"{lab.root}/evoformer_attn.aside"
    assert found.cache is not None
    assert found.temporary is not None
    assert (found.faster, found.append) == ((SPLIT, ROOMY), "-lineinfo")


def test_a_cache_that_is_not_there_yet_is_measured_where_it_would_be(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "a" / "b"))
    found = look(lab, tmp_path, monkeypatch)
    assert found.path == f"{tmp_path}/a/b/evoformer_attn"
    assert found.cache is not None


def test_what_was_moved_aside_before_is_not_in_the_way(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("evoformer_attn", "evoformer_attn.aside", "evoformer_attn.aside.~1~"):
        (lab.root / name).mkdir()
    (lab.root / "evoformer_attn" / "notes").touch()
    found = look(lab, tmp_path, monkeypatch)
    assert (found.inside, found.aside) == (("notes",), f"{lab.root}/evoformer_attn.aside.~2~")


@pytest.mark.parametrize(
    ("answer", "cc", "faster"),
    [
        ("echo \"nvcc fatal   : Unknown option '--split-compile=0'\" >&2; exit 1", "gcc (Debian) 12", (ROOMY,)),
        ("exit 0", "Ubuntu clang version 18.1.3", (SPLIT,)),
    ],
)
def test_flags_that_a_compiler_does_not_know_are_not_given(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, cc: str, faster: tuple[str, ...]
) -> None:
    assert look(lab, tmp_path, monkeypatch, answer, cc).faster == faster


@given(st.sets(st.sampled_from(["x", "x.~1~", "x.~2~", "y"])))
def test_a_free_name_is_free(taken: set[str]) -> None:
    assert free_name("x", tuple(taken)) not in taken
