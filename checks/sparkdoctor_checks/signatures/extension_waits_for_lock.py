"""Locks that builds have left behind."""

from sparkdoctor.plugin import ANYTHING, Found, Verdict, fail, signature, warn


@signature(
    'torch/utils/file_baton.py", line {number:int}, in wait',
    'torch/utils/file_baton.py", line {number:int} in wait',
    " wait (torch/utils/file_baton.py:{number:int}",
    " wait ({path:path}/torch/utils/file_baton.py:{number:int}",
    "torch/utils/file_baton.py:{number:int}: KeyboardInterrupt ",
    "torch/utils/file_baton.py:{number:int}: Failed: Timeout",
    'Waited on lock file "{lock:path}" for {seconds:int} seconds',
    checks=("extension-cache-locked",),
    because=(ANYTHING,),
)
def extension_waits_for_lock(found: Found) -> Verdict:
    """A program waited for the lock of an extension's build.

    Up to version 2.13 PyTorch locks an extension with a file that is there or not. A build that was killed leaves it, and
    every later use waits for it, silently and for ever, even where the library is complete. While another process builds,
    waiting is right.

    Sources:
    - torch/utils/file_baton.py (2.13); pytorch/pytorch #189245, #190543, #190674; PASSIONLab/OpenEquivariance #156
    """
    remedy, command = "Remove the lock that nobody holds, and start again what waits.", "sparkdoctor fix clear-extension-lock"
    if lock := found["lock"]:
        return warn(f"the program has waited {found['seconds']} seconds for {lock}", remedy=remedy, command=command)
    return fail(
        "the program waited for the lock of an extension: a build that was killed has left it behind, if none is running",
        remedy=remedy,
        command=command,
    )
