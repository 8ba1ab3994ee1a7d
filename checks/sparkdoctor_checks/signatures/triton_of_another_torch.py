"""Triton against the PyTorch beside it."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

COMMAND = (
    'python3 -m pip install "$(python3 -c "import importlib.metadata as m;'
    " print(next(r.split(';')[0] for r in m.requires('torch') if 'triton' in r))\")\""
)


@signature(
    "name 'BaseMuonWithAuxAdam' is not defined",
    "cannot import name '{name:name}' from 'triton.{module:name}'",
    "cannot import name '{name:name}' from 'triton'",
    "module 'triton.language' has no attribute '{name:name}'",
    "Cannot find a working triton installation",
    checks=("triton-torch-mismatch", "triton-missing", "deepspeed-import-dies"),
    because=("torch-replaced",),
)
def triton_of_another_torch(found: Found) -> Verdict | None:
    """The installed Triton is not the one that PyTorch was made for.

    PyTorch's compiler imports Triton's internals, which change with each release: `AttrsDescriptor` went with 3.3, and
    `triton_key` moved with 3.5. DeepSpeed 0.18.3 to 0.19.7 calls torch.compile at import, swallows that error, and stops at
    `name 'BaseMuonWithAuxAdam' is not defined`. A newer Triton over an older PyTorch is how this comes about.

    Sources:
    - DeepSpeed 0.18.3 to 0.19.8 with torch 2.6 and Triton 3.2 and 3.5.1, run; deepspeedai/DeepSpeed #7648
    - torch/_inductor/exc.py of PyTorch 2.13; Comfy-Org/ComfyUI #7106; FoundationVision/Infinity #31
    """
    if any(mark in found.line.lower() for mark in ("falling back", "fallback", "warn", "debug", "ignor", "skip")):
        return None
    if "Cannot find" in found.line:
        return fail(
            "torch.compile finds no Triton that it can use: none is installed, or one that is too old",
            remedy="Install the Triton that this PyTorch asks for.",
            command=COMMAND,
        )
    what = "the installed Triton is not the one that this PyTorch asks for"
    if "Muon" in found.line:
        what = f"DeepSpeed's Muon optimizer stops the import, for {what}"
    return fail(
        what,
        remedy="Install the Triton that this PyTorch asks for; for a newer Triton, a newer PyTorch.",
        command=COMMAND,
    )
