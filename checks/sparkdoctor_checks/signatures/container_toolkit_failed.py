"""The NVIDIA Container Toolkit, which stopped."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "nvidia-container-cli: device error: {device:path}: unknown device",
    "nvidia-container-cli: device error: unknown device id: {device:path}",
    "nvidia-container-cli: ldcache error: {ldcache}",
    "nvidia-container-cli: mount error: {mount}",
    "nvidia-container-cli: container error: {container}",
    "nvidia-container-cli.real: mount error: {mount}",
    "nvidia-container-cli.real: ldcache error: {ldcache}",
    "initialization error: open failed: {file:path}: {words}",
    "initialization error: privilege change failed: {words}",
    checks=("gpu-not-visible",),
    because=("snap-docker", "cdi-spec-stale"),
)
def container_toolkit_failed(found: Found) -> Verdict:
    """The NVIDIA Container Toolkit could not give the GPU to a container.

    It mounts the driver's libraries and devices into the container, and runs ldconfig there. A GPU that does not exist, docker
    as a snap, an engine without root, and files of the driver within the image all stop it.

    Sources:
    - NVIDIA/nvidia-docker #957, #1404; NVIDIA/libnvidia-container #177; NVIDIA/nvidia-container-toolkit #29, #102, #289
    """
    if found["device"]:
        return fail(
            f"a GPU {found['device']} was asked for, and there is none of that name",
            remedy="Ask for all of them: --gpus all, or NVIDIA_VISIBLE_DEVICES=all; a Spark has one, number 0.",
            command="nvidia-smi -L",
        )
    if "/snap/" in found.line:
        return fail(
            "docker is a snap here, and may not set up devices",
            remedy="Remove the snap, and install docker from apt.",
            command="sudo snap remove docker && sudo apt install docker.io && sudo nvidia-ctk runtime configure --runtime=docker",
            needs_root=True,
        )
    if "file exists" in found.line:
        return fail(
            "the image brings files of the driver itself, where the host's are to be mounted",
            remedy="Take the published image; one that was committed or built with the driver inside is of no use.",
        )
    if "bpf_prog_query" in found.line or found["file"]:
        return fail(
            "the container engine may not set up devices: it runs without root",
            remedy="Let the toolkit leave the control groups alone.",
            command="sudo nvidia-ctk config --set nvidia-container-cli.no-cgroups --in-place",
            needs_root=True,
        )
    if found["ldcache"]:
        there = "/sbin/ldconfig" if "ldconfig.real: no such file" in found.line else "/sbin/ldconfig.real"
        return fail(
            "the NVIDIA Container Toolkit did not find or could not run ldconfig",
            remedy="Write its settings anew for this system; docker needs no restart for it.",
            command=f"sudo nvidia-ctk config --in-place --set nvidia-container-cli.ldconfig=@{there}",
            needs_root=True,
        )
    return fail(
        "the NVIDIA Container Toolkit could not mount the driver into the container",
        remedy="Bring toolkit and driver to one release, and restart docker.",
        command="sudo apt update && sudo apt dist-upgrade && sudo systemctl restart docker",
        needs_root=True,
    )
