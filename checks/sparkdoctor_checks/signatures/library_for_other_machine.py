"""Libraries against the processor."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "{file:path}: wrong ELF class: {kind:name}",
    "Relocations in generic ELF (EM: {machine:int})",
    "{file:path}: file in wrong format",
    "{file:path}: File in wrong format",
    "unknown architecture of input file `{file:path}' is incompatible with",
    "unknown architecture of input file '{file:path}' is incompatible with",
    checks=("wheel-for-other-machine", "extension-cache-foreign"),
)
def library_for_other_machine(found: Found) -> Verdict | None:
    """A library is loaded or linked that is built for another processor.

    An environment that was copied from another machine, a wheel forced in with --platform, or objects left over from a build
    elsewhere. 62 is x86-64, 183 is aarch64. Where only the processor differs, the loader says `cannot open shared object file`
    for a file that is there.

    Sources:
    - System V ABI, e_machine and EI_CLASS; glibc 2.36 and GNU ld 2.40, run
    """
    if "skipping incompatible" in found.line:
        return None
    machine = {"62": " (x86-64)", "183": " (aarch64)"}.get(found["machine"], "")
    what = found["file"] or f"an object file{machine}"
    if "/torch_extensions/" in found.line:
        return fail(
            f"{what} in PyTorch's cache is built for another processor than the one that uses it",
            remedy="Put it out of the way; it is built anew at the next use.",
            command="sparkdoctor fix quarantine-foreign-extension",
        )
    return fail(
        f"{what} is built for another processor than the one that uses it",
        remedy="Make the environment, or the build directory, anew on this machine: neither can be carried over.",
    )
