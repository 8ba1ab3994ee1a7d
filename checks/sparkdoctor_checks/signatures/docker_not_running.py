"""docker's daemon."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "Cannot connect to the Docker daemon at {socket:path}. Is the docker daemon running?",
    "failed to connect to the docker API at {socket:path}; check if the path is correct and if the daemon is running",
    "Cannot connect to the Docker daemon. Is the docker daemon running",
    "Couldn't connect to Docker daemon at",
    "Error while fetching server API version: ('Connection aborted.', FileNotFoundError(2, 'No such file or directory'))",
    "Failed to start docker.service",
    "unable to configure the Docker daemon with file",
    "failed to start daemon: {words}",
    because=("snap-docker", "nvidia-runtime-missing"),
)
def docker_not_running(found: Found) -> Verdict:
    """Docker's daemon does not run, or runs elsewhere.

    It was stopped, or did not start: a mistake in /etc/docker/daemon.json is the usual reason. DOCKER_HOST or a context may also
    name a daemon that is not there.

    Sources:
    - docker 28, run without a daemon; the words of dockerd
    """
    if any("configure the Docker daemon" in line for line in (*found.before, found.line, *found.after)):
        return fail(
            "docker's daemon does not start: there is a mistake in /etc/docker/daemon.json",
            remedy="Mend the file, and start the daemon.",
            command="python3 -m json.tool /etc/docker/daemon.json && sudo systemctl restart docker",
            needs_root=True,
        )
    return fail(
        "docker's daemon does not run",
        remedy="Start it; its log says why it stopped.",
        command="sudo systemctl enable --now docker; journalctl -u docker -n 20 --no-pager",
        needs_root=True,
    )
