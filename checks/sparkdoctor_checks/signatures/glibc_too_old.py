"""The C and C++ libraries of the system."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "version `GLIBC_{glibc:number}' not found",
    "version 'GLIBC_{glibc:number}' not found",
    "version `GLIBCXX_{glibcxx:number}' not found",
    "version 'GLIBCXX_{glibcxx:number}' not found",
    "version `CXXABI_{cxxabi:number}' not found",
    "version 'CXXABI_{cxxabi:number}' not found",
    checks=("torch-import-dies",),
)
def glibc_too_old(found: Found) -> Verdict:
    """A library was built for a newer C or C++ library than is loaded.

    GLIBC: the system, often that of a container, is older than the one it was built on. GLIBCXX and CXXABI: an older libstdc++ is
    found first, as a rule conda's or one on LD_LIBRARY_PATH.

    Sources:
    - glibc, elf/dl-version.c; GCC, "ABI Policy and Guidelines" of libstdc++
    """
    if found["glibc"]:
        return fail(
            f"something here needs glibc {found['glibc']}, and the system's is older (`ldd --version`)",
            remedy="Take a newer system or image (Ubuntu 24.04 has glibc 2.39), or a build for this one.",
        )
    symbol = f"GLIBCXX_{found['glibcxx']}" if found["glibcxx"] else f"CXXABI_{found['cxxabi']}"
    if any(name in found.line for name in ("conda", "mamba", "pixi")):
        return fail(
            f"conda's libstdc++ is older than what a library was built for ({symbol})",
            remedy="Update it in that environment.",
            command="conda install -c conda-forge 'libstdcxx-ng>=13'",
        )
    return fail(
        f"the libstdc++ that is found first is older than what a library was built for ({symbol})",
        remedy="Look which one that is; an entry of LD_LIBRARY_PATH before the system's is the usual cause.",
        command="echo $LD_LIBRARY_PATH; ldconfig -p | grep libstdc++",
    )
