"""Watches on files."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "upper limit on inotify watches reached",
    "inotify resources exhausted",
    "System limit for number of file watchers reached",
    "OS file watch limit reached",
    "Failed to allocate directory watch: Too many open files",
    "inotify watch limit reached",
    "failed to create fsnotify watcher: too many open files",
    "inotify_add_watch: No space left on device",
    "inotify_init: Too many open files",
    "inotify_init() failed: Too many open files",
)
def file_watches_exhausted(found: Found) -> Verdict:
    """A user watches as many files as the kernel allows.

    The kernel says `No space left on device` or `Too many open files` of this too, and means neither the disk nor the limit
    of the shell, but fs.inotify.

    Sources:
    - inotify(7); Linux, Documentation/admin-guide/sysctl/fs.rst
    """
    del found
    return fail(
        "the limit on watched files (inotify) is reached",
        remedy="Raise the limit.",
        command="sudo sysctl fs.inotify.max_user_watches=1048576 fs.inotify.max_user_instances=1024",
        needs_root=True,
    )
