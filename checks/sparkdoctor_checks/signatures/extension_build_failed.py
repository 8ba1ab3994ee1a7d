"""PyTorch's extensions, built at first use."""

from sparkdoctor.plugin import ANYTHING, Found, Verdict, fail, signature


@signature(
    "RuntimeError: Error building extension '{extension}'",
    "Error building extension '{extension}'",
    checks=("nvcc-lacks-architecture", "compiler-missing", "extension-cannot-build"),
    because=(ANYTHING,),
)
def extension_build_failed(found: Found) -> Verdict:
    """An extension could not be built.

    PyTorch prints the compiler's words after this line; the first error among them is the cause.

    Sources:
    - torch.utils.cpp_extension, `_run_ninja_build`
    """
    name = found["extension"]
    return fail(
        f"the extension {name} could not be built: the compiler's first error says why",
        remedy="Build it again in the foreground, and look for the first line with “error” or “fatal”.",
        command=f'ninja -v -C "${{TORCH_EXTENSIONS_DIR:-$HOME/.cache/torch_extensions/py312_cu130}}/{name}"',
    )
