"""Coordinates that are none."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "{columns:int} pre-decimal columns for {axis:name} are available, but array would require {needed:int}",
    " nan nan nan ",
    checks=("weights-missing", "triton-cannot-compile", "torch-cannot-compute"),
)
def coordinates_impossible(found: Found) -> Verdict | None:
    """The predicted coordinates are far too large, or not numbers.

    OpenFold3 counts such a query as successful (not finite), or fails to write it (too large for a PDB file). The weights are
    damaged or were never trained, or a kernel computes what is wrong.

    Sources:
    - OpenFold3 0.5.0, run with random and with spoilt weights; biotite/structure/io/pdb/file.py
    - aqlaboratory/openfold-3 #120
    """
    if "nan" in found.line and not found.line.startswith(("ATOM ", "HETATM ")):
        return None
    what = "not numbers" if "nan nan" in found.line else "too large for a PDB file"
    return fail(
        f"the predicted coordinates are {what}: this is no structure of a protein",
        remedy="Look at the weights first, then compare the kernels with float64.",
        command="sparkdoctor check weights-missing && sparkdoctor smoke --kernels",
    )
