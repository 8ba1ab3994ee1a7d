"""Packages that conda's channels do not have."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "PackagesNotFoundError: The following packages are not available from current channels",
    "nothing provides {package} needed by",
    "nothing provides requested {package}",
    "{package:name} does not exist (perhaps a typo or a missing channel)",
    "{needed}, which does not exist (perhaps a missing channel)",
    "No candidates were found for {package:name}",
    " ResolvePackageNotFound: ",
    checks=("torch-missing",),
)
def conda_package_missing(found: Found) -> Verdict | None:
    """Conda's channels have no such package for this platform.

    Many packages are made for linux-64 alone; this machine's platform is linux-aarch64. An environment that was exported with
    its builds (`conda env export`) names those of the machine that it comes from.

    Sources:
    - conda and mamba, messages of their solvers; aqlaboratory/openfold-3 pixi.toml; bioconda/bioconda-recipes #55706, #69397
    """
    if found["needed"] and any("nothing provides" in line for line in found.before):
        return None
    package = found["package"] or found["needed"].lstrip("│├└─ ") or "package that was asked for"
    return fail(
        f"the channels have no {package} for this platform (linux-aarch64)",
        remedy="Name fewer exact builds (conda env export --from-history), or take it from PyPI.",
        command="conda config --show channels subdir",
    )
