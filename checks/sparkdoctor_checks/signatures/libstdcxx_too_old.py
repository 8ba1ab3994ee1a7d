"""The C++ library that is loaded and the one that was built against."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "version {version} not found (required by {file:path})",
    checks=("extension-cache-foreign",),
)
def libstdcxx_too_old(found: Found) -> Verdict | None:
    """A library needs a newer C++ or C library than the one that is loaded.

    An extension that the system's compiler has built needs the system's libstdc++; a conda environment brings an older one,
    which is loaded first. Where it is the system's own that is too old, or the C library (`GLIBC_`), the library was built
    on a newer system.

    Sources:
    - gcc.gnu.org, "ABI Policy and Guidelines"; RenYurui/PIRender #21, pytorch/pytorch #157709
    """
    version = found["version"].strip("`'\"")
    if not version.startswith(("GLIBCXX_", "CXXABI_", "GLIBC_")):
        return None
    name = found["file"].rpartition("/")[2]
    loaded = found.line.partition(": version")[0].rpartition(" ")[2]
    if version.startswith("GLIBC_") or loaded.startswith(("/lib/", "/usr/lib/", "/lib64/", "/usr/lib64/")):
        return fail(
            f"{name} needs {version}: it was built on a newer system than this one",
            remedy="Build it here, or run it in a container of the system that it was built on.",
            command="ldd --version | head -n 1",
        )
    return fail(
        f"{name} needs {version}, which the libstdc++ that is loaded does not have",
        remedy="Bring the environment's libstdc++ up to date.",
        command="conda install -c conda-forge 'libstdcxx-ng>=13'",
    )
