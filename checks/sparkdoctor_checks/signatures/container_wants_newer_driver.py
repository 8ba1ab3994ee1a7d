"""The banner of NVIDIA's containers about the driver."""

from sparkdoctor.plugin import Found, Verdict, fail, ok, signature, warn

_CUDA = ((580, 13), (525, 12), (450, 11))
"""Drivers from which on CUDA's major version runs."""


@signature(
    "This container was built for NVIDIA Driver Release {wanted:number} or later",
    "WARNING: CUDA Minor Version Compatibility mode ENABLED",
    checks=("cuda-newer-than-driver", "driver-too-old", "torch-cannot-compute"),
)
def container_wants_newer_driver(found: Found) -> Verdict:
    """A container says that it was built for a newer driver.

    Within one major version of CUDA it works nevertheless: an image of CUDA 13.1 runs on driver 580. What does not run is PTX
    made by the newer CUDA (error 222). With an older major version nothing does.

    Sources:
    - eugr/spark-vllm-docker #266; NVIDIA/nvidia-docker #1479
    - NVIDIA, CUDA Compatibility, "Minor Version Compatibility"
    """
    if not found["wanted"]:
        return ok("the container runs a newer CUDA on an older driver of the same major version: that works")
    wanted = found["wanted"].partition(".")[0]
    said = " ".join((found.line, *found.after[:2]))
    _, there, rest = said.partition(" version ")
    has = rest.split()[0] if there and rest.split() else ""
    major = has.partition(".")[0]
    if there and not major.isdecimal():
        return fail(
            f"the container was built for driver {found['wanted']} and has reached no driver at all",
            remedy="Start the container with --gpus all.",
        )
    if wanted.isdecimal() and major.isdecimal() and _cuda(int(major)) < _cuda(int(wanted)):
        return fail(
            f"the container was built for driver {found['wanted']}; driver {has} is too old for its CUDA",
            remedy="Update the driver on the host and restart, or take an older image.",
            command="sudo apt update && sudo apt dist-upgrade && sudo reboot",
            needs_root=True,
            needs_reboot=True,
        )
    works = f"driver {has} runs CUDA {_cuda(int(major))} nevertheless" if has else "within one major version of CUDA it runs"
    return warn(
        f"the container was built for driver {found['wanted']}; {works}, but for PTX",
        remedy="Let it compute something; no newer driver is needed. Where error 222 comes, take an older image.",
        command="python3 -c 'import torch; x = torch.ones(64, 64, device=\"cuda\"); print((x @ x).sum())'",
    )


def _cuda(driver: int) -> int:
    return next((cuda for first, cuda in _CUDA if driver >= first), 10)
