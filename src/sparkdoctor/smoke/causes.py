"""Why a prediction cannot be believed: the likely cause, by what was printed and what the structure looks like."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sparkdoctor.model import Status
from sparkdoctor.smoke.criterion import Criterion


class Cause(NamedTuple):
    """A likely cause, the line that speaks for it, and what to do next.

    `about` is `weights` where they cannot be loaded, `structure` where it is such that it cannot be written, else empty.
    """

    text: str
    evidence: str = ""
    command: str | None = None
    about: str = ""

    def __str__(self) -> str:
        return self.text + (f": {self.command}" if self.command else "")


class _Sign(NamedTuple):
    """What a line of a log means; groups of the pattern fill the text. `about` as a cause's."""

    pattern: str
    text: str
    command: str | None = None
    about: str = ""


_CHECK = "sparkdoctor check"
_SIGNS = (
    # What fails first comes first: a later line is often its consequence.
    _Sign(
        r"Unsupported gpu architecture '(compute_[\w.]+)'",
        "nvcc was asked for {0}, which it does not know",
        f"{_CHECK} deepspeed-misparses-architecture nvcc-lacks-architecture",
    ),
    _Sign(
        r"Value '(sm_\w+)' is not defined for option 'gpu-name'",
        "Triton's ptxas cannot assemble {0}",
        f"{_CHECK} triton-ptxas-too-old",
    ),
    _Sign(r"no kernel image is available", "PyTorch or an extension has no code for this GPU", f"{_CHECK} torch-lacks-kernels"),
    _Sign(
        r"Python\.h: No such file",
        "Triton compiles its launcher with Python.h, which is not there",
        f"{_CHECK} python-headers-missing",
    ),
    _Sign(r"Failed to find C compiler", "Triton finds no C compiler", f"{_CHECK} compiler-missing"),
    _Sign(r"Ninja is required", "ninja is missing, without which no operator is built", f"{_CHECK} ninja-missing"),
    _Sign(
        r"cusparse\.h|cublas_v2\.h|curand_kernel\.h|cannot find -lcurand",
        "the CUDA toolkit is not whole",
        f"{_CHECK} curand-missing",
    ),
    _Sign(
        r"Unable to JIT load the (\w+) op",
        "DeepSpeed refuses to build {0}, most often since it finds no CUTLASS",
        f"{_CHECK} deepspeed-cutlass-missing",
    ),
    _Sign(r"Error building extension '(\w+)'", "the operator {0} could not be built; the log has the compiler's words", _CHECK),
    _Sign(
        r"(\w+)\.so: cannot open shared object file",
        "the operator {0} was never built: look for the first error above that",
        f"{_CHECK} extension-cache-incomplete extension-cache-locked",
    ),
    _Sign(
        r"Triton kernels requested .* but",
        "the Triton kernels are asked for, which is the default, and Triton is not installed or does not load",
        f"{_CHECK} kernel-backend-unavailable triton-missing",
    ),
    _Sign(
        r"requires that DeepSpeed be installed",
        "the settings ask for DeepSpeed's attention, and DeepSpeed is not installed",
        f"{_CHECK} kernel-backend-unavailable",
    ),
    _Sign(
        r"Running with `use_cueq_triangle_kernels` but package is not",
        "the settings ask for cuEquivariance's kernels, and it is not installed or finds no GPU",
        f"{_CHECK} kernel-backend-unavailable",
    ),
    _Sign(
        r"Choose at most one alternative attention algorithm",
        "the settings ask for two kinds of attention at once",
        f"{_CHECK} kernel-backend-unavailable",
    ),
    _Sign(r"No supported gpu backend found", "PyTorch reaches no GPU", f"{_CHECK} gpu-not-visible torch-without-cuda"),
    _Sign(
        r"CUDA driver version is insufficient|forward compatibility was attempted",
        "the driver is too old for this CUDA",
        f"{_CHECK} driver-too-old",
    ),
    _Sign(
        r"CUDA out of memory|OutOfMemoryError|Cannot allocate memory|std::bad_alloc",
        "memory ran out",
        f"{_CHECK} memory-low page-cache-holds-memory",
    ),
    _Sign(
        r"Bus error|insufficient shared memory|DataLoader worker .* is killed by signal: Bus",
        "shared memory ran out",
        f"{_CHECK} shm-too-small",
    ),
    _Sign(
        r"DataLoader worker .* (?:exited unexpectedly|is killed)",
        "a process that prepares data ended; let there be none",
        "set data_module_args.num_workers: 0",
    ),
    _Sign(
        r"Loaded checkpoint model version",
        "these are weights of another version of OpenFold3",
        f"{_CHECK} weights-missing",
        about="weights",
    ),
    _Sign(
        r"Checkpoint state_dict keys do not match|Missing key\(s\) in state_dict",
        "these are weights of another generation of the model",
        f"{_CHECK} weights-missing",
        about="weights",
    ),
    _Sign(r"size mismatch for", "these are weights of a model of another size", f"{_CHECK} weights-missing", about="weights"),
    _Sign(
        r"PytorchStreamReader failed|failed finding central directory",
        "the weights' file is cut off: its download was interrupted",
        f"{_CHECK} weights-missing",
        about="weights",
    ),
    _Sign(
        r"invalid load key, '<'",
        "the weights' file is a web page: the download went wrong",
        f"{_CHECK} weights-missing",
        about="weights",
    ),
    _Sign(r"invalid load key, 'v'", "the weights' file is a git-lfs pointer, not the weights", "git lfs pull", about="weights"),
    _Sign(
        r"invalid load key|UnpicklingError", "the weights' file is no checkpoint", f"{_CHECK} weights-missing", about="weights"
    ),
    _Sign(
        r"cowardly refusing|EOF when reading a line", "the weights are not where they are looked for", f"{_CHECK} weights-missing"
    ),
    _Sign(
        r"not compatible with the currently installed OpenFold3 version",
        "the settings name weights of another version",
        f"{_CHECK} weights-missing runner-yaml-surprise",
    ),
    _Sign(
        r"^(\S+)\n(?:Extra inputs are not permitted|extra fields not permitted)",
        "this version knows no {0} in the settings",
        f"{_CHECK} runner-yaml-surprise",
    ),
    _Sign(
        r"(\w+) preset is not supported",
        "the settings name a preset that this version does not know, {0}",
        f"{_CHECK} runner-yaml-surprise",
    ),
    _Sign(
        r"got multiple values for keyword argument '(inference_ckpt_\w+)'",
        "the settings hold {0}, which this version takes from its command line alone",
    ),
    _Sign(
        r"validation errors? for \w+\n(\S+)\n(.+?)(?: \[type=|$)",
        "this version does not accept {0}: {1}",
        f"{_CHECK} runner-yaml-surprise",
    ),
    _Sign(
        r"validation errors? for (\w+)",
        "this version does not accept the settings or the query ({0})",
        f"{_CHECK} runner-yaml-surprise",
    ),
    _Sign(
        r"No (?:rows with residue name|atom information found for residue) '(\w+)'",
        "biotite's dictionary has no component {0}: the query names one that there is not, or that file is damaged",
        f"{_CHECK} ccd-missing",
    ),
    _Sign(
        r"colabfold|Name or service not known|Temporary failure in name resolution|Max retries exceeded",
        "it wanted the network: an MSA server or templates are left on",
    ),
    _Sign(
        r"\d+ pre-decimal columns for [xyz]-coordinates are available",
        "the coordinates are too large for a PDB file: this is no structure of a protein",
        about="structure",
    ),
    _Sign(r"No space left on device", "a disk is full", f"{_CHECK} disk-low"),
    _Sign(r"No module named '([\w.]+)'", "the package {0} is missing", f"{_CHECK} openfold3-version"),
)
_ERROR = re.compile(r"^(?:[\w.]+(?:Error|Exception|Interrupt)\b.*|.*\b(?:fatal|FATAL)\b.*|Killed)$")
_WIDTH = 300
ABOUT_RUN = ("exit-status", "summary", "error-log", "structures")
"""The criteria that fail for what a log tells."""
LARGEST = 1e6
"""No weight of a trained model comes near."""
KERNELS = "sparkdoctor smoke --kernels"


