"""Builds in an environment of their own."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

BUILDING = (
    "get_requires_for_build",
    "build_meta",
    "pip-build-env",
    "builds-v0",
    "prepare_metadata",
    "to build wheel",
    "to build editable",
    "egg_info",
    "Preparing metadata",
    'setup.py"',
    "bdist_wheel",
)
_TOOLS = ("setuptools", "wheel", "packaging", "pkg_resources", "ninja", "cmake", "pybind11", "scikit_build_core", "hatchling")


@signature(
    "ModuleNotFoundError: No module named '{module:name}'",
    "depends on `{module:name}`, but doesn't declare it as a build dependency",
    "depends on '{module:name}', but doesn't declare it as a build dependency",
    checks=("torch-missing", "extension-cannot-build"),
)
def build_isolated_from_torch(found: Found) -> Verdict | None:
    """A package's build imports a module that its own environment lacks.

    pip and uv build in an environment of its own, with what pyproject.toml names and nothing else. Packages such as flash-attn
    import torch in setup.py without naming it: install torch first, and build without isolation.

    Sources:
    - Dao-AILab/flash-attention #246, #1920, #1421; whyNLP/LCKV #17 (uv); pip 23, run
    """
    module = found["module"]
    if "build dependency" not in found.line and not any(words in line for line in found.before for words in BUILDING):
        return None
    if module.partition(".")[0] in _TOOLS:
        return fail(
            f"a package's build needs {module}, which is missing where it builds",
            remedy="Install the build tools, and build without isolation.",
            command="python3 -m pip install 'setuptools<81' wheel packaging ninja",
        )
    return fail(
        f"a package is built in an environment of its own, where there is no {module}",
        remedy=f"Install {module} and the build tools first, then the package with --no-build-isolation.",
        command="python3 -m pip install setuptools wheel packaging psutil ninja",
    )
