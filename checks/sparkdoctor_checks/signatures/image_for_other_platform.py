"""Images against the processor."""

from sparkdoctor.plugin import Found, Verdict, fail, signature, warn


@signature(
    "requested image's platform ({image:path}) does not match the detected host platform ({host:path})",
    "image platform ({image:path}) does not match the expected platform ({host:path})",
    "no matching manifest for {host:path} in the manifest list entries",
    "no match for platform in manifest",
    'no image found in manifest list for architecture "{host:name}"',
    "no image found in manifest list for architecture {host:name}",
    'no image found in image index for architecture "{host:name}"',
    "no image found in image index for architecture {host:name}",
    "but its platform ({image:path}) does not match the specified platform ({host:path})",
    "does not match the specified platform: wanted {host:path}, actual: {image:path}",
    'was pulled with platform "{image}", expected "{host}" for current build',
    "the image's architecture ({image:name}) could not run on the host's ({host:name})",
    checks=("machine-not-spark",),
)
def image_for_other_platform(found: Found) -> Verdict | None:
    """A container image is for another kind of processor.

    Many images are published for x86-64 (amd64) alone; a Spark needs linux/arm64. docker starts the wrong one with a warning,
    and it fails with `exec format error`, or is emulated without a GPU.

    Sources:
    - Crosstalk-Solutions/project-nomad #241, mmartial/ComfyUI-Nvidia-Docker #96 (DGX Spark)
    - sickcodes/dock-droid #16; apptainer, internal/pkg/image (architecture of a SIF)
    """
    image, host = found["image"], found["host"]
    if not host and "no matching manifest" in found.line:
        return None  # another text tells the platform
    if not image:
        return fail(
            f"the image is not published for {host or 'this platform'}",
            remedy="Look for a tag or an image for linux/arm64 (sbsa, aarch64), or build it on this machine.",
        )
    if "could not run" in found.line or "specified platform" in found.line:
        return fail(
            f"the image is for {image}, and {host} is wanted",
            remedy=f"Pull it again for {host}, or build it on this machine, where it is not published for that.",
        )
    return warn(
        f"the image is for {image}, this machine is {host}",
        remedy=f"Take an image for {host}: this one does not start here, or is emulated and sees no GPU.",
    )