def of_log(text: str) -> Cause | None:
    """The likely cause by what was printed; the last error where no sign of ours is in it, None where there is none."""
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    whole = "\n".join(lines)
    for sign in _SIGNS:
        if found := re.search(sign.pattern, whole, re.MULTILINE):
            line = whole[whole.rfind("\n", 0, found.end()) + 1 :].partition("\n")[0]
            return Cause(sign.text.format(*found.groups()), line[:_WIDTH], sign.command, sign.about)
    last = next((line for line in reversed(lines) if _ERROR.match(line)), None)
    return Cause(f"its last error was {last[:_WIDTH]}", last[:_WIDTH]) if last else None


def of_end(code: int | None, stopped: str, stage: str) -> Cause | None:
    """The likely cause by how the run ended, in which stage."""
    if "of its summary" in stopped:
        text = "its processes for data never end (aqlaboratory/openfold-3 #360)"
        return Cause(text, "", "set data_module_args.num_workers: 0")
    if stopped:
        late = stopped.startswith("did not end")
        return Cause(f"its time was over in: {stage}; --timeout gives it more" if late else f"it {stopped} in: {stage}")
    if code == -9:  # noqa: PLR2004 (SIGKILL)
        return Cause(
            f"the kernel ended it for want of memory, or somebody did (in: {stage})",
            "",
            f"{_CHECK} oom-killed-recently memory-low",
        )
    if code is not None and code < 0:
        return Cause(f"native code crashed in: {stage}", "", f"{_CHECK} --deep")
    return None


