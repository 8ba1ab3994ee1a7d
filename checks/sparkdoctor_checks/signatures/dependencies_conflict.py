"""Requirements that exclude each other."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "because these package versions have conflicting dependencies",
    "ERROR: ResolutionImpossible: for help visit",
    "No solution found when resolving dependencies",
    "libmamba Could not solve for environment specs",
    "LibMambaUnsatisfiableError: Encountered problems while solving",
    "UnsatisfiableError: The following specifications were found to be incompatible",
    checks=("deepspeed-version-conflict", "triton-torch-mismatch"),
    because=("constraint-refuses", "package-not-found", "python-version-refused", "conda-package-missing", "network-unreachable"),
)
def dependencies_conflict(found: Found) -> Verdict:
    """Packages were asked for together that exclude each other.

    The lines below say which: two that want different versions of a third. Older releases of one of them may fit.

    Sources:
    - pip 23, run; uv's and conda's resolver messages
    """
    del found
    return fail(
        "no set of versions satisfies all that was asked for: the lines below say which packages exclude each other",
        remedy="Ask for fewer exact versions, and install into a new environment.",
        command="python3 -m venv ~/spark && . ~/spark/bin/activate",
    )
