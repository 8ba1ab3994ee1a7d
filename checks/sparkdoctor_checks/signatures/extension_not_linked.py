"""Extensions and the libraries of CUDA that they use."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "{file:path}: undefined symbol: curand{symbol:name}",
    "{file:path}: undefined symbol: cufft{symbol:name}",
    "{file:path}: undefined symbol: cusolver{symbol:name}",
    checks=("curand-missing", "extension-cache-foreign"),
)
def extension_not_linked(found: Found) -> Verdict | None:
    """An extension uses a library of CUDA that it was not linked to.

    PyTorch from 1.11 on no longer loads all of CUDA's libraries for everybody; an operator that was built as before, as
    DeepSpeed's before 0.6.2 were, misses its own.

    Sources:
    - deepspeedai/DeepSpeed #1846, #1879; pytorch/pytorch #69666
    """
    name = found["file"].rpartition("/")[2]
    if ".so" not in name or "/torch/lib/" in found["file"] or "/nvidia/" in found["file"]:
        return None
    library = next(one for one in ("curand", "cufft", "cusolver") if f"undefined symbol: {one}" in found.line)
    return fail(
        f"{name} was built without being linked to CUDA's {library}",
        remedy="Build it anew from a newer release, where the toolkit has that library.",
        command=f"find -L ${{CUDA_HOME:-/usr/local/cuda}} -name 'lib{library}.so*'",
    )
