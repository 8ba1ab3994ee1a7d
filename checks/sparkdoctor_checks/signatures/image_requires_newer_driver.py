"""What an image asks of the driver."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "requirement error: unsatisfied condition: {condition:path}",
    "requirement error: unsatisfied condition: cuda >= {cuda:number}",
    "requirement error: unsatisfied condition: {condition}, please update your driver",
    checks=("driver-too-old", "driver-branch-unsupported", "cuda-newer-than-driver"),
)
def image_requires_newer_driver(found: Found) -> Verdict | None:
    """An image asks for a newer driver than this, and is not started.

    The condition is written into the image (NVIDIA_REQUIRE_CUDA). Within CUDA 13 an image runs on driver 580 all the same: the
    condition may be ignored. On a Spark newer branches than 580 are not supported.

    Sources:
    - SyneRBI/PETRIC2 #27, nodefluxio/vortex #106, pytorch/test-infra #6465; NVIDIA, "Minor Version Compatibility"
    """
    after = found.line.partition("unsatisfied condition:")[2].split(",")[0].split("\\")[0]
    condition = after.replace(" ", "").rstrip(".:").removesuffix(":unknown")
    wants = "".join(one for one in condition.partition(">")[2] if one.isdecimal() or one == ".")
    if condition.startswith("cuda") and wants.startswith("13"):
        return fail(
            f"the image asks for a driver of {condition}; on a driver for CUDA 13 it runs all the same",
            remedy="Start the container with the condition ignored: add -e NVIDIA_DISABLE_REQUIRE=1 to docker run.",
        )
    return fail(
        f"the image asks for a driver of {condition}, and the host's is older",
        remedy="Update the driver (DGX OS) and restart, or take an older image.",
        command="sudo apt update && sudo apt dist-upgrade && sudo reboot",
        needs_root=True,
        needs_reboot=True,
    )
