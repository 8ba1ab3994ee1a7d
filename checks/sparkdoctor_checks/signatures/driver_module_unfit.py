"""The driver's kernel module and the kernel."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "Error! Bad return status for module build on kernel: {kernel:path}",
    "Error! Your kernel headers for kernel {kernel:path} cannot be found",
    "NVRM: The NVIDIA probe routine was not called for {count:int} device(s)",
    "modprobe: ERROR: could not insert 'nvidia{part:name}': Key was rejected by service",
    "modprobe: ERROR: could not insert 'nvidia': Key was rejected by service",
    checks=("driver-missing", "reboot-pending", "gpu-not-visible"),
)
def driver_module_unfit(found: Found) -> Verdict | None:
    """The driver's kernel module could not be built, or not take the GPU.

    DGX OS brings the module with each of its kernels. For a kernel of another origin DKMS must build it, from that kernel's
    headers; Secure Boot refuses one that is not signed; and another driver (nouveau) may already hold the GPU.

    Sources:
    - dkms(8); kernel-open/nvidia/nv.c in NVIDIA/open-gpu-kernel-modules
    - M-Bab/linux-kernel-amdgpu-binaries #101; mattshma/bigdata #133
    """
    if "Key was rejected" in found.line:
        return fail(
            "Secure Boot has refused the driver's kernel module: it is not signed with a key that the firmware knows",
            remedy="Install the signed modules of the distribution, and restart; or enrol the key.",
            command="sudo apt update && sudo apt dist-upgrade && sudo reboot",
            needs_root=True,
            needs_reboot=True,
        )
    if kernel := found["kernel"]:
        around = " ".join((*found.before, found.line, *found.after)).lower()
        if "nvidia" not in around:
            return None
        why = "its headers are not installed" if "headers" in found.line else "the build failed"
        return fail(
            f"the driver's module could not be built for the kernel {kernel}: {why}",
            remedy="Start the kernel that DGX OS or the distribution ships with this driver, which brings the module.",
            command="sudo apt update && sudo apt dist-upgrade && sudo reboot",
            needs_root=True,
            needs_reboot=True,
        )
    return fail(
        "another kernel driver, as nouveau, holds the GPU: NVIDIA's was loaded and not asked",
        remedy="Keep nouveau from being loaded, and restart.",
        command="echo 'blacklist nouveau' | sudo tee /etc/modprobe.d/no-nouveau.conf && sudo update-initramfs -u && sudo reboot",
        needs_root=True,
        needs_reboot=True,
    )
