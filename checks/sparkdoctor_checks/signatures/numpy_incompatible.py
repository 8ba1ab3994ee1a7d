"""NumPy 2 under what was made for NumPy 1."""

from sparkdoctor.plugin import Found, Verdict, fail, signature, warn

_CURE = "pip install 'numpy<2'"


@signature(
    "A module that was compiled using NumPy 1.x cannot be run in",
    "numpy.dtype size changed, may indicate binary incompatibility",
    "RuntimeError: module compiled against ABI version {ours:name} but this version of numpy is",
    "RuntimeError: module compiled against API version {ours:name} but this version of numpy is",
    "ImportError: numpy.core.multiarray failed to import",
    "AttributeError: `np.{name:name}` was removed in the NumPy 2.0 release",
    "AttributeError: 'np.{name:name}' was removed in the NumPy 2.0 release",
)
def numpy_incompatible(found: Found) -> Verdict:
    """A module was made for another major version of NumPy.

    What was compiled with NumPy 1 cannot be imported with NumPy 2, and NumPy 2 has dropped names. PyTorch itself is compiled
    for 2 from 2.3 on.

    Sources:
    - NumPy 2.0 migration guide; numpy/core/_internal and numpy/__init__ of 2.x
    """
    if "A module that was compiled" in found.line:
        return warn(
            "a module was compiled with NumPy 1, and NumPy 2 is installed: it may crash",
            remedy="Install a NumPy before 2, or a newer release of that module.",
            command=_CURE,
        )
    return fail(
        "a module was made for another NumPy than the one that is installed",
        remedy="Install a NumPy before 2, or a newer release of that module.",
        command=_CURE,
    )
