"""The variables by which build systems are told how much to do at once."""

import os
from collections.abc import Mapping

from sparkdoctor.facts import Cgroup
from sparkdoctor.model import Missing

DEEPSPEED_THREADS = 8
"""DeepSpeed's own default is min(processors, 8); another value would have it build its kernels anew at the next use."""


def processors(group: Cgroup | Missing) -> int:
    """How many processors this process may use: its affinity, and its control group's quota, rounded up."""
    usable = len(os.sched_getaffinity(0))
    quota = None if isinstance(group, Missing) else group.processors
    return min(usable, quota or usable)


def variables(environment: Mapping[str, str], jobs: int) -> dict[str, str]:
    """What to set for `jobs` jobs at once: names that are not set, and their values.

    Memory is not what bounds them: whatever is begun when there is none is held back. Threads within one compiler are, since
    each of them takes memory like a job and cannot be held back alone.

    Sources: torch/utils/cpp_extension.py (MAX_JOBS); cmake-env-variables(7); flash-attention setup.py (NVCC_THREADS, 4 without);
    TransformerEngine build_tools/utils.py (NVTE_BUILD_THREADS_PER_JOB); DeepSpeed op_builder/builder.py (DS_NVCC_THREADS); the
    Cargo book, "Environment variables".
    """
    wanted = {
        "MAX_JOBS": jobs,
        "CMAKE_BUILD_PARALLEL_LEVEL": jobs,
        "CARGO_BUILD_JOBS": jobs,
        "NVCC_THREADS": 1,
        "NVTE_BUILD_THREADS_PER_JOB": 1,
        "DS_NVCC_THREADS": min(os.cpu_count() or 1, DEEPSPEED_THREADS),
    }
    return {name: str(value) for name, value in wanted.items() if not environment.get(name)}
