"""Whether programs here can see a GPU."""

from sparkdoctor.facts import Container, Devices, Driver, Gpu, Nvml
from sparkdoctor.facts.nvml import DRIVER_NOT_LOADED
from sparkdoctor.plugin import Broken, Missing, Verdict, check, fail, ok, skip
from sparkdoctor.profiles import Profile

_UPGRADE = "sudo apt update && sudo apt dist-upgrade && sudo reboot"
_XID = "`sudo dmesg | grep -E 'NVRM|Xid'` then shows `RmInitAdapter failed!` or `GSP_INIT_DONE`"


@check
def gpu_not_visible(
    gpu: Gpu | Missing,
    nvml: Nvml | Missing,
    driver: Driver | Missing,
    devices: Devices,
    container: Container,
    profile: Profile,
) -> Verdict:
    """A GPU can be seen.

    None is seen in a container that was started without it, where a variable hides it, where the device nodes are
    missing or closed to this user, after a driver update that was not followed by a restart, and where the GPU itself
    did not come up: `No devices were found` after a torn update of driver and firmware.

    Sources:
    - NVIDIA forum t/378200 (`No devices were found`, Xid 119, GSP_INIT_DONE)
    - NVIDIA Container Toolkit documentation (NVIDIA_VISIBLE_DEVICES; troubleshooting: containers lose access to GPUs)
    - CUDA C++ Programming Guide, "CUDA Environment Variables"
    """
    if not isinstance(gpu, Missing):
        return _visible(gpu, devices)
    evidence = (
        f"NVML: {gpu.reason}",
        f"/dev: {' '.join(devices.nodes) or 'no nvidia nodes'}",
        *(f"PCI: {item}" for item in devices.pci),
    )
    if isinstance(gpu, Broken):
        return _cannot_be_asked(gpu, nvml, evidence)
    if isinstance(driver, Missing):
        return skip(driver.reason)
    if driver.mismatch:
        return skip("driver and library do not match, so NVML says nothing; see driver-library-mismatch")
    if driver.loaded is None and (not driver.refusal or driver.refusal.code == DRIVER_NOT_LOADED) and not driver.started:
        return skip("no NVIDIA kernel module is loaded; see driver-missing")
    passed = any(name.startswith("nvidia") and name[6:].isdigit() for name in devices.nodes)
    if container and not passed and not driver.started and (not driver.refusal or driver.loaded):
        return fail(
            f"this {container.engine} container was started without the GPU (the host's driver {driver.shown} is there)"
            + (f": {devices.hidden_by}" if devices.hidden_by else ""),
            evidence=evidence,
            remedy=_start(container),
        )
    if devices.unopenable:
        return fail(
            f"this user may not open {' '.join('/dev/' + name for name in devices.unopenable)}",
            evidence=evidence,
            remedy="Give this user access to the device nodes (in a rootless container: group keep-groups, or --device).",
        )
    return _did_not_come_up(gpu, nvml, driver, evidence, container, profile)


def _visible(gpu: Gpu, devices: Devices) -> Verdict:
    """A GPU that the driver shows may still be out of CUDA's reach."""
    if devices.hidden_by and devices.hidden_by.startswith("CUDA"):
        return fail(
            f"{devices.hidden_by} hides every GPU from CUDA programs, though the driver sees {gpu.name}",
            observed=devices.hidden_by,
            remedy="Unset the variable.",
            command="unset CUDA_VISIBLE_DEVICES",
        )
    if "nvidia0" in devices.nodes and "nvidia-uvm" not in devices.nodes:
        return fail(
            f"{gpu.name} can be seen but /dev/nvidia-uvm is missing: CUDA cannot start without it",
            observed=f"/dev: {' '.join(devices.nodes)}",
            remedy="Create the device node (in a container: give it --gpus all, or --device /dev/nvidia-uvm).",
            command="sudo nvidia-modprobe -u -c=0",
            needs_root=True,
        )
    return ok(_seen(gpu), observed=gpu.name)


def _seen(gpu: Gpu) -> str:
    names = sorted({device.name for device in gpu.devices})
    many = f"{len(gpu.devices)} × " if len(gpu.devices) > 1 else ""
    return f"{many}{' and '.join(names)}" + ("" if gpu.source == "NVML" else f", says {gpu.source}; NVML itself crashed or hung")


def _start(container: Container) -> str:
    if container.engine == "kubernetes":
        return "Ask for the GPU in the pod: resources: limits: nvidia.com/gpu: 1 (NVIDIA device plugin 0.17.4 or later)."
    if container.engine == "podman":
        return "Start the container with --device nvidia.com/gpu=all."
    return "Start the container with --gpus all."


def _cannot_be_asked(gpu: Broken, nvml: Nvml | Missing, evidence: tuple[str, ...]) -> Verdict:
    """NVML hung, crashed, makes no sense or is no library."""
    if isinstance(nvml, Broken):
        return fail(
            f"the GPU cannot be asked: {gpu.reason}",
            evidence=evidence,
            remedy="Install the driver's library anew, of the same version as the kernel module.",
            command="sudo apt update && sudo apt dist-upgrade",
            needs_root=True,
        )
    return fail(
        f"the GPU cannot be asked: {gpu.reason}",
        evidence=evidence,
        remedy="Try `nvidia-smi`; if it hangs or crashes too, restart the machine: a GPU that hung comes back only so.",
        command="sudo reboot",
        needs_root=True,
        needs_reboot=True,
    )


def _did_not_come_up(
    gpu: Missing, nvml: Nvml | Missing, driver: Driver, evidence: tuple[str, ...], container: Container, profile: Profile
) -> Verdict:
    """A driver is loaded, and shows no GPU."""
    if isinstance(nvml, Missing):
        return fail(
            f"the kernel module {driver.loaded} is loaded, but programs cannot reach it: {nvml.reason}",
            evidence=evidence,
            remedy="Install the driver's library, of the same version as the kernel module.",
            command="sudo apt update && sudo apt dist-upgrade",
            needs_root=True,
        )
    if profile.driver and driver.version and driver.version not in profile.driver:
        return fail(
            f"driver {driver.version} is too old to know this GPU, and shows none",
            expected=str(profile.driver),
            observed=driver.version,
            evidence=evidence,
            remedy="Update the driver, see driver-too-old.",
            command=_UPGRADE,
            needs_root=True,
            needs_reboot=True,
        )
    if refused := nvml.errors.get("nvmlDeviceGetHandleByIndex[0]"):
        return fail(
            f"a GPU is there, and NVML will not open it: {refused.text}",
            evidence=evidence,
            remedy="Give this user (or container) access to the device nodes /dev/nvidia*.",
        )
    if nvml.refusal:
        return fail(
            f"NVML will not start: {nvml.refusal.text}",
            evidence=evidence,
            remedy="Restart the container: a reload of systemd on the host takes the device nodes from running containers."
            if container
            else "Restart the machine.",
            command=None if container else "sudo reboot",
            needs_root=not container,
            needs_reboot=not container,
        )
    return fail(
        f"driver {driver.shown} is loaded and finds no GPU (`No devices were found`): {gpu.reason.partition(': ')[2]}; {_XID}",
        evidence=evidence,
        remedy="The update tore driver and firmware apart, or the GPU hangs: bring all packages to one release, then restart.",
        command=_UPGRADE,
        needs_root=True,
        needs_reboot=True,
    )
