"""One cache for several environments."""

from posixpath import basename

from sparkdoctor.facts import Extensions
from sparkdoctor.plugin import Verdict, check, fail, ok, warn


@check
def extension_cache_shared(extensions: Extensions) -> Verdict:
    """The cache of extensions belongs to one environment on one machine.

    Where TORCH_EXTENSIONS_DIR is set, PyTorch leaves out the folder that it names by Python and CUDA: all environments build
    into one directory, and each loads or undoes what another has built. On a network file system several machines do, and up
    to PyTorch 2.13 a lock there cannot be told from one that was left over.

    Sources:
    - _get_build_directory in torch/utils/cpp_extension.py; the file system's kind is from /proc/self/mountinfo
    """
    root = extensions.root
    built = {
        f"Python {one.build.python or 'unknown'}, PyTorch in {one.build.torch or 'an unknown place'}"
        + (f", CUDA {one.cuda}" if one.cuda else ""): one.name
        for one in extensions.found
        if one.build
    }
    pythons = {(one.build.python, one.build.torch) for one in extensions.found if one.build}
    cudas = {one.cuda for one in extensions.found if one.cuda}
    if extensions.variable is not None and (len(pythons) > 1 or len(cudas) > 1):
        from shlex import quote  # noqa: PLC0415

        own = f"{root.path}/{basename(extensions.usual)}"
        return fail(
            f"TORCH_EXTENSIONS_DIR={extensions.variable} holds builds of several environments",
            expected="one Python, one PyTorch, one CUDA",
            observed=f"{len(pythons)} of Python and PyTorch" + (f", {len(cudas)} of CUDA" if len(cudas) > 1 else ""),
            evidence=tuple(f"{name}: {words}" for words, name in built.items()),
            remedy="Give this environment a directory of its own.",
            command=f"export TORCH_EXTENSIONS_DIR={quote(own)}",
        )
    if root.remote and root.mount:
        return warn(
            f"{root.path} is on {root.mount.kind}: every machine that sees it builds and locks there",
            expected="a local file system",
            observed=root.mount.kind,
            evidence=(f"{root.mount.point} is mounted as {root.mount.kind}",),
            remedy="Build on a local disk.",
            command=extensions.elsewhere,
        )
    if extensions.variable is None:
        return ok(f"{root.path} is named by Python and CUDA")
    held = "builds of one environment" if built else "no builds"
    return ok(f"TORCH_EXTENSIONS_DIR={extensions.variable} holds {held}{extensions.but}")
