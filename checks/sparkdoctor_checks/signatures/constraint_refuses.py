"""Constraints, as NVIDIA's containers have them."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "The user requested (constraint) {constraint:path}",
    checks=("torch-missing", "deepspeed-version-conflict"),
)
def constraint_refuses(found: Found) -> Verdict:
    """A constraint forbids the version that a package asks for.

    NVIDIA's PyTorch containers name a file of constraints in PIP_CONSTRAINT (/etc/pip/constraint.txt): it keeps pip from
    replacing the PyTorch that was built for the image. What asks for another PyTorch does not belong into that image.

    Sources:
    - NVIDIA, release notes of the PyTorch containers; cresset-template/cresset #230
    - sgl-project/sglang #35696; pip 23, run with -c
    """
    constraint = found["constraint"]
    if constraint.startswith("torch") and (".nv" in constraint or "a0+" in constraint):
        return fail(
            f"the container keeps its own PyTorch ({constraint}), and a package asks for another",
            remedy="Install the package without its dependencies, or take a plain environment with PyPI's PyTorch instead.",
            command="grep -n torch /etc/pip/constraint.txt",
        )
    return fail(
        f"a constraint ({constraint}) forbids the version that a package asks for",
        remedy="Look where it comes from (PIP_CONSTRAINT, -c FILE), and install into an environment without it.",
        command="pip config list; printenv PIP_CONSTRAINT",
    )
