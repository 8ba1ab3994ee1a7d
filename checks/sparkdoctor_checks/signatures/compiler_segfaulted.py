"""Compilers that crash."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "error: Segmentation fault signal terminated program {program:name}",
    "internal compiler error: Segmentation fault (program {program:name})",
    "internal compiler error: Segmentation fault",
    "'{program}' died due to signal 11",
    "unable to execute command: Segmentation fault",
    checks=("stack-limit-low", "memory-low"),
)
def compiler_segfaulted(found: Found) -> Verdict | None:
    """A compiler crashed with a segmentation fault.

    Heavily templated code makes compilers recurse deeply, and a small limit on the stack ends that so; 8 MiB is what Linux
    gives, 1 MiB was seen. Where the limit is large, and it crashes each time in the same place, it is the compiler's fault.

    Sources:
    - opencv/opencv #21181 (a stack of 1 MiB); borglab/gtsam #1046; strasdat/Sophus #363
    """
    line = found.line
    if not found["program"] and ("(program " in line or "signal terminated program" in line):
        return None
    program = found["program"].strip("\"'").rpartition("/")[2] or "the compiler"
    return fail(
        f"{program} crashed (segmentation fault), which a small stack limit does",
        remedy="Raise the stack limit in this shell, and build again.",
        command="ulimit -s 65536",
    )
