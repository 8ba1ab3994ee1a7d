"""Packages that an index does not have for this machine."""

from sparkdoctor.plugin import Found, Verdict, fail, signature
from sparkdoctor_checks.signatures.renewal import renewed


@signature(
    "Could not find a version that satisfies the requirement {requirement}",
    "No matching distribution found for {requirement}",
    "Because {requirement:path} was not found in the package registry",
    "{requirement:path} has no wheels with a matching",
    "all versions of {requirement:path} have no wheels with a matching",
    "Because there is no version of {requirement:path}",
    "{locked:path} @ {index} can't be installed because",
    checks=("torch-missing", "openfold3-missing"),
    because=("network-unreachable", "certificate-rejected", "proxy-refuses", "python-version-refused"),
)
def package_not_found(found: Found) -> Verdict | None:
    """Pip or uv found no version of a package for this Python and machine.

    The index has none, or none for this processor, Python or CUDA: `from versions: none` is said of a package with wheels for
    x86-64 alone, too. Before 2.11, builds of PyTorch for CUDA on aarch64 were not on PyPI.

    Sources:
    - pip 23, run for mkl, torch==2.8.0+cu129 and openfold3 under Python 3.9; ai-dynamo/nixl #2231 (uv)
    - astral-sh/uv #10635, mmcdermott/MEDS_EIC_AR #161 (uv sync)
    - the files of mkl, openfold3 and torch on PyPI
    """
    requirement = (found["locked"] or found["requirement"]).split()[0].strip("'`\"")
    name = _name(requirement)
    if found["locked"]:
        if any("marked as" in line for line in (found.line, *found.after[:1])):  # --no-binary, --no-build
            return None
        return fail(
            f"the lock file has no {requirement} for this machine: it was made for others, or there is none for aarch64",
            remedy="Name this machine in tool.uv.required-environments, and lock again; what has nothing for aarch64 must go.",
            command=f"uv lock --upgrade-package {name}",
        )
    near = " ".join((*found.before[-3:], found.line))
    if "Requires-Python" in near and "(from versions: none)" in near:
        return fail(
            f"no version of {name} supports this Python",
            remedy="Make an environment with another Python (3.12 for all of this stack).",
            command="python3.12 -m venv ~/spark && . ~/spark/bin/activate",
        )
    if name == "mkl":
        return fail(
            "mkl is Intel's, and there is none for aarch64",
            remedy="Take OpenFold3 0.4.5 or later, which does not ask for it.",
            command="python3 -m pip install 'openfold3>=0.4.5'",
        )
    if name == "torch":
        remedy, command = renewed(
            found,
            "Take 2.11 or later: from then on PyPI's own wheel for aarch64 is a build for CUDA 13.",
            "'torch>=2.11'",
        )
        return fail(f"the index has no {requirement} for this Python and machine", remedy=remedy, command=command)
    return fail(
        f"the index has no {requirement} for this Python and machine",
        remedy="Ask for another version, or build it from source; check the name, and `python3 -V`.",
    )


def _name(requirement: str) -> str:
    """The name that a requirement begins with, as PyPI writes it."""
    end = next((at for at, one in enumerate(requirement) if not (one.isalnum() or one in "._-")), len(requirement))
    return requirement[:end].lower().replace("_", "-")
