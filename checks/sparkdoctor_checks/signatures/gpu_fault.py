"""Xid events that tell of the GPU itself."""

from sparkdoctor.plugin import Found, Verdict, fail, ok, signature, warn

_MEANS = {
    48: "memory had an error that could not be corrected (ECC)",
    61: "the GPU's controller has halted",
    62: "the GPU's controller has halted",
    63: "a row of memory was remapped after errors",
    64: "a row of memory could not be remapped",
    74: "an NVLink connection failed",
    79: "the GPU has fallen off the bus: it no longer answers",
    92: "many memory errors were corrected",
    94: "a memory error was contained: the program that met it was ended",
    95: "a memory error was not contained: all programs may be hit",
    109: "a context switch took too long: the GPU hung",
    119: "the GPU's firmware (GSP) does not answer",
    120: "the GPU's firmware (GSP) crashed",
    140: "memory had errors that could not be corrected (ECC)",
    143: "the GPU could not be started",
}
_OF_PROGRAMS = {8, 13, 31, 32, 43, 45, 68, 69}
_MILD = {63, 92, 94}


@signature(
    "NVRM: Xid ({device:path}): {xid:int}",
    "NVRM: Xid {xid:int}, ",
    "NVRM: GPU {device:path}: GPU has fallen off the bus",
    "fallen off the bus and is not responding to commands",
    "Unable to determine the device handle for {device}Unknown Error",
    "Unable to determine the device handle for {device}GPU is lost",
    checks=("gpu-not-visible", "driver-branch-unsupported", "gpu-clocks-wedged"),
)
def gpu_fault(found: Found) -> Verdict | None:
    """The driver has reported a fault of the GPU or its firmware.

    Xid numbers say what: 79 the GPU no longer answers, 119 and 120 its firmware hung or crashed, 48, 63, 64, 94 and 95 errors
    of memory. Which programs met it and what they then printed are consequences.

    Sources:
    - NVIDIA, Xid Errors, "Analyzing Xid Errors with the Xid Catalog"
    - NVIDIA/open-gpu-kernel-modules #507, #829; NVIDIA/NVSentinel #155
    """
    xid = int(found["xid"] or 79)
    if xid in _OF_PROGRAMS:
        return None
    around = " ".join((*found.before[-4:], found.line, *found.after[:6]))
    if xid != 79 and any(word in around for word in ("GSP_INIT_DONE", "RmInitAdapter failed", "secure boot partition")):
        return None  # see gpu-did-not-come-up
    if xid == 154:
        _, there, action = found.line.partition(" action changed from ")
        wanted = action.rpartition(" to ")[2].rstrip(".") or "a reset"
        if there and wanted.endswith("(None)"):
            return ok("Xid 154: the driver has called off what it asked for")
        said = f"Xid 154: to recover, the driver asks for {wanted}"
    else:
        said = _MEANS[xid] if xid == 79 else f"Xid {xid}: {_MEANS.get(xid, 'the driver reports a fault of the GPU')}"
    if xid in _MILD:
        return warn(
            said,
            remedy="Restart at the next occasion, which applies it; have the machine checked if it comes again.",
            command="nvidia-smi -q -d ECC,ROW_REMAPPER",
        )
    return fail(
        said,
        remedy="Restart; if that does not bring the GPU back, shut down and unplug the power for a minute. If it comes again, "
        "update DGX OS and its firmware, and show NVIDIA an nvidia-bug-report.",
        command="sudo nvidia-bug-report.sh && sudo reboot",
        needs_root=True,
        needs_reboot=True,
    )