def silent(ended: str, stage: str) -> Cause:
    """What is left to say where nobody said why."""
    return Cause(f"OpenFold3 {ended} in: {stage}, and its log does not say why")


def of_file(path: str, trouble: str, told: Cause | None) -> Cause | None:
    """The likely cause where weights could not be loaded, and their file is of no use by itself."""
    if not trouble:
        return None
    command = told.command if told and told.command else f"{_CHECK} weights-missing"
    return Cause(f"{path} is of no use: {trouble}", told.evidence if told else "", command, "weights")


def of_weights(learnt: Mapping[str, Any]) -> Cause | None:
    """The likely cause by what patient/predict.py or patient/weights.py has seen of the weights; empty where nobody looked."""
    match learnt:
        case {"not_finite_count": int(wrong), "tensors": int(tensors), "not_finite": [*names]} if wrong:
            text = f"{wrong} of the {tensors} tensors of the weights are not finite, such as {names[0]}: the file is damaged"
            return Cause(text, about="weights")
        case {"largest": int() | float() as largest} if largest > LARGEST:
            return Cause(f"the weights are as large as {largest:.1e}: the file is damaged", about="weights")
        case {"untrained": True, "norms": int(norms), "norms_at_one": int(untouched)}:
            return Cause(f"the weights were never trained: {untouched} of their {norms} layer norms are exactly 1")
    return None


def of_structure(criteria: Sequence[Criterion], weights: Cause | None, *, known: bool) -> Cause | None:
    """The likely cause of a structure that is none, by which lines fail. `known`: the weights were looked at."""
    failed = {criterion.id for criterion in criteria if criterion.status is Status.FAILED}
    if weights:
        return weights
    if "finite" in failed:
        return Cause(
            "the weights are finite, so a kernel computes NaN" if known else "the weights or a kernel hold NaN",
            "",
            KERNELS,
        )
    if "plddt-varies" in failed:
        return Cause("a confidence that is the same everywhere comes from weights that were never trained")
    if "handedness" in failed and not failed & {"ca-distances", "clashes"}:
        return Cause("the structure is the mirror image")
    if failed & {"residues", "sequence", "atoms"}:
        return Cause("this is not the structure of the query, or a part of it")
    if failed & {"ca-distances", "clashes", "handedness", "radius-of-gyration", "rmsd", "tm-score", "plddt-mean"}:
        return Cause("weights that are not those of a trained model, or a kernel that computes what is wrong", "", KERNELS)
    return None


def explained(criteria: Iterable[Criterion], run: Cause | None, structure: Cause | None) -> tuple[Criterion, ...]:
    """The criteria, those that failed with their likely cause."""
    return tuple(
        criterion._replace(cause=str(cause))
        if criterion.status is Status.FAILED and (cause := run if criterion.id in ABOUT_RUN else structure or run)
        else criterion
        for criterion in criteria
    )
