"""What facts make of texts: builds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor.facts import (
    build,
)


@pytest.mark.parametrize(
    ("max_jobs", "cpus", "jobs"),
    [
        (None, 20, 22),  # ninja's own guess: a GB10 starts 22 compilers at once
        (None, 1, 2),
        (None, 2, 3),
        (None, 3, 5),
        ("4", 20, 4),
        ("0", 20, None),
        ("", 20, 22),
        ("-1", 20, 22),
        ("four", 20, 22),
        (" 4", 20, 22),
        ("²", 20, 22),
        ("9" * 5000, 20, None),
    ],
)
def test_how_many_compilers_ninja_starts(max_jobs: str | None, cpus: int, jobs: int | None) -> None:
    found = build.ninja_jobs(max_jobs, cpus)
    assert found == jobs or (jobs is None and max_jobs != "0" and found is not None and found > 10**6)


@given(st.one_of(st.none(), st.text(), st.integers(0, 10**6).map(str)), st.integers(1, 1024))
def test_the_number_of_jobs_is_positive_or_without_bound(max_jobs: str | None, cpus: int) -> None:
    jobs = build.ninja_jobs(max_jobs, cpus)
    assert jobs is None or jobs >= 1


@pytest.mark.parametrize(
    ("variables", "cpus", "deepspeed", "expected"),
    [
        ({"DS_NVCC_THREADS": "2", "NVCC_THREADS": "8"}, 20, True, (2, "DS_NVCC_THREADS=2")),
        ({"DS_NVCC_THREADS": None, "NVCC_THREADS": "8"}, 20, True, (8, "NVCC_THREADS=8")),
        ({"DS_NVCC_THREADS": None, "NVCC_THREADS": None}, 20, True, (8, "DeepSpeed's default")),
        ({}, 4, True, (4, "DeepSpeed's default")),
        ({}, 20, False, (1, "nvcc's default")),
        ({"NVCC_THREADS": "0"}, 20, False, (1, "nvcc's default")),
        ({"NVCC_THREADS": "many"}, 20, False, (1, "nvcc's default")),
        ({"NVCC_THREADS": "9" * 5000}, 20, False, (1, "nvcc's default")),
    ],
)
def test_compiler_threads(variables: dict[str, str | None], cpus: int, deepspeed: bool, expected: tuple[int, str]) -> None:
    assert build.compiler_threads(variables, cpus, deepspeed=deepspeed) == expected


@given(st.dictionaries(st.text(max_size=3), st.one_of(st.none(), st.text()), max_size=3), st.integers(1, 512), st.booleans())
def test_compiler_threads_are_positive(variables: dict[str, str | None], cpus: int, deepspeed: bool) -> None:
    threads, why = build.compiler_threads(variables, cpus, deepspeed=deepspeed)
    assert threads >= 1
    assert why
