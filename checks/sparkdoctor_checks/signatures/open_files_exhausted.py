"""Open files."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "Too many open files",
    "too many open files",
    "received 0 items of ancdata",
)
def open_files_exhausted(found: Found) -> Verdict | None:
    """A process has as many files open as it may have.

    PyTorch keeps a file open for each tensor that its data loader's workers hand over; 1024 is what a shell allows. `received
    0 items of ancdata` is the same, seen from the receiver.

    Sources:
    - pytorch/pytorch #973, #34768, #165532; getrlimit(2)
    """
    if "inotify" in found.line or "watch" in found.line:
        return None
    return fail(
        "a process has as many files open as it may have",
        remedy="Raise the limit in this shell, and start it again; of a container, with --ulimit nofile=65536.",
        command="ulimit -n 65536",
    )
