"""dpkg, which stopped."""

from sparkdoctor.plugin import ANYTHING, Found, Verdict, fail, signature


@signature(
    "Sub-process /usr/bin/dpkg returned an error code ({code:int})",
    "dpkg: error processing package {package:name}",
    "dpkg: error processing archive {package:path}",
    checks=("reboot-pending", "driver-library-mismatch", "disk-low"),
    because=("dpkg-unfinished", ANYTHING),
)
def dpkg_failed(found: Found) -> Verdict:
    """Dpkg could not install or configure a package.

    What the package's own script said stands above this line. Of nvidia-dkms it is the build of the kernel module, with a log in
    /var/lib/dkms.

    Sources:
    - the words of dpkg, apt and dkms
    """
    del found
    return fail(
        "a package could not be installed or configured: what its script said stands above",
        remedy="Mend that, then let dpkg finish.",
        command="sudo dpkg --configure -a && sudo apt --fix-broken install",
        needs_root=True,
    )
