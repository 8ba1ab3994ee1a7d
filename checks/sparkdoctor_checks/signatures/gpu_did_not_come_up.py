"""A GPU that the driver cannot start."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "NVRM: Xid {}(GSP_INIT_DONE)",
    "NVRM: Xid {}GSP_INIT_DONE",
    "SEC2 secure boot partition timed out",
    "FWSEC timed out processing COT command",
    "RmInitAdapter: Cannot initialize GSP firmware RM",
    "NVRM: GPU {device:path}: RmInitAdapter failed! ({code:path})",
    "NVRM: RmInitAdapter failed! ({code:path})",
    "unexpected WPR2 already up, cannot proceed with booting GSP",
    "NVRM: The NVIDIA probe routine failed for",
    "GSP firmware image version mismatch: got version {got:number}, expected version {expected:number}",
    "installed in this system requires use of the NVIDIA open kernel modules",
    checks=("gpu-not-visible", "reboot-pending", "dgx-os-outdated"),
    because=("driver-updated-without-restart", "gpu-fault"),
)
def gpu_did_not_come_up(found: Found) -> Verdict:
    """The driver could not start the GPU.

    On DGX Spark this follows a plain `apt upgrade` that brings a driver without the firmware that belongs to it: Xid 119 with
    GSP_INIT_DONE, then `RmInitAdapter failed!`, and nvidia-smi finds no device. After a hard freeze the GPU may need to lose
    all power. Blackwell GPUs need the open kernel modules.

    Sources:
    - NVIDIA forum t/378200; NVIDIA/open-gpu-kernel-modules #789, #862, #1230
    - kernel_sec2_gb20b.c in NVIDIA/open-gpu-kernel-modules; Start9Labs/start-technologies #3693
    """
    around = (*found.before, found.line, *found.after)
    if any("requires use of the NVIDIA open kernel modules" in line or "): 169, " in line for line in around):
        return fail(
            "the driver's proprietary kernel modules are installed; this GPU needs the open ones",
            remedy="Install the open modules, and restart.",
            command="sudo apt update && sudo apt install nvidia-driver-580-open && sudo reboot",
            needs_root=True,
            needs_reboot=True,
        )
    return fail(
        "the driver is loaded and could not start the GPU's firmware (GSP)",
        remedy="Bring driver and firmware to one release, and restart; if that fails, shut down and unplug it for a minute.",
        command="sudo apt update && sudo apt dist-upgrade && sudo reboot",
        needs_root=True,
        needs_reboot=True,
    )
