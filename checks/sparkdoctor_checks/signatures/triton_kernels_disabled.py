"""OpenFold3's notice that there is no Triton."""

from sparkdoctor.plugin import Found, Verdict, ok, signature


@signature(
    "Triton is not available; the OpenFold3 Triton evoformer kernel is disabled",
    checks=("triton-missing",),
)
def triton_kernels_disabled(found: Found) -> Verdict:  # noqa: ARG001 (it says so itself)
    """OpenFold3 has found no Triton when it started.

    It says so wherever Triton is not installed, also where the settings turn its kernels off. Where they do not, which is the
    default from 0.4.4 on, the query fails later, with an error of its own.

    Sources:
    - core/kernels/triton/evoformer.py of OpenFold3 0.5.0, run without Triton
    """
    return ok("Triton is not there, and not needed where the settings turn its kernels off; else the query fails, and says so")
