"""What aligns templates."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "Kalign is not available. Please install it",
    "ModuleNotFoundError: No module named 'kalign'",
    "No such file or directory: 'kalign'",
    "Could not find Kalign binary",
    checks=("alignment-tools-missing",),
)
def kalign_not_found(found: Found) -> Verdict:
    """Kalign is not there, which aligns templates.

    OpenFold3 0.3 calls the program, later versions the package kalign-python, which pip compiles on aarch64.

    Sources:
    - core/data/tools/kalign.py of OpenFold3 0.3.1 to 0.5.0
    - aqlaboratory/openfold-3 #115
    """
    if "module" in found.line:
        return fail(
            "the package kalign-python is missing, which OpenFold3 0.4 and later align templates with",
            remedy="Install it (on aarch64 pip compiles it, with g++ and cmake), or predict with --use_templates=False.",
            command="python3 -m pip install kalign-python",
        )
    return fail(
        "the program kalign is missing, which templates are aligned with",
        remedy="Install it, or predict with --use_templates False.",
        command="sudo apt install kalign",
        needs_root=True,
    )
