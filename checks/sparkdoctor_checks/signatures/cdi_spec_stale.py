"""A specification of devices (CDI) from before an update."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

_OURS = ("nvidia", "libcuda", "/dev/dri", "libnv")


@signature(
    "failed to fulfil mount request: open {file:path}: no such file or directory",
    'error mounting "{file}" to rootfs at',
    "crun: cannot stat `{file:path}`: No such file or directory",
    "crun: cannot stat '{file:path}': No such file or directory",
    "crun: cannot stat {file:path}: No such file or directory",
    'failed to stat CDI host device "{file:path}": no such file or directory',
    "failed to load CDI Spec: {words}",
    "conflicting device {device:path} (conflicting",
    'conflicting device "{device:path}" (conflicting',
    checks=("reboot-pending", "driver-library-mismatch"),
)
def cdi_spec_stale(found: Found) -> Verdict | None:
    """A container's specification names files of a driver that has gone.

    /var/run/cdi/nvidia.yaml and /etc/cdi/nvidia.yaml list the driver's libraries by version. After an update they name those of
    before, until the service nvidia-cdi-refresh (from toolkit 1.18 on) or `nvidia-ctk cdi generate` writes them anew.

    Sources:
    - NVIDIA/nvidia-container-toolkit #885, #1517; users' notes of runc's words after an update of the driver
    - NVIDIA Container Toolkit, "Support for Container Device Interface"
    """
    file = found["file"]
    if file and "CDI" not in found.line and not any(name in file for name in _OURS):
        return None
    if file and "no such file" not in found.line.lower():
        return None
    if file.endswith("nvidia-persistenced/socket"):
        return fail(
            "a container wants the socket of nvidia-persistenced, which does not run",
            remedy="Start it.",
            command="sudo systemctl restart nvidia-persistenced",
            needs_root=True,
        )
    if file.startswith("/dev/nvidia-uvm"):
        return fail(
            f"a container wants {file}, which is not there",
            remedy="Create the device node.",
            command="sudo nvidia-modprobe -u -c=0",
            needs_root=True,
        )
    if found["device"]:
        return fail(
            f"two CDI specifications name the device {found['device']}",
            remedy="Keep the newer one, and move the other out of the directory.",
            command="ls -l --time-style=full-iso /etc/cdi /var/run/cdi",
        )
    return fail(
        f"the CDI specification names {file}, which is not there (any more)" if file else "a CDI specification cannot be read",
        remedy="Write the specification anew from the driver that is installed.",
        command="sudo rm -f /var/run/cdi/nvidia.yaml && sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",
        needs_root=True,
    )
