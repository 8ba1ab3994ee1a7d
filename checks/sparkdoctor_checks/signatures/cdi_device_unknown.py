"""The specification of devices that containers are given (CDI)."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "unresolvable CDI devices {device:path}",
    "stat nvidia.com/gpu={gpu:name}: no such file or directory",
    'information while adding custom device "nvidia.com/gpu={gpu:name}": no such file or directory',
    checks=("gpu-not-visible",),
)
def cdi_device_unknown(found: Found) -> Verdict:
    """A container asks for a CDI device that no specification names.

    The files /etc/cdi/nvidia.yaml or /var/run/cdi/nvidia.yaml say what `nvidia.com/gpu=all` is. /var/run is empty after a start
    until nvidia-cdi-refresh has run. An engine that does not know CDI (podman before 4.1, docker before 28.2 where its feature is
    off) takes the name for a file.

    Sources:
    - NVIDIA/nvidia-container-toolkit #63 (podman 3), #146, #1239; NixOS/nixpkgs #420638
    """
    device = found["device"].rstrip(":") or f"nvidia.com/gpu={found['gpu']}"
    if "stat nvidia.com" in found.line:
        return fail(
            f"this podman takes {device} for a file: it is older than CDI",
            remedy="Take podman 4.1 or later.",
            command="podman --version",
        )
    if "custom device" in found.line:
        return fail(
            f"docker takes {device} for a file: its CDI feature is off",
            remedy="Start the container with --gpus all instead.",
            command="docker run --rm --gpus all ubuntu nvidia-smi",
        )
    return fail(
        f"no CDI specification names the device {device}",
        remedy="Write it anew from the driver that is installed.",
        command="sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml && nvidia-ctk cdi list",
        needs_root=True,
    )
