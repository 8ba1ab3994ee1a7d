"""Libraries that are none."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "{file:path}: invalid ELF header",
    "{file:path}: file too short",
    "{file:path}: ELF load command past end of file",
    "{file:path}: ELF file data encoding not little-endian",
    checks=("extension-cache-incomplete",),
)
def library_damaged(found: Found) -> Verdict:
    """A library is empty, cut off or not a library at all.

    An interrupted build or download, a full disk, or the text that Git LFS leaves in a library's place.

    Sources:
    - glibc 2.36, run on an empty file and on a text
    """
    file = found["file"]
    if "/torch_extensions/" in file:
        return fail(
            f"{file} is not whole: its build was interrupted",
            remedy="Build it again from the beginning.",
            command="sparkdoctor fix rebuild-extension",
        )
    return fail(
        f"{file} is empty, cut off or no library at all",
        remedy="Install again what brought it; in a git checkout, fetch it with `git lfs pull`.",
    )
