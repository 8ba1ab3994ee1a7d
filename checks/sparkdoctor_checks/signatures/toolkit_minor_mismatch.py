"""nvcc against PyTorch, within one major version."""

from sparkdoctor.plugin import Found, Verdict, ok, signature


@signature(
    "The detected CUDA version ({toolkit:number}) has a minor version mismatch with the version that was used to compile",
    checks=("nvcc-torch-mismatch",),
)
def toolkit_minor_mismatch(found: Found) -> Verdict:
    """The toolkit and PyTorch differ in CUDA's minor version: harmless.

    Within one major version extensions are built and run. DeepSpeed's own check is stricter.

    Sources:
    - torch/utils/cpp_extension.py, CUDA_MISMATCH_WARN; NVIDIA, "Minor Version Compatibility"
    """
    return ok(f"the toolkit is CUDA {found['toolkit']}, PyTorch's minor version is another: this does no harm")
