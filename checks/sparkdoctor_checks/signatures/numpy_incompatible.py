"""NumPy 2 under what was made for NumPy 1."""

from sparkdoctor.plugin import Found, Verdict, fail, signature, warn

_CURE = "python3 -m pip install 'numpy<2'"


@signature(
    "A module that was compiled using NumPy 1.x cannot be run in",
    "numpy.dtype size changed, may indicate binary incompatibility",
    "RuntimeError: module compiled against ABI version {built:name} but this version of numpy is {here:name}",
    "RuntimeError: module compiled against API version {built:name} but this version of numpy is {here:name}",
    "ImportError: numpy.core.multiarray failed to import",
    "AttributeError: `np.{name:name}` was removed in the NumPy 2.0 release",
    "AttributeError: 'np.{name:name}' was removed in the NumPy 2.0 release",
)
def numpy_incompatible(found: Found) -> Verdict:
    """A module was made for another version of NumPy.

    What was compiled with NumPy 1 cannot be imported with NumPy 2, and NumPy 2 has dropped names; what was compiled with a
    newer one than is installed cannot be imported either. PyTorch itself is compiled for 2 from 2.3 on.

    Sources:
    - NumPy 2.0 migration guide; numpy/core/_multiarray_umath.py, __init__.py and __multiarray_api.h of NumPy 2.4
    """
    if "A module that was compiled" in found.line:
        return warn(
            "a module was compiled with NumPy 1, and NumPy 2 is installed: it may crash",
            remedy="Install a NumPy before 2, or a newer release of that module.",
            command=_CURE,
        )
    if _hexadecimal(found["built"]) > _hexadecimal(found["here"]) >= 0:
        return fail(
            f"a module was compiled with a newer NumPy than the one that is installed ({found['built']} > {found['here']})",
            remedy="Bring NumPy up to date.",
            command="python3 -m pip install --upgrade numpy",
        )
    return fail(
        "a module was made for another NumPy than the one that is installed",
        remedy="Install a NumPy before 2, or a newer release of that module.",
        command=_CURE,
    )


def _hexadecimal(text: str) -> int:
    """0x1000009 is the interface of NumPy 1, 0x2000000 that of 2; -1 where it is no number."""
    digits = text.removeprefix("0x").rstrip(".")
    return int(digits, 16) if digits and all(one in "0123456789abcdefABCDEF" for one in digits) else -1
