"""Checks on facts made by hand: commands that a stranger's tape has a hand in."""

import shlex
from typing import Any

import pytest

from by_hand import CHECKS, DEFAULTS, EVOFORMER, GONE, OLD, SPARK, but, command_of, place, triton
from sparkdoctor.facts import (
    CacheAccess,
    CudaHome,
    Extensions,
    Ninja,
    Python,
    Torch,
    Triton,
)
from sparkdoctor.facts.cache_access import Opening
from sparkdoctor.facts.extensions import State
from sparkdoctor.facts.triton import BLACKWELL, PLAIN
from sparkdoctor.model import Missing
from sparkdoctor.profiles import Requirement

EVIL = "/x y/$(touch pwned)';`id`"
BAD = EVOFORMER._replace(path=EVIL)


@pytest.mark.parametrize(
    ("name", "facts", "gone"),
    [
        ("torch-missing", [but(Python, path=EVIL)], {"torch": GONE}),
        ("torch-missing", [but(Python, path=EVIL, managed=True)], {"torch": GONE}),
        ("torch-without-cuda", [but(Python, path=EVIL), but(Torch, cuda=None)], {}),
        ("triton-torch-mismatch", [but(Python, path=EVIL), but(Triton, version="3.5.1")], {}),
        ("cuda-home-wrong", [but(CudaHome, variable="CUDA_HOME", home="/opt", on_path=f"{EVIL}/bin/nvcc")], {"nvcc": GONE}),
        ("triton-ptxas-path-ignored", [triton("3.5.1", PLAIN, OLD, knobs={BLACKWELL: EVIL})], {}),
        ("triton-ptxas-too-old", [triton("3.5.1", PLAIN, OLD), but(CudaHome, variable="CUDA_HOME", home=EVIL)], {}),
        ("ninja-missing", [Ninja(Missing("PATH has no ninja"), "", f"{EVIL}/ninja")], {}),
        ("extension-cache-locked", [but(Extensions, found=(BAD._replace(state=State.LOCKED),))], {}),
        ("extension-cache-incomplete", [but(Extensions, found=(BAD._replace(state=State.DAMAGED),))], {}),
        ("extension-cache-foreign", [but(Extensions, found=(BAD._replace(state=State.FOREIGN),))], {}),
        (
            "extension-cache-shared",
            [but(Extensions, root=place(EVIL), variable=EVIL, found=(BAD, BAD._replace(name="b", cuda=12)))],
            {},
        ),
        ("extension-cache-writable-by-others", [CacheAccess(place(EVIL), (Opening(EVIL, 0o777, "may be written"),))], {}),
        (
            "kernels-not-warm",
            [but(Extensions, found=()), but(Python, path=EVIL, distributions=DEFAULTS[Python].distributions)],
            {},
        ),
    ],
)
def test_a_path_in_a_command_is_quoted(name: str, facts: list[Any], gone: dict[str, Missing]) -> None:
    verdict = CHECKS[name].function(
        **{
            need.name: gone.get(need.name)
            or (SPARK if need.fact is None else (DEFAULTS | {type(fact): fact for fact in facts})[need.fact])
            for need in CHECKS[name].needs
        }
    )
    command = command_of(verdict)
    assert any(EVIL in word for word in shlex.split(command)), f"not quoted: {command}"


@pytest.mark.parametrize("text", [">=3.6", "newest"])
def test_requirements_made_for_tests_are_like_those_of_profiles(text: str) -> None:
    if text == "newest":
        with pytest.raises(ValueError, match="specifier"):
            Requirement(text).check()
    else:
        assert "3.6.0" in Requirement(text).check()
