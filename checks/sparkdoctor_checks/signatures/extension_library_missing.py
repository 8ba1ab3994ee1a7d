"""The library of an extension that was never built."""

from sparkdoctor.plugin import ANYTHING, Found, Verdict, fail, signature

OWN = ("evoformer_attn", "fused_adam", "cpu_adam", "async_io", "transformer_inference")
"""Operators of DeepSpeed's, wherever TORCH_EXTENSIONS_DIR puts them."""


@signature(
    "{file:path}: cannot open shared object file",
    checks=("extension-cache-incomplete", "extension-cache-locked"),
    because=("extension-build-failed", "extension-waits-for-lock", "extension-load-hangs", ANYTHING),
)
def extension_library_missing(found: Found) -> Verdict | None:
    """An extension that was never built is loaded.

    A second attempt in the same process does not build again, and hides why the first one failed. A program that has waited for
    another one's build does not build either.

    Sources:
    - aqlaboratory/openfold-3 #17, #62; turboderp/exllama #148
    """
    directory, _, name = found["file"].rpartition("/")
    stem = name.removesuffix(".so")
    # PyTorch names the directory by the extension.
    if "torch_extensions/" not in found["file"] and not (stem in OWN and directory.endswith(f"/{stem}")):
        return None
    return fail(
        f"{name} was never built: an earlier attempt in this process failed, and its error is the cause",
        remedy="Look for the first `Error building extension` above, or build again in a new process.",
        command="sparkdoctor fix rebuild-extension",
    )
