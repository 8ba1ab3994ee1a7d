"""Why a prediction cannot be believed: the likely cause, by what was printed and what the structure looks like."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sparkdoctor.model import Status
from sparkdoctor.signature import Signature
from sparkdoctor.smoke.criterion import Criterion
from sparkdoctor.triage.reader import Reader


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


_CHECK = "sparkdoctor check"
_ABOUT = {
    "weights-of-another-model": "weights",
    "weights-file-unreadable": "weights",
    "coordinates-impossible": "structure",
}
"""What the signatures mean that the prediction's own files can be looked into for."""
_KNOWN = frozenset({"query-failed", "summary-counts-failures"})
"""Signatures that say no more than the criteria do."""
_ERROR = re.compile(r"^(?:[\w.]+(?:Error|Exception|Interrupt)\b.*|.*\b(?:fatal|FATAL)\b.*|Killed)$")
_WIDTH = 300
ABOUT_RUN = ("exit-status", "summary", "error-log", "structures")
"""The criteria that fail for what a log tells."""
LARGEST = 1e6
"""No weight of a trained model comes near."""
KERNELS = "sparkdoctor smoke --kernels"


def of_log(text: str, signatures: Iterable[Signature]) -> Cause | None:
    """The likely cause by what was printed; the last error where no signature knows it, None where there is none."""
    reader = Reader(signatures)
    reader.feed(text.encode(errors="replace"))
    root = next((finding for finding in reader.close().ills if finding.id not in _KNOWN), None)
    if root:
        remedy = root.verdict.remedy
        command = shlex.join((*_CHECK.split(), *root.signature.checks)) if root.signature.checks else None
        command = command or (remedy.command if remedy else None)
        return Cause(root.verdict.summary, root.quotes[0].text.strip()[:_WIDTH], command, _ABOUT.get(root.id, ""))
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
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
