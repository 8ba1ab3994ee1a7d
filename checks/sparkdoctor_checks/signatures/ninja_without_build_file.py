"""ninja and the file that tells it what to do."""

from sparkdoctor.plugin import ANYTHING, Found, Verdict, fail, signature

EXTENSION = ("torch_extensions", "cpp_extension", "Error building extension", "Building extension module", "'ninja', '-v'")


@signature(
    "ninja: error: loading '{file}': No such file or directory",
    "ninja: fatal: chdir to '{directory:path}' - No such file or directory",
    "ninja: error: {file:path}:{line:int}: unexpected EOF",
    checks=("extension-cache-incomplete",),
    because=(ANYTHING,),
)
def ninja_without_build_file(found: Found) -> Verdict:
    """There is no build.ninja where ninja was started.

    PyTorch writes one at each use of an extension. It is missing where a build was interrupted, where something else deleted the
    directory meanwhile, or where ninja is run by hand in the wrong one. In a CMake project the configuration failed before.
    It says nothing about whether kernels were compiled ahead.

    Sources:
    - ninja 1.11.1, run; torch/utils/cpp_extension.py, `_write_ninja_file`
    """
    if directory := found["directory"]:
        return fail(
            f"ninja was sent to {directory}, which does not exist",
            remedy="See where the extensions are; the next use of one builds it.",
            command="ls -d ${TORCH_EXTENSIONS_DIR:-$HOME/.cache/torch_extensions/*}/*/",
        )
    near = (*found.before, found.line, *found.after)
    if any(mark in line for line in near for mark in EXTENSION):
        return fail(
            f"ninja found no whole {found['file']}: the extension's directory is half made",
            remedy="Build the extension from the beginning.",
            command="sparkdoctor fix rebuild-extension",
        )
    return fail(
        f"ninja found no whole {found['file']}: it runs in the wrong directory, or what should write that file failed before",
        remedy="Configure first, and run ninja in the directory that was configured.",
        command="cmake -G Ninja -S . -B build && ninja -C build",
    )
