"""The cache of extensions and who may write there."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "[Errno 13] Permission denied: '{file:path}'",
    "[Errno 30] Read-only file system: '{file:path}'",
    checks=("kernels-not-warm", "extension-cache-shared"),
)
def extension_cache_unwritable(found: Found) -> Verdict | None:
    """The cache of PyTorch's extensions cannot be written.

    PyTorch writes a lock and build.ninja at each use of an extension, even where nothing is left to build. Root made the
    directory in a container that now runs as somebody else, or it is mounted read-only, or $HOME is not this user's.

    Sources:
    - measured: a cache of PyTorch 2.13 made read-only; torch/utils/cpp_extension.py, `_get_build_directory`
    - mapillary/inplace_abn #108, pytorch/pytorch #34238
    """
    file = found["file"]
    near = any("cpp_extension.py" in line or "file_baton.py" in line for line in found.before)
    if "torch_extensions" not in file and not near:
        return None
    return fail(
        f"the cache of extensions cannot be written: {file}",
        remedy="Let TORCH_EXTENSIONS_DIR lead to a directory that this user can write.",
        command="mkdir -m 700 /var/tmp/torch_extensions-$(id -u)"
        " && export TORCH_EXTENSIONS_DIR=/var/tmp/torch_extensions-$(id -u)",
    )
