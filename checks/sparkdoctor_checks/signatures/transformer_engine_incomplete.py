"""TransformerEngine's packages."""

from sparkdoctor.plugin import Found, Verdict, fail, signature
from sparkdoctor_checks.signatures.renewal import in_nvidias_image


@signature(
    "Could not find shared object file for Transformer Engine {part:name} lib",
    "Could not find shared object file: libtransformer_engine",
    "Could not find libtransformer_engine.so",
    "Found empty `transformer-engine` meta package installed",
    "Transformer Engine package version mismatch. Found {versions}",
    "Could not find TE core package `transformer-engine-cu*`",
    checks=("nvcc-missing", "nvcc-torch-mismatch"),
    because=("cudnn-not-found",),
)
def transformer_engine_incomplete(found: Found) -> Verdict:
    """TransformerEngine is not all there.

    `transformer-engine` is empty by itself; the core comes in transformer-engine-cu13, which has a wheel for aarch64, and
    what binds it to PyTorch in transformer-engine-torch, which is built on installation with nvcc and cuDNN's headers. All
    three are of one version.

    Sources:
    - transformer_engine/common/__init__.py; NVIDIA/TransformerEngine #1109, #1981, #2505, #3310
    """
    if in_nvidias_image(found):
        return fail(
            "TransformerEngine is not the one of NVIDIA's image any more: something has replaced a part of it",
            remedy="Start the image anew, and install nothing that brings a TransformerEngine of its own.",
        )
    return fail(
        "TransformerEngine is not installed in full, or in several versions",
        remedy="Install it anew with what binds it to PyTorch, against the PyTorch that is here.",
        command="sparkdoctor build -- python3 -m pip install --force-reinstall --no-deps --no-build-isolation"
        " transformer-engine transformer-engine-cu13 transformer-engine-torch",
    )
