"""The specification of devices that containers are given (CDI)."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "unresolvable CDI devices {device:path}",
    "stat nvidia.com/gpu={gpu:name}: no such file or directory",
    "could not find device nvidia.com/gpu={gpu:name}",
    checks=("gpu-not-visible",),
)
def cdi_device_unknown(found: Found) -> Verdict:
    """A container asks for a CDI device that no specification names.

    The files /etc/cdi/nvidia.yaml or /var/run/cdi/nvidia.yaml say what `nvidia.com/gpu=all` is. /var/run is empty after a start
    until nvidia-cdi-refresh has run; podman without root reads both.

    Sources:
    - NVIDIA/nvidia-container-toolkit #434, #146, #1239; NixOS/nixpkgs #420638
    - NVIDIA/nvidia-container-toolkit #63 (podman 3)
    """
    if found.line.endswith("no such file or directory") and found["gpu"] and "could not find" not in found.line:
        return fail(
            f"podman takes nvidia.com/gpu={found['gpu']} for a file: it is older than 4.1, and knows no CDI",
            remedy="Install a newer podman, or take docker.",
            command="podman --version",
        )
    device = found["device"].rstrip(":") or f"nvidia.com/gpu={found['gpu']}"
    return fail(
        f"no CDI specification names the device {device}",
        remedy="Write it anew from the driver that is installed.",
        command="sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml && nvidia-ctk cdi list",
        needs_root=True,
    )
