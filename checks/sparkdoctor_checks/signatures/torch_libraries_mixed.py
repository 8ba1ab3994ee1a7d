"""The CUDA libraries that PyTorch loads."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

_NCCL = (
    "python3 -m pip uninstall -y nvidia-nccl-cu12 nvidia-nccl-cu13"
    ' && python3 -m pip install --no-deps "$(python3 -c "import importlib.metadata as m;'
    " print(next(r.split(';')[0] for r in m.requires('torch') if 'nccl' in r))\")\""
)


@signature(
    "undefined symbol: nccl{symbol:name}",
    "undefined symbol: __nvJitLink{symbol:name}",
    "undefined symbol: cudnn{symbol:name}",
    "undefined symbol: cusparse{symbol:name}",
    "undefined symbol: cublas{symbol:name}",
    "undefined symbol: nvshmem{symbol:name}",
    "undefined symbol: cuda{symbol:name}",
    checks=("torch-import-dies",),
)
def torch_libraries_mixed(found: Found) -> Verdict | None:
    """PyTorch loads a CUDA library of another version than it was made for.

    Each library of CUDA is a package beside PyTorch. One that stands in LD_LIBRARY_PATH goes before it; and where the
    packages for CUDA 12 and 13 are both installed, as nvidia-nccl-cu12 and -cu13, the one installed last has overwritten the
    other's file.

    Sources:
    - pytorch/pytorch #111469, #119932, #131312, #134929, #144244, #186591
    """
    if "torch_extensions" in found.line or found.line.startswith("undefined symbol:"):  # as ldd -r lists them
        return None
    name = found.line.partition("undefined symbol: ")[2].partition(" ")[0].rstrip(",.:;'\")")
    if name.startswith("cuda") and "/torch/lib/" not in found.line and "/nvidia/" not in found.line:
        return None
    text = f"PyTorch's libraries are of several versions: {name} is not in the one that is loaded"
    if name.startswith("nccl"):
        return fail(
            text,
            remedy="Take out both, and install the one that this PyTorch asks for.",
            command=_NCCL,
        )
    return fail(
        text,
        remedy="Let PyTorch find its own libraries, not those of a toolkit; if that is not enough, install PyTorch anew.",
        command="unset LD_LIBRARY_PATH",
    )
