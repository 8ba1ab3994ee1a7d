"""The likely cause of a prediction that cannot be believed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor.model import Status
from sparkdoctor.registry import Registry
from sparkdoctor.smoke import causes
from sparkdoctor.smoke.criterion import Criterion

# What real runs have printed: OpenFold3 0.3.1 to 0.5.0, PyTorch, DeepSpeed and Triton, here or in public threads.
LINES = {
    "nvcc fatal   : Unsupported gpu architecture 'compute_1.'": "asked for compute_1.,",
    "ptxas fatal   : Value 'sm_121a' is not defined for option 'gpu-name'": "cannot assemble sm_121a",
    "RuntimeError: CUDA error: no kernel image is available for execution on the device": "no code for this GPU",
    "/tmp/x/main.c:5:10: fatal error: Python.h: No such file or directory": "Python.h",
    "RuntimeError: Failed to find C compiler. Please specify via CC environment variable": "no C compiler",
    "RuntimeError: Ninja is required to load C++ extensions (pip install ninja to get it)": "ninja is missing",
    "fatal error: cusparse.h: No such file or directory": "toolkit is not whole",
    "RuntimeError: Unable to JIT load the evoformer_attn op due to it not being compatible due to hardware/software issue. None": "finds no CUTLASS",
    "RuntimeError: Error building extension 'evoformer_attn'": "evoformer_attn could not be built",
    "ImportError: /root/.cache/torch_extensions/py312_cu130/evoformer_attn/evoformer_attn.so: cannot open shared object file": "never built",
    "RuntimeError: Triton kernels requested (use_triton_triangle_kernels=True) but openfold3.core.kernels.triton is not available.": "Triton is not installed",
    "ValueError: _deepspeed_evo_attn requires that DeepSpeed be installed and that the deepspeed.ops.deepspeed4science package exists": "DeepSpeed is not installed",
    "ValueError: Running with `use_cueq_triangle_kernels` but package is not installed.": "cuEquivariance",
    "ValueError: Choose at most one alternative attention algorithm": "two kinds of attention",
    "pytorch_lightning.utilities.exceptions.MisconfigurationException: No supported gpu backend found!": "reaches no GPU",
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB": "memory ran out",
    "RuntimeError: DataLoader worker (pid 41) is killed by signal: Bus error. It is possible that dataloader's workers are out of shared memory.": "shared memory",
    "RuntimeError: DataLoader worker (pid(s) 4711) exited unexpectedly": "num_workers",
    "ValueError: Loaded checkpoint model version (tensor([1, 0, 0])) does not match current model version (tensor([2, 0, 0])).": "another version",
    "ValueError: Checkpoint state_dict keys do not match model state_dict keys. Missing keys: {'model.x'}": "another generation",
    "RuntimeError: PytorchStreamReader failed reading zip archive: failed finding central directory": "cut off",
    "_pickle.UnpicklingError: invalid load key, '<'.": "web page",
    "_pickle.UnpicklingError: invalid load key, 'v'.": "git-lfs pointer",
    "Default checkpoint openbind-2025-06-30-174k not found in /x, cowardly refusing to perform inference.": "not where they are looked for",
    "EOFError: EOF when reading a line": "not where they are looked for",
    "Selected checkpoint openfold3-p1 is not compatible with the currently installed OpenFold3 version 0.5.0.": "name weights of another version",
    "1 validation error for InferenceExperimentConfig": "InferenceExperimentConfig",
    "KeyError: \"predictt preset is not supported for of3_all_atomAllowed presets are ['train', 'predict']\"": "does not know, predictt",
    "TypeError: InferenceExperimentConfig() got multiple values for keyword argument 'inference_ckpt_name'": "hold inference_ckpt_name",
    "biotite.structure.BadStructureError: 4 pre-decimal columns for x-coordinates are available, but array would require 5": "too large",
    "KeyError: \"No atom information found for residue 'QQQ99' in CCD\"": "no component QQQ99",
    "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='api.colabfold.com', port=443): Max retries exceeded": "wanted the network",
    "OSError: [Errno 28] No space left on device": "disk is full",
    "ModuleNotFoundError: No module named 'biotraj'": "biotraj is missing",
}


@pytest.mark.parametrize("line", LINES)
def test_what_a_line_means(line: str) -> None:
    cause = causes.of_log(f"GPU available: True\n  {line}\nPREDICTION SUMMARY (COMPLETE)\n")
    assert cause is not None
    assert LINES[line] in str(cause)
    assert cause.evidence == line[:300]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "bogus_key\n  Extra inputs are not permitted [type=extra_forbidden, input_value=1, input_type=int]",
            "knows no bogus_key in the settings",
        ),
        (
            "pl_trainer_args.devices\n  Input should be a valid integer, unable to parse string as an integer [type=int_parsing]",
            "does not accept pl_trainer_args.devices: Input should be a valid integer, unable to parse string as an integer",
        ),
    ],
)
def test_a_setting_that_is_refused_is_named(text: str, words: str) -> None:
    head = "pydantic_core._pydantic_core.ValidationError: 1 validation error for InferenceExperimentConfig\n"
    tail = "\n    For further information visit https://errors.pydantic.dev/2.14/v/extra_forbidden\n"
    cause = causes.of_log(head + text + tail)
    assert cause is not None
    assert cause.text.endswith(words)
    assert cause.evidence == text.partition("\n")[2].strip()


@pytest.mark.parametrize("line", LINES)
def test_what_it_names_is_there(line: str) -> None:
    command = getattr(causes.of_log(line), "command", None) or ""
    if command.startswith("sparkdoctor check"):
        known = Registry.load().checks
        named = [word for word in command.split()[2:] if not word.startswith("-")]
        assert all(name in known for name in named), named


def test_the_root_comes_before_what_it_entails() -> None:
    text = (
        "ImportError: evoformer_attn.so: cannot open shared object file: No such file or directory\n"
        "nvcc fatal   : Unsupported gpu architecture 'compute_1.'\nRuntimeError: Error building extension 'evoformer_attn'\n"
    )
    assert "asked for compute_1." in str(causes.of_log(text))


def test_progress_bars_hide_no_line() -> None:
    assert "memory ran out" in str(causes.of_log("Predicting: 0%|\rtorch.OutOfMemoryError: CUDA out of memory"))


def test_an_unknown_error_is_told_as_it_is() -> None:
    text = "Traceback (most recent call last):\nKeyError: 'a'\nZeroDivisionError: division by zero\n\n"
    assert str(causes.of_log(text)) == "its last error was ZeroDivisionError: division by zero"
    assert causes.of_log("all is well\n") is None


@given(st.text())
def test_any_log_can_be_read(text: str) -> None:
    causes.of_log(text)


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
    told = causes.of_log("_pickle.UnpicklingError: invalid load key, 'v'.")
    cause = causes.of_file("/w.pt", "it stands for a file that git-lfs has not fetched", told)
    assert cause == causes.Cause(
        "/w.pt is of no use: it stands for a file that git-lfs has not fetched",
        "_pickle.UnpicklingError: invalid load key, 'v'.",
        "git lfs pull",
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
