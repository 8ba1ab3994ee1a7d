"""docker from the snap store."""

from sparkdoctor.plugin import Found, Verdict, fail, signature, warn

FROM_APT = (
    "sudo snap remove docker && { [ -x /usr/bin/docker ] || sudo apt install docker.io; }"
    " && sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker"
)
"""DGX OS brings a docker of its own, which docker.io would put out."""


@signature(
    " /snap/bin/docker ",
    "docker: /snap/bin/docker ",
    "docker is /snap/bin/docker",
    "Docker Root Dir: /var/snap/docker/{where:path}",
    " snap.docker.dockerd.service ",
    "Service for snap application docker.dockerd",
    "docker {version:number} from Canonical",
    "docker {version:name} {revision:int} {track:path} canonical✓ ",
    "from daemon: {}/var/snap/docker/",
    "error while creating mount source path '{place:path}': mkdir {directory:path}: read-only file system",
    "snap-confine has elevated permissions and is not confined but should be",
    checks=("gpu-not-visible",),
)
def snap_docker(found: Found) -> Verdict:
    """Docker is the snap, which is confined.

    It sees neither the NVIDIA Container Toolkit of the system nor files outside the home directory. DGX OS brings a docker from
    apt; where both are installed, PATH decides.

    Sources:
    - canonical/docker-snap #180, #188; sirixdb/sirix #632; NVIDIA/nvidia-docker #1637, #1311; snapcore, snap-confine
    """
    if "snap-confine" in found.line:
        return fail(
            "a snap was not started: snapd's AppArmor profiles are not loaded",
            remedy="Load them. Take docker from apt rather than as a snap.",
            command="sudo systemctl enable --now snapd.apparmor",
            needs_root=True,
        )
    if found["place"]:
        return fail(
            f"docker cannot see {found['place']}: most likely it is the snap, which sees the home directory alone",
            remedy="Save what its volumes hold; then remove the snap, and take docker from apt.",
            command=FROM_APT,
            needs_root=True,
        )
    return warn(
        "docker is a snap here: it does not see the NVIDIA Container Toolkit",
        remedy="Save what its volumes hold; then remove the snap, and take docker from apt.",
        command=FROM_APT,
        needs_root=True,
    )
