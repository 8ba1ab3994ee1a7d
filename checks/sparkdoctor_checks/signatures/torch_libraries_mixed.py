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
    "symbol {wanted:word} version {of:name} not defined in file {file:name} with link time reference",
    "symbol {wanted:name}, version {of:name} not defined in file {file:name} with link time reference",
    "cuDNN version incompatibility: PyTorch was compiled {made} but found runtime version {here}",
    "cuDNN version mismatch: PyTorch was compiled {made} but linked against {here:int}",
    "cuDNN version incompatibility: PyTorch was compiled {made} but linked against {here:int}",
    "Loaded runtime CuDNN library: {here:number} but source was compiled with: {made:number}",
    " CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH ",
    "cuDNN error: CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH",
    checks=("torch-import-dies",),
)
def torch_libraries_mixed(found: Found) -> Verdict | None:
    """PyTorch loads a CUDA library of another version than it was made for.

    Each library of CUDA is a package beside PyTorch. One that stands in LD_LIBRARY_PATH goes before it; and where the
    packages for CUDA 12 and 13 are both installed, as nvidia-nccl-cu12 and -cu13, the one installed last has overwritten the
    other's file. cuDNN is several libraries, of which some may come from the system, others from the package.

    Sources:
    - pytorch/pytorch #111469, #119932, #131312, #134929, #144244, #185512, #186591, #188892
    - hpcaitech/ColossalAI #4059; deepmodeling/deepmd-kit #2241; microsoft/onnxruntime #8594 (as glibc says it)
    - zai-org/CogVLM2 #207; gladiaio/gladia #928; bmaltais/kohya_ss #1096; google/automl #33
    """
    if "torch_extensions" in found.line or found.line.startswith("undefined symbol:"):  # as ldd -r lists them
        return None
    if "cudnn" in found.line.lower() and "symbol" not in found.line:
        if "raise " in found.line or 'f"' in found.line or "f'" in found.line:
            return None
        here = found["here"].partition(". ")[0].rstrip(".")
        made = found["made"].removeprefix("against").strip()
        which = f": {here} is loaded, where {made} is wanted" if here else ""
        return fail(
            f"another cuDNN than PyTorch's own is loaded{which}",
            remedy="Let PyTorch find its own cuDNN; if that is not enough, take out the system's, and install PyTorch anew.",
            command="unset LD_LIBRARY_PATH",
        )
    if found["file"]:
        name = found["wanted"].rstrip(",")
        if not found["file"].startswith(("libnv", "libcu", "libnccl")):
            return None
    else:
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
