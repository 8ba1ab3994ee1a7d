"""The library of an extension that was never built."""

from sparkdoctor.plugin import ANYTHING, Found, Verdict, fail, signature


@signature(
    "{file:path}: cannot open shared object file",
    checks=("extension-cache-incomplete", "extension-cache-locked"),
    because=("extension-build-failed", ANYTHING),
)
def extension_library_missing(found: Found) -> Verdict | None:
    """An extension that was never built is loaded.

    A second attempt in the same process does not build again, and hides why the first one failed.

    Sources:
    - aqlaboratory/openfold-3 #17, #62
    """
    if "/torch_extensions/" not in found["file"]:
        return None
    name = found["file"].rpartition("/")[2]
    return fail(
        f"{name} was never built: an earlier attempt in this process failed, and its error is the cause",
        remedy="Look for the first “Error building extension” above, or build again in a new process.",
        command="sparkdoctor fix rebuild-extension",
    )
