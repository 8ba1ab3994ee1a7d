"""The end of a build."""

from sparkdoctor.plugin import ANYTHING, Found, Verdict, fail, signature


@signature(
    "ninja: build stopped: {why}",
    "]' returned non-zero exit status {status:int}",
    "error: command '{compiler:path}' failed with exit code {status:int}",
    "error: command '{compiler:path}' failed with exit status {status:int}",
    checks=("nvcc-cannot-compile", "extension-cannot-build"),
    because=("extension-build-failed", "ninja-without-build-file", "ninja-required", ANYTHING),
)
def build_stopped(found: Found) -> Verdict | None:
    """A build stopped at an error that stands above.

    ninja, setuptools and Triton print this after the compiler's own words; with several compilers at work the error may stand
    many lines above. The first of them is the cause.

    Sources:
    - ninja 1.11.1; setuptools/_distutils/spawn.py; triton/runtime/build.py
    """
    why = found["why"]
    tool = (found["compiler"] or "ninja").rpartition("/")[2]
    if "interrupted by user" in why:
        return None
    if "returned non-zero" in found.line:
        called = found.line.partition("Command '['")[2]
        tool = called.partition("'")[0].rpartition("/")[2]
        building = (tool == "ninja" and "--version" not in called) or "'-shared'" in called
        if not building:
            return None
    return fail(
        f"the build stopped ({tool}): the first error above it is the cause",
        remedy="Build once more with one compiler at a time: then the error stands directly above.",
        command="export MAX_JOBS=1",
    )
