"""Checkpoints that are none."""

from sparkdoctor.plugin import Found, Verdict, fail, signature, warn

CHECK = "sparkdoctor check weights-missing"


@signature(
    "PytorchStreamReader failed {what}",
    "UnpicklingError: invalid load key, '{key}'",
    "UnpicklingError: pickle data was truncated",
    "EOFError: Ran out of input",
    "RuntimeError: Invalid magic number; corrupt file?",
    "unexpected EOF, expected {bytes:int} more bytes. The file might be corrupted.",
    "storage has wrong byte size: expected {expected:int} got {got:int}",
    'Expected hasRecord("{record:name}") to be true, but got false',
    " Aborted! ",
    "RuntimeError: unexpected pos {position:int} vs {other:int}",
    checks=("weights-missing", "disk-low"),
    because=("weights-download-failed", "disk-full", "git-lfs-missing"),
)
def weights_file_unreadable(found: Found) -> Verdict | None:
    """A file of weights cannot be read: it is cut off, or is none.

    A checkpoint is a zip archive whose directory is at its end: a download that broke off lacks it. A file that begins with `<`
    is a web page, one with `v` a git-lfs pointer (`version https://git-lfs…`). For an empty one, click prints no more than
    `Aborted!`.

    Sources:
    - OpenFold3 0.5.0, run with such files; torch/serialization.py
    - CompVis/stable-diffusion #93, hhj1897/face_parsing #3, aqlaboratory/openfold #476
    """
    if found.line.endswith("Aborted!"):
        said = "\n".join((*found.before, found.line))
        if "openfold3" not in said or "(yes/no)" in said or "^C" in said:
            return None
        return warn(
            "OpenFold3 ended without a word: it was interrupted, or the weights' file is empty",
            remedy="If nobody interrupted it, look at the size of the weights' file, and download it again.",
            command=CHECK,
        )
    if "unexpected pos" in found.line:
        return fail(
            "a checkpoint could not be written to its end: the disk is full, or a quota is",
            remedy="Make room, and write it again.",
            command="sparkdoctor check disk-low",
        )
    if found["key"] == "<":
        return fail(
            "the weights' file is a web page: the download brought an error, or a login",
            remedy="Delete it, and download the weights again.",
            command=CHECK,
        )
    if found["key"] == "v":
        return fail(
            "the weights' file is a git-lfs pointer, not the weights",
            remedy="Let git-lfs fetch what it stands for, in its repository.",
            command="git lfs install && git lfs pull",
        )
    if found["key"] or found["record"]:
        return fail(
            "the weights' file is no checkpoint",
            remedy="Look at what it is, and download the weights again.",
            command=CHECK,
        )
    if "Ran out of input" in found.line and not any("serialization.py" in line or "torch" in line for line in found.before):
        return None
    return fail(
        "the weights' file is cut off or damaged: its download, or a copy, was interrupted",
        remedy="Delete it, and download the weights again.",
        command=CHECK,
    )
