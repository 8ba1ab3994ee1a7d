"""nvidia-smi without a GPU."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

_GPU = ("nvidia", "nvrm", "cuda", "gpu", "gb10")


@signature(
    " No devices were found ",
    "No devices were found.",
    "Failed to query NVIDIA devices. Please ensure that the NVIDIA device files",
    checks=("gpu-not-visible", "reboot-pending", "dgx-os-outdated"),
    because=("gpu-did-not-come-up", "gpu-fault", "driver-updated-without-restart"),
)
def nvidia_smi_finds_no_device(found: Found) -> Verdict | None:
    """nvidia-smi has found no GPU, though the driver is loaded.

    The driver answers and has no device: it could not start the GPU. On DGX Spark mostly after an update that tore driver and
    firmware apart; the kernel's log says why. nvidia-smi ends with 0 or 6 then.

    Sources:
    - NVIDIA forum t/378200; NVIDIA/open-gpu-kernel-modules #862
    """
    around = [line for line in (*found.before[-6:], *found.after[:6]) if line.strip()]
    of_gpu = any(word in line.lower() for line in (found.line, *around) for word in _GPU)
    if "Failed to query NVIDIA devices" not in found.line and (
        not found.line.rstrip(". ").endswith("No devices were found") or not (of_gpu or not around)
    ):
        return None
    if "Failed to query NVIDIA devices" in found.line:
        return fail(
            "there are no device nodes of a GPU: its driver is not loaded, or has not started it",
            remedy="See what the kernel says of the driver.",
            command="sudo dmesg | grep -iE 'NVRM|nvidia' | tail -n 20; ls -l /dev/nvidia*",
            needs_root=True,
        )
    return fail(
        "the driver is loaded and shows no device: it has not started the GPU",
        remedy="The update tore driver and firmware apart, or the GPU hangs: bring all packages to one release, then restart.",
        command="sudo apt update && sudo apt dist-upgrade && sudo reboot",
        needs_root=True,
        needs_reboot=True,
    )
