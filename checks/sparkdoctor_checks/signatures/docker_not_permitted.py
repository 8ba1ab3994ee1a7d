"""docker's socket."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "permission denied while trying to connect to the Docker daemon socket at {socket:path}",
    "permission denied while trying to connect to the docker API at {socket:path}",
    "permission denied while trying to connect to the Docker API at {socket:path}",
    "dial unix {socket:path}: connect: permission denied",
    "Error while fetching server API version: ('Connection aborted.', PermissionError(13, 'Permission denied'))",
    "Error while fetching server API version: {words} Permission denied",
)
def docker_not_permitted(found: Found) -> Verdict:
    """This user may not talk to docker.

    The daemon's socket belongs to root and the group docker. Who is added to the group must log in again.

    Sources:
    - docs.docker.com, "Linux post-installation steps for Docker Engine"; docker 28
    - NVIDIA/dgx-spark-playbooks, troubleshooting
    """
    del found
    return fail(
        "this user is not in the group docker, and may not talk to the daemon",
        remedy="Add it, then log in again (`newgrp docker` for this shell). The group is as good as root.",
        command="sudo usermod -aG docker $USER && newgrp docker",
        needs_root=True,
    )
