"""PyTorch's extensions, built at first use."""

from shlex import quote

from sparkdoctor.plugin import ANYTHING, Found, Verdict, fail, signature

USUAL = "$HOME/.cache/torch_extensions/py312_cu130"
"""Where PyTorch for CUDA 13 builds on DGX OS, whose Python is 3.12."""


@signature(
    "RuntimeError: Error building extension '{extension}'",
    "Error building extension '{extension}'",
    "RuntimeError: Error compiling objects for extension",
    checks=("nvcc-lacks-architecture", "compiler-missing", "extension-cannot-build"),
    because=("ninja-without-build-file", ANYTHING),
)
def extension_build_failed(found: Found) -> Verdict | None:
    """An extension could not be built.

    PyTorch prints the compiler's words before this line, or behind it; the first error among them is the cause.

    Sources:
    - torch.utils.cpp_extension, `_run_ninja_build`
    - mit-han-lab/Block-Sparse-Attention #15, ninja-build/ninja #2595
    """
    name = found["extension"]
    if "{" in name:
        return None
    if not name:
        return fail(
            "an extension could not be compiled: the compiler's first error says why",
            remedy='Build it again with one compiler at a time, and look for the first line with "error" or "fatal".',
            command="export MAX_JOBS=1",
        )
    mark = f"/{name}/build.ninja"
    there = next((line.partition(mark)[0].rpartition(" ")[2] for line in found.before if mark in line), "")
    where = quote(f"{there}/{name}") if there else f'"${{TORCH_EXTENSIONS_DIR:-{USUAL}}}"/{quote(name)}'
    return fail(
        f"the extension {name} could not be built: the compiler's first error says why",
        remedy='Build it again in the foreground, and look for the first line with "error" or "fatal".',
        command=f"ninja -v -C {where}",
    )
