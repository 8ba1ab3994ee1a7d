"""PyTorch under packages that were made for another."""

from sparkdoctor.plugin import Found, Verdict, signature, warn


@signature(
    "{package} requires {wanted}, but you have torch {torch:name} which is incompatible",
    "{package} requires {wanted}, but you have triton {triton:name} which is incompatible",
    checks=("triton-torch-mismatch", "torch-lacks-kernels", "torch-without-cuda"),
)
def torch_replaced(found: Found) -> Verdict:
    """Pip replaced PyTorch or Triton under a package that needs the other.

    pip goes on. Packages with compiled parts (torchvision, flash-attn) then fail at import with `undefined symbol` or `operator
    torchvision::nms does not exist`.

    Sources:
    - pip, "pip's dependency resolver does not currently take into account all the packages that are installed"
    """
    name, version = ("torch", found["torch"]) if found["torch"] else ("triton", found["triton"])
    package = found["package"].split()[-2] if len(found["package"].split()) > 1 else found["package"]
    return warn(
        f"{name} is now {version}, and {package} needs {found['wanted']}",
        remedy="Install both in one command, so that pip chooses versions that fit each other.",
    )
