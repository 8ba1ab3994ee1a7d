"""Whether a build fits into memory."""

from sparkdoctor.facts import BuildSettings, Cgroup, Memory, gib
from sparkdoctor.facts.build import COMPILER_BYTES, room
from sparkdoctor.plugin import Missing, Verdict, check, fail, ok


@check
def build_jobs_unbounded(build: BuildSettings, memory: Memory, cgroup: Cgroup | Missing) -> Verdict:
    """A build of CUDA extensions fits into memory.

    ninja starts MAX_JOBS compilers at once, without MAX_JOBS processors + 2; each works on min(threads, architectures)
    copies of its file, and each copy of a CUTLASS kernel takes 3.5 GB. A large build (flash-attn; not evoformer_attn, which
    has three files) on a Spark with a model loaded freezes it. MAX_JOBS=0 means no bound at all.

    Sources:
    - evoformer_attn compiled with nvcc 13.0.88: 3.3 to 3.5 GB for each nvcc and architecture, measured
    - ninja -h; torch/utils/cpp_extension.py (MAX_JOBS)
    - Dao-AILab/flash-attention #2079 (3.2 to 5.0 GB for each thread)
    """
    free = room(memory, cgroup)
    fitting = max(1, int(free // build.bytes_per_job))
    copies = min(build.threads, build.architectures)
    who = f"MAX_JOBS={build.max_jobs}" if build.max_jobs else "MAX_JOBS is not set"
    per_job = f"{copies} × {COMPILER_BYTES / 1e9:g} GB ({build.threads_from}; architectures: {build.architectures})"
    if build.fits(free):
        return ok(
            f"{who}: {build.jobs} jobs of {per_job} fit into {gib(free)}",
            expected=f"<={fitting} jobs",
            observed=str(build.jobs),
        )
    jobs = "unlimited jobs" if build.jobs is None else f"{build.jobs} jobs"
    if build.jobs == 1:
        return fail(
            f"{who}: not even one job of {per_job} fits into {gib(free)}",
            expected=f">={gib(build.bytes_per_job)}",
            observed=gib(free),
            remedy="Free memory before you build anything (memory-low), or build for one architecture.",
        )
    need = "" if build.jobs is None else f" need {build.jobs * build.bytes_per_job / 1e9:.0f} GB and"
    return fail(
        f"{who}: {jobs} of {per_job}{need} do not fit into {gib(free)}",
        expected=f"<={fitting} jobs",
        observed=jobs,
        remedy=f"Bound the jobs to {fitting} before you build anything."
        if free >= build.bytes_per_job
        else "Free memory first: one job alone does not fit.",
        command=f"export MAX_JOBS={fitting}",
    )
