"""The likely cause of a prediction that cannot be believed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor.model import Status
from sparkdoctor.registry import Registry
from sparkdoctor.smoke import causes
from sparkdoctor.smoke.criterion import Criterion

SIGNATURES = tuple(Registry.load(signatures=True).signatures.values())
# What a cause is about decides what is looked into.
LINES = {
    "ValueError: Loaded checkpoint model version (tensor([1, 0, 0])) does not match current model version (tensor([2, 0, 0])).": "weights",
    "ValueError: Checkpoint state_dict keys do not match model state_dict keys. Missing keys: {'model.x'}": "weights",
    "RuntimeError: Error(s) in loading state_dict for OpenFold3AllAtom:": "weights",
    "RuntimeError: PytorchStreamReader failed reading zip archive: failed finding central directory": "weights",
    "_pickle.UnpicklingError: invalid load key, '<'.": "weights",
    "biotite.structure.BadStructureError: 4 pre-decimal columns for x-coordinates are available, but array would require 5": "structure",
    "KeyError: \"No atom information found for residue 'QQQ99' in CCD\"": "",
    "ValueError: Choose at most one alternative attention algorithm": "",
    "nvcc fatal   : Unsupported gpu architecture 'compute_1.'": "",
}


@pytest.mark.parametrize("line", LINES)
def test_a_known_line_is_the_cause(line: str) -> None:
    cause = causes.of_log(f"GPU available: True\n  {line}\n  - Failed Queries:      1\n", SIGNATURES)
    assert cause is not None
    assert not cause.text.startswith("its last error")
    assert cause.evidence == line
    assert cause.about == LINES[line]
    assert cause.command is not None
    assert cause.command.startswith("sparkdoctor check ")
    assert set(cause.command.split()[2:]) <= Registry.load().checks.keys()


def test_what_it_looks_into_is_known() -> None:
    assert causes._ABOUT.keys() | causes._KNOWN <= {signature.id for signature in SIGNATURES}


def test_the_root_comes_before_what_it_entails() -> None:
    text = (
        "ImportError: /x/torch_extensions/evoformer_attn.so: cannot open shared object file: No such file or directory\n"
        "nvcc fatal   : Unsupported gpu architecture 'compute_1.'\nRuntimeError: Error building extension 'evoformer_attn'\n"
    )
    assert "asked for compute_1." in str(causes.of_log(text, SIGNATURES))


def test_that_a_query_failed_is_no_cause() -> None:
    text = "ERROR:runner:Failed for query_id(s) ubiquitin: b. See x.log for details.\nKeyError: 'b'\n  - Failed Queries:      1\n"
    assert str(causes.of_log(text, SIGNATURES)) == "its last error was KeyError: 'b'"


def test_progress_bars_hide_no_line() -> None:
    line = "ValueError: Choose at most one alternative attention algorithm"
    assert getattr(causes.of_log(f"Predicting: 0%|\r{line}", SIGNATURES), "evidence", None) == line


def test_an_unknown_error_is_told_as_it_is() -> None:
    text = "Traceback (most recent call last):\nKeyError: 'a'\nZeroDivisionError: division by zero\n\n"
    assert str(causes.of_log(text, SIGNATURES)) == "its last error was ZeroDivisionError: division by zero"
    assert causes.of_log("all is well\n", SIGNATURES) is None


@given(st.text())
def test_any_log_can_be_read(text: str) -> None:
    causes.of_log(text, SIGNATURES)


@pytest.mark.parametrize(
    ("code", "stopped", "words"),
    [
        (None, "did not end within 60 s of its summary", "never end"),
        (None, "did not end within 5 s", "its time was over in: diffusion"),
        (-9, "", "want of memory"),
        (-11, "", "crashed in: diffusion"),
        (1, "", None),
        (0, "", None),
    ],
)
def test_how_a_run_ended(code: int | None, stopped: str, words: str | None) -> None:
    cause = causes.of_end(code, stopped, "diffusion")
    assert (cause is None) if words is None else (words in str(cause))


HEALTHY: dict[str, Any] = {
    "tensors": 4890,
    "largest": 12.5,
    "not_finite": [],
    "not_finite_count": 0,
    "norms": 300,
    "norms_at_one": 2,
    "untrained": False,
}


def test_what_the_weights_say() -> None:
    assert causes.of_weights(HEALTHY) is None
    assert causes.of_weights({}) is None
    assert causes.of_weights({"not_finite_count": "many", "untrained": 1}) is None
    broken = causes.of_weights({**HEALTHY, "not_finite": ["a.weight"], "not_finite_count": 3})
    assert "3 of the 4890 tensors of the weights are not finite, such as a.weight" in str(broken)
    assert "as large as 1.0e+30" in str(causes.of_weights({**HEALTHY, "largest": 1e30}))
    untrained = causes.of_weights({**HEALTHY, "untrained": True, "norms_at_one": 300})
    assert "never trained: 300 of their 300 layer norms" in str(untrained)


def test_a_file_that_is_of_no_use_says_so_itself() -> None:
    told = causes.of_log("_pickle.UnpicklingError: invalid load key, 'v'.", SIGNATURES)
    cause = causes.of_file("/w.pt", "it stands for a file that git-lfs has not fetched", told)
    assert cause == causes.Cause(
        "/w.pt is of no use: it stands for a file that git-lfs has not fetched",
        "_pickle.UnpicklingError: invalid load key, 'v'.",
        "sparkdoctor check weights-missing disk-low",
        "weights",
    )
    assert causes.of_file("/w.pt", "", told) is None


def judged(*failed: str) -> list[Criterion]:
    every = ("summary", "finite", "plddt-varies", "handedness", "ca-distances", "sequence", "rmsd")
    return [Criterion(name, name, Status.FAILED if name in failed else Status.OK) for name in every]


@pytest.mark.parametrize(
    ("failed", "known", "words"),
    [
        (("finite",), True, "a kernel computes"),
        (("finite",), False, "the weights or a kernel"),
        (("plddt-varies", "rmsd"), False, "never trained"),
        (("handedness", "rmsd"), True, "mirror image"),
        (("handedness", "ca-distances", "rmsd"), True, "a kernel that computes what is wrong"),
        (("sequence", "rmsd"), True, "not the structure of the query"),
        (("rmsd",), True, "a kernel that computes what is wrong"),
        (("summary",), True, None),
        ((), True, None),
    ],
)
def test_what_a_structure_says(failed: tuple[str, ...], known: bool, words: str | None) -> None:
    cause = causes.of_structure(judged(*failed), None, known=known)
    assert (cause is None) if words is None else (words in str(cause))


def test_the_weights_have_the_first_word() -> None:
    told = causes.Cause("the weights were never trained")
    assert causes.of_structure(judged("finite", "rmsd"), told, known=True) is told


def test_each_failure_gets_its_own_cause() -> None:
    run, structure = causes.Cause("run"), causes.Cause("structure", "", "do this")
    found = causes.explained(judged("summary", "rmsd"), run, structure)
    told = {criterion.id: criterion.cause for criterion in found}
    assert told["summary"] == "run"
    assert told["rmsd"] == "structure: do this"
    assert told["finite"] is None
    assert {one.id: one.cause for one in causes.explained(judged("rmsd"), run, None)}["rmsd"] == "run"
