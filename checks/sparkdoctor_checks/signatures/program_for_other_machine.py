"""Programs against the processor."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

_NO_FILE = ("caused", "file", "zsh", "error", "")
_SCRIPTS = (".sh", ".bash", ".py")


@signature(
    "{file:path}: exec format error",
    '"exec format error"',
    "zsh: exec format error: {file:path}",
    "{file:path}: cannot execute binary file",
    "{file:path}: Exec format error",
    '"{file:path}": exec format error',
    '"{file:path}": Exec format error',
    "'{file:path}': Exec format error",
    "`{file:path}`: Exec format error",
    "[Errno 8] Exec format error: '{file}'",
    "{file:path}: Invalid ELF image for this architecture",
    "Could not open '{loader:path}ld-linux-x86-64.so.2'",
    "qemu: uncaught target signal {signal:int}",
    checks=("wheel-for-other-machine", "machine-not-spark"),
    because=("image-for-other-platform",),
)
def program_for_other_machine(found: Found) -> Verdict | None:
    """A program is started that is built for another processor.

    A Spark's processor is aarch64 (arm64). Images and programs for x86-64 (amd64) do not run on it; under emulation (qemu) they
    crawl or crash, and see no GPU. A script without `#!` in its first line gives the same words in a container.

    Sources:
    - execve(2), ENOEXEC; bash 5.2, dash and Python 3.11, run
    - mmartial/ComfyUI-Nvidia-Docker #96 (DGX Spark)
    """
    if any(words in found.line for words in ("could not insert", "insmod", "modprobe")):
        return None  # a kernel module of another kernel
    file = found["file"].strip("\"'[]")
    if found["signal"] or found["loader"]:
        return fail(
            "an x86-64 program is emulated here (qemu), and fails under that",
            remedy="Take the image or program for arm64 (aarch64): what is emulated sees no GPU.",
        )
    if file in _NO_FILE:
        if not any(words in found.line for words in ("exec user process", "os error 8", "caused")):
            return None
        return fail(
            "the container's program is built for another processor",
            remedy="Take an image for linux/arm64, or build it on this machine.",
        )
    if file.endswith(_SCRIPTS):
        return fail(
            f"{file} cannot be started: the image is for another processor, or the script does not begin with #!",
            remedy="Take an image for linux/arm64; where it is one, let the script begin with #!/bin/sh.",
        )
    return fail(
        f"{file} is built for another processor than this one",
        remedy="Take it for aarch64 (arm64): an image for linux/arm64, a download for aarch64, or a build on this machine.",
    )
