"""PyTorch under packages that were made for another."""

from sparkdoctor.plugin import Found, Verdict, signature, warn


@signature(
    "{package} requires {wanted}, but you have torch {torch:name} which is incompatible",
    "{package} requires {wanted}, but you have triton {triton:name} which is incompatible",
    checks=("triton-torch-mismatch", "torch-lacks-kernels", "torch-without-cuda"),
)
def torch_replaced(found: Found) -> Verdict:
    """Pip left a PyTorch or Triton that another package does not go with.

    pip goes on. Packages with compiled parts (torchvision, flash-attn) then fail at import with `undefined symbol` or `operator
    torchvision::nms does not exist`.

    Sources:
    - pip, "pip's dependency resolver does not currently take into account all the packages that are installed"
    """
    name, version = ("torch", found["torch"]) if found["torch"] else ("triton", found["triton"])
    package = found["package"].split()[-2] if len(found["package"].split()) > 1 else found["package"]
    if ".nv" in version or "a0+" in version:
        return warn(
            f"{package} needs {found['wanted']}, and the image has NVIDIA's own {name} {version}",
            remedy=f"Keep the image's {name}, and take a version of {package} that goes with it.",
        )
    return warn(
        f"{name} is now {version}, and {package} needs {found['wanted']}",
        remedy="Install both in one command, so that pip chooses versions that fit each other.",
    )
