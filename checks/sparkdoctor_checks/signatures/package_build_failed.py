"""Packages that are built at installation."""

from sparkdoctor.plugin import ANYTHING, Found, Verdict, fail, signature


@signature(
    " error: subprocess-exited-with-error ",
    " error: metadata-generation-failed ",
    " error: failed-wheel-build-for-install ",
    " error: legacy-install-failure ",
    "ERROR: Could not build wheels for {packages} which use PEP 517",
    "ERROR: Failed building wheel for {package:name}",
    "ERROR: Could not build wheels for {packages}, which is required to install",
    "ERROR: Failed to build installable wheels for some pyproject.toml based projects",
    "× Failed to build installable wheels for some pyproject.toml based projects",
    "× Failed to build '{package}'",
    "× Failed to download and build '{package}'",
    "Failed to build `{package}`",
    "Failed to download and build `{package}`",
    "ERROR: Command errored out with exit status {status:int}:",
    checks=("extension-cannot-build", "compiler-missing", "python-headers-missing", "nvcc-missing"),
    because=("build-isolated-from-torch", ANYTHING),
)
def package_build_failed(found: Found) -> Verdict | None:
    """A package without a wheel for this machine could not be built.

    For aarch64 many packages come as source, and pip builds them. These lines only say that it failed: the first error of the
    compiler, of cmake or of setup.py above them says why.

    Sources:
    - pip 19 to 25, messages of its build backend; uv ("Failed to build"); pip 23, run
    """
    if any("Successfully installed" in line for line in found.after):
        return None  # built another way
    return fail(
        "a package could not be built: the first error above says why",
        remedy="Install compilers and headers, and look at the first error; a version with a wheel for aarch64 needs no build.",
        command="sparkdoctor fix install-build-tools",
        needs_root=True,
    )
