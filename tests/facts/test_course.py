"""How a worker's report is read."""

import json
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkdoctor.facts.course import Step, follow
from sparkdoctor.process import Worked

BEGIN = '{"step": "import torch", "at": 0.0}\n{"learnt": {"version": "2.11.0"}}\n'
NEXT = '{"step": "torch.cuda.init", "at": 4.5}\n'
DONE = '{"done": true, "at": 5.25}\n'
HANG = """\
some warning
Current thread 0x00007f (most recent call first):
  File "/venv/torch/cuda/__init__.py", line 424 in _lazy_init
  File "compute.py", line 3 in work
"""
NVCC = """raised RuntimeError: Error building extension 'evoformer_attn': [1/3] /usr/local/cuda/bin/nvcc -c attention.cu
FAILED: attention_cu.cuda.o
nvcc fatal   : Unsupported gpu architecture 'compute_1.'
ninja: build stopped: subcommand failed."""


def worked(said: str, code: int | None = 0, stderr: str = "", *, flooded: bool = False, left: tuple[str, ...] = ()) -> Worked:
    return Worked(code, said, "", stderr, flooded, left)


def test_a_course_that_came_to_its_end() -> None:
    course = follow(worked(BEGIN + NEXT + DONE))
    assert course.steps == (Step("import torch", 0.0, {"version": "2.11.0"}), Step("torch.cuda.init", 4.5, {}))
    assert (course.trouble, course.ended, course.seconds, course.evidence) == (None, None, 5.25, ())
    assert course.learnt("import torch") == {"version": "2.11.0"}
    assert (course.learnt("matmul"), course.step("matmul")) == ({}, None)


@pytest.mark.parametrize(
    ("code", "flooded", "words"),
    [
        (-signal.SIGSEGV, False, "was killed by SIGSEGV"),
        (-signal.SIGABRT, False, "was killed by SIGABRT"),
        (None, False, "did not answer in time"),
        (-signal.SIGKILL, True, "printed more than 1 MiB and was ended"),
        (0, False, "ended with status 0 in the middle of it"),
        (3, False, "exited with status 3"),
    ],
)
def test_a_course_that_broke_off_names_the_step(code: int | None, flooded: bool, words: str) -> None:
    course = follow(worked(BEGIN + NEXT, code, HANG, flooded=flooded))
    assert course.trouble is not None
    assert course.trouble.words == f"torch.cuda.init {words}"
    assert 'File "/venv/torch/cuda/__init__.py", line 424 in _lazy_init' in course.evidence
    assert follow(worked("", code, flooded=flooded)).ended == words


def test_an_error_is_told_with_its_place() -> None:
    error = json.dumps({"error": "RuntimeError", "text": "CUDA error: 800", "place": "torch/x.py:3"}) + "\n"
    course = follow(worked(BEGIN + error + DONE))
    assert course.trouble == Step(
        "import torch", 0.0, {"version": "2.11.0"}, "raised RuntimeError: CUDA error: 800", "torch/x.py:3"
    )
    assert course.evidence == ("raised RuntimeError: CUDA error: 800", "torch/x.py:3")
    silent = json.dumps({"error": "KeyError", "text": "", "place": ""}) + "\n"
    assert follow(worked(BEGIN + silent + DONE)).steps[0].trouble == "raised KeyError"


def test_of_a_compilers_long_message_the_line_that_matters_is_shown() -> None:
    step = Step("build an extension", 1.0, {}, NVCC, "cpp_extension.py:2000")
    assert step.words.endswith("(nvcc fatal   : Unsupported gpu architecture 'compute_1.')")
    course = follow(worked(BEGIN + json.dumps({"error": "RuntimeError", "text": NVCC, "place": "x.py:1"}) + "\n" + DONE))
    assert "nvcc fatal   : Unsupported gpu architecture 'compute_1.'" in course.evidence


def test_what_is_no_report_is_passed_over() -> None:
    rubbish = 'no json\n{"step": 3}\n{"learnt": {}}\n[]\n{"error": "x"}\n' + "[" * 10_000 + "\n"
    course = follow(worked(rubbish + BEGIN + rubbish + DONE))
    assert [step.name for step in course.steps] == ["import torch"]
    assert course.learnt("import torch") == {"version": "2.11.0"}


@given(st.text(), st.one_of(st.none(), st.integers(-64, 255)), st.text(), st.booleans())
def test_any_report_can_be_read(said: str, code: int | None, stderr: str, flooded: bool) -> None:
    course = follow(worked(said, code, stderr, flooded=flooded))
    assert course.seconds is not None or course.ended
    assert all(isinstance(line, str) for line in course.evidence)


LINES = st.lists(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists)
    | st.dictionaries(
        st.sampled_from(["step", "at", "learnt", "error", "text", "place", "done"]),
        st.none() | st.booleans() | st.integers() | st.text() | st.dictionaries(st.text(), st.integers()),
    )
)


@given(LINES)
def test_any_json_can_be_read(lines: list[object]) -> None:
    course = follow(worked("".join(json.dumps(line) + "\n" for line in lines)))
    for step in course.steps:
        assert step.words.startswith(step.name)
