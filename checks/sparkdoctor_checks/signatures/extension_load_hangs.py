"""The silence after which nothing comes."""

from sparkdoctor.plugin import ANYTHING, Found, Verdict, signature, warn

ROOT = "as PyTorch extensions root..."
ENDS = (
    "^C",
    "^Z",
    "Terminated",
    "Killed",
    "exit code 124",
    "exit status 124",
    "timed out",
    "timeout",
    "Timeout",
    "canceled",
    "cancelled",
    "CANCELLED",
)


@signature(
    "Using {directory:path} as PyTorch extensions root...",
    checks=("extension-cache-locked",),
    because=("extension-waits-for-lock", ANYTHING),
    at_end=True,
)
def extension_load_hangs(found: Found) -> Verdict | None:
    """The log ends where PyTorch waits for an extension's lock.

    After this line PyTorch takes the lock of the extension, and says nothing while it waits. Where a killed build has left
    the lock behind it waits for ever (PyTorch up to 2.13). The next line of a build that goes on comes at once.

    Sources:
    - torch/utils/cpp_extension.py, `_jit_compile`; pytorch/pytorch #59146, #189245; nandometzger/metal-gauss #19
    """
    for line in found.after:
        if any(end in line for end in ENDS):
            break
        if line.strip() and ROOT not in line:
            return None
    return warn(
        f"the log ends where PyTorch takes the lock of an extension in {found['directory']}: it may wait for ever",
        remedy="Where nothing comes for a minute, remove the lock that a killed build has left behind.",
        command="sparkdoctor fix clear-extension-lock",
    )
