"""Images that a registry does not have."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "manifest for {image:path} not found: manifest unknown",
    "reading manifest {tag:path} in {image:path}: manifest unknown",
    "{image:path}: failed to resolve source metadata for {source:path}: {repeated:path}: not found",
    'failed to resolve reference "{image:path}": {repeated:path}: not found',
    "{image:path}: name unknown",
)
def image_missing(found: Found) -> Verdict:
    """A registry has no image of this name and tag.

    NVIDIA's tags are months (nvcr.io/nvidia/pytorch:25.11-py3); `latest` is not among them.

    Sources:
    - OCI distribution specification, error codes (MANIFEST_UNKNOWN, NAME_UNKNOWN); the words of docker and containerd
    """
    image = found["image"].strip("\"'")
    return fail(
        f"the registry has no image {image}"
        if "/" in image or ":" in image
        else "the registry has no image of this name and tag",
        remedy="Look the tag up in the registry's catalogue; NVIDIA's are months, such as 25.11-py3.",
    )
