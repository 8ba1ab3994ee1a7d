"""The CUDA libraries that PyTorch loads."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

_CUDA = ("libcu", "libnccl", "libnvJitLink", "libnvrtc", "libnvshmem")


@signature(
    "undefined symbol: nccl{symbol:name}",
    "undefined symbol: __nvJitLink{symbol:name}",
    "undefined symbol: cudnn{symbol:name}",
    "undefined symbol: cusparse{symbol:name}",
    "undefined symbol: cublas{symbol:name}",
    "undefined symbol: nvshmem{symbol:name}",
    "undefined symbol: cuda{symbol:name}",
    "symbol {wanted:word} version {of:name} not defined in file {library:name} with link time reference",
    "symbol {wanted:name}, version {of:name} not defined in file {library:name} with link time reference",
    checks=("torch-import-dies",),
)
def torch_libraries_mixed(found: Found) -> Verdict | None:
    """PyTorch loads a CUDA library of another version than it was made for.

    Each library of CUDA is a package beside PyTorch. One that stands in LD_LIBRARY_PATH goes before it; and where the
    packages for CUDA 12 and 13 are both installed, as nvidia-nccl-cu12 and -cu13, the one installed last has overwritten the
    other's file.

    Sources:
    - pytorch/pytorch #111469, #119932, #131312, #134929, #144244, #186591, #88882
    - hpcaitech/ColossalAI #4059; deepmodeling/deepmd-kit #2241; microsoft/onnxruntime #8594 (as glibc says it)
    """
    if "torch_extensions" in found.line or found.line.startswith("undefined symbol:"):  # as ldd -r lists them
        return None
    if library := found["library"]:
        if not library.startswith(_CUDA):
            return None
        return fail(
            f"CUDA libraries of several versions are mixed: the {library} that is loaded has no {found['wanted']}",
            remedy="Let PyTorch find its own libraries, not a toolkit's or conda's; if that is not enough, install it anew.",
            command="unset LD_LIBRARY_PATH",
        )
    name = found.line.partition("undefined symbol: ")[2].partition(" ")[0].rstrip(",.:;'\")")
    if name.startswith("cuda") and "/torch/lib/" not in found.line and "/nvidia/" not in found.line:
        return None
    text = f"PyTorch's libraries are of several versions: {name} is not in the one that is loaded"
    if name.startswith("nccl"):
        return fail(
            text,
            remedy="Take out the one that is not PyTorch's, and install PyTorch's own again.",
            command="python -m pip uninstall -y nvidia-nccl-cu12 nvidia-nccl-cu13"
            " && python -m pip install --force-reinstall 'torch>=2.11'",
        )
    return fail(
        text,
        remedy="Let PyTorch find its own libraries, not those of a toolkit; if that is not enough, install PyTorch anew.",
        command="unset LD_LIBRARY_PATH",
    )
