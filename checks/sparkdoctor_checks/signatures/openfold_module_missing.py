"""Packages of OpenFold."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

SECOND = ("openfold", "attn_core_inplace_cuda", "simtk", "openmm", "pdbfixer", "dllogger")
"""What OpenFold 2 needs, and OpenFold3 does not."""


@signature(
    "ModuleNotFoundError: No module named '{module:name}'",
    "ImportError: No module named '{module:name}'",
    "ImportError: libOpenMM.so.{version:number}: cannot open shared object file",
    checks=("openfold3-missing", "openmm-missing"),
)
def openfold_module_missing(found: Found) -> Verdict | None:
    """OpenFold, or a package that its second generation needs, is missing.

    OpenFold 2 (`openfold`) and OpenFold3 (`openfold3`) are two programs: OpenMM, PDBFixer and `attn_core_inplace_cuda` belong
    to the second generation alone, and nothing of OpenFold3 imports them.

    Sources:
    - aqlaboratory/openfold #131, #451; facebookresearch/esm #336; google-deepmind/alphafold #413
    - imports of OpenFold3 0.3.1 to 0.5.0, which has none of these
    """
    module = found["module"]
    top = module.partition(".")[0]
    if top == "openfold3":
        return fail(
            "this Python has no OpenFold3",
            remedy="Use the environment that it is installed in, or install it.",
            command="sparkdoctor check openfold3-missing",
        )
    if top == "attn_core_inplace_cuda":
        return fail(
            "OpenFold 2's own CUDA kernel was not built",
            remedy="Build it in OpenFold's source tree, with the GPU's architecture named.",
            command="TORCH_CUDA_ARCH_LIST=12.1 python3 -m pip install --no-build-isolation .",
        )
    if top == "openfold":
        return fail(
            "OpenFold 2 is asked for, which is not installed: OpenFold3 is another package (openfold3)",
            remedy="Call OpenFold3 as run_openfold; or install OpenFold 2 from its source, where that is what is meant.",
            command="run_openfold predict --help",
        )
    if top in SECOND or found["version"]:
        return fail(
            f"{module or 'OpenMM'} is missing, which OpenFold 2 and AlphaFold 2 need, and OpenFold3 does not",
            remedy="Install it from conda-forge, or leave it: OpenFold3 predicts without.",
            command="sparkdoctor check openmm-missing",
        )
    return None
