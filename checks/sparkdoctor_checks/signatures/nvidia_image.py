"""Containers in which PyTorch is NVIDIA's own."""

from sparkdoctor.plugin import Found

NEWER_IMAGE = "Use a newer image of NVIDIA's; a wheel from PyPI breaks what else is in this one."
_MARKS = ("nvcr.io/nvidia/", "/etc/pip/constraint.txt", "0a0+", ".nv24.", ".nv25.", ".nv26.", "NVIDIA Release ")


def renewal(found: Found, remedy: str, command: str | None) -> tuple[str, str | None]:
    """What to do about an unfit PyTorch: the words and the command given, but in NVIDIA's images, where it is not replaced.

    The rest of such an image is built against its PyTorch (2.10.0a0+b558c986e8.nv25.11).
    """
    return (NEWER_IMAGE, None) if in_nvidias_image(found) else (remedy, command)


def in_nvidias_image(found: Found) -> bool:
    """Whether the lines around show one; those of CUDA alone have no PyTorch."""
    near = (*found.before, found.line, *found.after)
    return any(mark in line and "nvcr.io/nvidia/cuda" not in line for line in near for mark in _MARKS)
