"""Thread-local storage of libraries."""

from shlex import quote

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "{file:path}: cannot allocate memory in static TLS block",
    checks=("torch-import-dies",),
)
def static_tls_exhausted(found: Found) -> Verdict:
    """A library was loaded too late for the room that the loader keeps.

    This is no want of memory. On aarch64 a library like libgomp that is loaded after others finds the static block for
    thread-local variables used up; loaded first, it fits.

    Sources:
    - dmlc/xgboost #8488; keras-team/keras-tuner #317; NVIDIA-AI-IOT/trt_pose #111
    """
    file = found["file"]
    return fail(
        f"{file.rpartition('/')[2]} was loaded too late: the room for thread-local variables was used up",
        remedy="Load it before all others, and start the program again.",
        command=f"export LD_PRELOAD={quote(file)}",
    )
