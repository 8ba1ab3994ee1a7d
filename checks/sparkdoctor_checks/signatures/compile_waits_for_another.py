"""Locks of compilers that run at first use."""

from sparkdoctor.plugin import ANYTHING, Found, Verdict, signature, warn

_WHO = {"_inductor/": "torch.compile", "flashinfer/": "FlashInfer", "torch/utils/cpp_extension": "PyTorch"}


@signature(
    " _acquire (filelock/_unix.py:{number:int}",
    " _acquire ({path:path}/filelock/_unix.py:{number:int}",
    " acquire (filelock/_api.py:{number:int}",
    " acquire ({path:path}/filelock/_api.py:{number:int}",
    'filelock/_api.py", line {number:int}, in acquire',
    'filelock/_api.py", line {number:int} in acquire',
    checks=("extension-cache-locked",),
    because=("extension-waits-for-lock", ANYTHING),
)
def compile_waits_for_another(found: Found) -> Verdict | None:
    """A program waited while another process compiled the same.

    torch.compile and FlashInfer hold a lock of the operating system's (flock) while they compile. It ends with the process that
    holds it, so nothing needs to be removed; a process that was left over from an earlier run may hold it still.

    Sources:
    - torch/_inductor/codecache.py; flashinfer/jit/core.py; filelock/_unix.py
    """
    near = " ".join((*found.before, *found.after))
    who = next((name for mark, name in _WHO.items() if mark in near), "")
    if not who:
        return None
    return warn(
        f"the program waited for a lock: another process compiles the same for {who}, or hangs at it",
        remedy="Let it end. Where nothing compiles, end what is left of an earlier run: its lock goes with it.",
        command="pgrep -af 'nvcc|cicc|ptxas|ninja|compile_worker'",
    )
