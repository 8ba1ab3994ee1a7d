"""A prediction that is driven: it ends in any case, and nothing of it stays."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from smoke.conftest import Behave, heeding
from sparkdoctor.host import PATIENT
from sparkdoctor.process import SAY
from sparkdoctor.smoke.run import LOG, OWN, Moment, _Watcher, ends, predict, told

pytestmark = pytest.mark.usefixtures("witness")


def test_runs_as_its_own_command_does(behave: Behave, tmp_path: Path) -> None:
    moments: list[Moment] = []
    run = predict(behave("builds", weights="/w.pt", samples=2), moments.append)
    seen = json.loads((tmp_path / "out" / "seen.json").read_text())
    argv = seen["argv"]
    assert argv[1] == "predict"
    options = dict(zip(argv[2::2], argv[3::2], strict=True))
    assert options["--inference_ckpt_path"] == "/w.pt"
    assert options["--num_diffusion_samples"] == "2"
    assert (options["--use_msa_server"], options["--use_templates"]) == ("False", "False")
    assert seen["stdin"] == os.devnull
    assert run.code == 0
    assert run.ended == "exited with status 0"
    assert [step.name for step in run.course.steps] == [
        "import PyTorch",
        "import OpenFold3",
        "settings",
        "load the weights",
        "featurise",
        "end",
    ]
    assert [(operator.name, operator.built) for operator in run.operators] == [("evoformer_attn", False)]
    assert "GPU available: True" in run.log
    assert {"importing PyTorch", "featurising the query"} <= {moment.stage for moment in moments}
    assert any(moment.detail == "compiling evoformer_attn" for moment in moments)
    assert all((run.tree, run.used, run.before))
    settings = json.loads(Path(options["--runner_yaml"]).read_text())
    assert settings == {"data_module_args": {"num_workers": 0}, "experiment_settings": {"skip_existing": False}}


def test_the_users_settings_lie_between_ours(behave: Behave, tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    own = tmp_path / "own.yml"
    own.write_text("data_module_args: {num_workers: 3}\nexperiment_settings: {skip_existing: true, seeds: [1, 2]}\n")
    predict(behave(runner=str(own)))
    settings = json.loads((tmp_path / "out" / OWN / "runner.json").read_text())
    assert settings == {"data_module_args": {"num_workers": 3}, "experiment_settings": {"skip_existing": False, "seeds": [1, 2]}}


@pytest.mark.parametrize(
    ("behaviour", "ended", "code"),
    [
        ("fails", "exited with status 1", 1),
        ("crashes", "was killed by SIGSEGV", -signal.SIGSEGV),
        ("is killed", "was killed by SIGKILL", -signal.SIGKILL),
        ("asks", "exited with status 1", 1),
    ],
)
def test_how_it_ended(behave: Behave, behaviour: str, ended: str, code: int) -> None:
    run = predict(behave(behaviour))
    assert (run.ended, run.code) == (ended, code)


def test_a_question_meets_no_answer(behave: Behave) -> None:
    assert "EOFError" in predict(behave("asks")).log


def test_it_is_killed_at_its_deadline_though_it_ignores_every_signal(behave: Behave, tmp_path: Path) -> None:
    began = time.monotonic()
    run = predict(behave("hangs", seconds=1.5))
    assert time.monotonic() - began < 4
    assert run.code is None
    assert run.stopped == "did not end within 1.5 s"
    assert run.course.steps[-1].name == "load the weights"
    assert "run_openfold.py" in run.log, "where it stood"
    assert dead(tmp_path)


def test_it_is_ended_where_it_lingers_after_its_summary(behave: Behave, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "summary.txt").write_text("PREDICTION SUMMARY (COMPLETE)\n")
    run = predict(behave("lingers", tree, linger=0.3))
    assert run.stopped == "did not end within 0.3 s of its summary"
    assert "in main" in run.log, "where it stood"
    assert dead(tmp_path)


def test_it_is_ended_where_it_prints_without_end(behave: Behave, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparkdoctor.smoke.run.LOG_LIMIT", 4 << 20)
    assert predict(behave("floods")).stopped == "printed more than 4 MiB and was ended"


ADOPTING = textwrap.dedent(
    """
    import json, sys
    from sparkdoctor import process
    from sparkdoctor.smoke.run import Order, predict
    process.adopt()
    run = predict(Order(sys.executable, sys.argv[1], sys.argv[2], seconds=float(sys.argv[3])))
    print(json.dumps(run.left))
    """
)


def start(order: tuple[str, str, float]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", ADOPTING, order[0], order[1], str(order[2])]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=heeding)  # noqa: PLW1509 (one thread)


def test_no_orphan_is_left(behave: Behave) -> None:
    order = behave("leaves")
    with start((order.output, order.query, 20)) as doctor:
        said, _ = doctor.communicate(timeout=30)
    assert len(json.loads(said)) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_of_it_outlives_us(behave: Behave, tmp_path: Path, number: int) -> None:
    order = behave("hangs")
    seen = tmp_path / "out" / "seen.json"
    with start((order.output, order.query, 60)) as doctor:
        ends_at = time.monotonic() + 20
        while not (seen.is_file() and seen.read_text().endswith("}")) and time.monotonic() < ends_at:
            time.sleep(0.02)
        doctor.send_signal(number)
    ends_at = time.monotonic() + 5
    while not dead(tmp_path) and time.monotonic() < ends_at:
        time.sleep(0.02)
    assert dead(tmp_path)


def test_it_ends_by_itself_where_nobody_listens(behave: Behave, tmp_path: Path) -> None:
    """As where we were killed before the kernel was told to kill it with us."""
    order = behave("hangs")
    wanted = tmp_path / "order.json"
    wanted.write_text(json.dumps({"output": order.output, "query": order.query}))
    listening, saying = os.pipe()
    os.close(listening)
    command = [sys.executable, os.path.join(PATIENT, "predict.py"), str(wanted)]
    env = {**os.environ, SAY: str(saying)}
    ended = subprocess.run(command, check=False, env=env, pass_fds=(saying,), start_new_session=True, timeout=30)
    os.close(saying)
    assert ended.returncode == -signal.SIGKILL


def test_it_waits_for_no_person_at_its_end(behave: Behave, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONINSPECT", "1")
    assert predict(behave()).code == 0


def dead(tmp_path: Path) -> bool:
    pid = json.loads((tmp_path / "out" / "seen.json").read_text())["pid"]
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def test_a_log_that_is_there_is_not_overwritten(behave: Behave, tmp_path: Path) -> None:
    own = tmp_path / "out" / OWN
    own.mkdir(parents=True)
    (own / LOG).write_text("mine")
    with pytest.raises(FileExistsError):
        predict(behave())


def test_an_interpreter_that_is_none(behave: Behave) -> None:
    with pytest.raises(OSError, match="none"):
        predict(behave(python="/none"))


def test_how_far_it_is_is_shown(behave: Behave, tmp_path: Path) -> None:
    moments: list[Moment] = []
    watcher = _Watcher(behave(), str(tmp_path / "log"), moments.append)
    lines: list[dict[str, Any]] = [
        {"step": "trunk"},
        {"learnt": {"done": 3, "of": 4}},
        {"learnt": {"compiling": "_attn_fwd"}},
        {"kernel": "_attn_fwd"},
        {"step": "diffusion"},
        {"learnt": {"done": 41, "of": 200}},
        {"step": "write"},
    ]
    said = "".join(json.dumps(line) + "\n" for line in lines).encode()
    for place in range(len(said)):  # however it arrives
        watcher.hear(said[place : place + 1])
    assert list(dict.fromkeys((moment.stage, moment.detail) for moment in moments)) == [
        ("trunk", ""),
        ("trunk", "cycle 3 of 4"),
        ("trunk", "compiling _attn_fwd"),
        ("diffusion", ""),
        ("diffusion", "step 41 of 200"),
        ("writing the structure", ""),
    ]


def test_what_is_reported_is_read_with_care() -> None:
    said = '{"kernel": "a", "seconds": 1}\n{"kernel": 3, "seconds": 1}\nrubbish\n[[[\n{"operator": "o", "seconds": 0.5, "built": true}\n'
    kernels, operators = told(said)
    assert [kernel.name for kernel in kernels] == ["a"]
    assert [(operator.name, operator.seconds, operator.built) for operator in operators] == [("o", 0.5, True)]


def test_both_ends_of_a_long_log_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparkdoctor.smoke.run.TAIL", 4)
    (tmp_path / "log").write_bytes(b"0123456789")
    assert ends(str(tmp_path / "log")) == "01236789"
    (tmp_path / "log").write_bytes(b"012345")
    assert ends(str(tmp_path / "log")) == "012345"
    assert ends(str(tmp_path / "none")) == ""
