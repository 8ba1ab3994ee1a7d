"""docker and the NVIDIA Container Toolkit."""

from sparkdoctor.plugin import Found, Verdict, fail, signature
from sparkdoctor_checks.signatures.snap_docker import FROM_APT


@signature(
    "unknown or invalid runtime name: nvidia",
    "Unknown runtime specified nvidia",
    'could not select device driver "{driver}" with capabilities',
    'could not select device driver "" with capabilities',
    "could not select device driver with capabilities",
    "failed to discover GPU vendor from CDI: no known GPU vendor found",
    'exec: "nvidia-container-runtime": executable file not found',
    'exec: "nvidia-container-runtime-hook": executable file not found',
    'exec: "nvidia-container-toolkit": executable file not found',
    'no runtime for "nvidia" is configured',
    'default OCI runtime "nvidia" not found',
    checks=("gpu-not-visible",),
    because=("snap-docker",),
)
def nvidia_runtime_missing(found: Found) -> Verdict | None:
    """The container engine does not know how to give a GPU to a container.

    The NVIDIA Container Toolkit is not installed, or docker was not told of it, or not restarted since. A docker from the snap
    store does not see the toolkit of the system.

    Sources:
    - NVIDIA/dgx-spark-playbooks #26; NVIDIA/nvidia-docker #1034, #1637 (snap); NVIDIA/nvidia-container-toolkit #434 (CDI), #653
    - containerd, "no runtime for … is configured" (Kubernetes); podman 4.3, run
    """
    driver = found["driver"]
    if driver and driver not in ("nvidia", "cdi"):
        return None
    near = (*found.before, found.line, *found.after)
    if any("/snap/" in line for line in near):
        return fail(
            "docker is a snap, which does not see the NVIDIA Container Toolkit",
            remedy="Save what its volumes hold; then remove the snap, and take docker from apt.",
            command=FROM_APT,
            needs_root=True,
        )
    if "OCI runtime" in found.line:
        return fail(
            "podman has no runtime called nvidia: it takes a GPU by CDI",
            remedy="Say --device nvidia.com/gpu=all instead of --runtime nvidia, once its specification is written.",
            command="sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml && nvidia-ctk cdi list",
            needs_root=True,
        )
    if driver == "cdi":
        return fail(
            "docker is asked for a CDI device, and CDI is not switched on in it",
            remedy="Switch it on, and restart docker (28.3 and later have it on), or take --gpus all instead.",
            command="sudo nvidia-ctk runtime configure --runtime=docker --cdi.enabled && sudo systemctl restart docker",
            needs_root=True,
        )
    if "is configured" in found.line:
        return fail(
            "containerd does not know the runtime of the NVIDIA Container Toolkit",
            remedy="Tell containerd of it, and restart that.",
            command="sudo nvidia-ctk runtime configure --runtime=containerd && sudo systemctl restart containerd",
            needs_root=True,
        )
    if "from CDI" in found.line:
        return fail(
            "docker found no CDI specification of a GPU: the NVIDIA Container Toolkit is not installed, or has not written one",
            remedy="Install it, let it write the specification, and restart docker.",
            command="sudo apt install nvidia-container-toolkit"
            " && sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml && sudo systemctl restart docker",
            needs_root=True,
        )
    if "executable file not found" in found.line:
        return fail(
            "the NVIDIA Container Toolkit is not installed, though docker is told to use it",
            remedy="Install it, and restart docker.",
            command="sudo apt install nvidia-container-toolkit && sudo systemctl restart docker",
            needs_root=True,
        )
    return fail(
        "docker does not know the NVIDIA Container Toolkit, and cannot give a GPU to a container",
        remedy="Tell docker of it, and restart that (package nvidia-container-toolkit).",
        command="sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker",
        needs_root=True,
    )
