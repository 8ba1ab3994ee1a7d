"""`sparkdoctor smoke` as a user runs it, with a stand-in for OpenFold3 that writes what is laid before it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from predicted import crystal, mirrored, noisy, recorded, written
from smoke.conftest import STANDIN, heeding
from standins.hosts import Witness
from test_schemas import validator

COMMAND = str(Path(sys.executable).with_name("sparkdoctor"))
SCHEMA = validator("smoke")
Ended = subprocess.CompletedProcess[str]


class User:
    """Somebody with an OpenFold3 0.5.0, weights, and a home of their own."""

    def __init__(self, place: Path) -> None:
        self.place = place
        site = place / "site"
        (site / "openfold3-0.5.0.dist-info").mkdir(parents=True)
        (site / "openfold3-0.5.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.4\nName: openfold3\nVersion: 0.5.0\n")
        for name in ("openfold3", "torch"):
            (site / name).symlink_to(STANDIN / name)
        self.weights = place / "weights.pt"
        self.weights.write_bytes(b"weights")
        (place / "home").mkdir()
        (place / "tmp").mkdir()
        self.env = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(place / "home"),
            "TMPDIR": str(place / "tmp"),
            "PYTHONPATH": str(site),
            "PYTHONDONTWRITEBYTECODE": "1",
            "SPARKDOCTOR_PYTHON": sys.executable,
            "LANG": "C.UTF-8",
            "COLUMNS": "80",
        }

    def start(self, *args: str, **env: str) -> "subprocess.Popen[str]":
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        command = [COMMAND, "smoke", *args]
        return subprocess.Popen(command, env={**self.env, **env}, text=True, cwd=self.place, preexec_fn=heeding, **pipes)  # noqa: PLW1509 (one thread)

    def run(self, *args: str, **env: str) -> Ended:
        with self.start(*args, **env) as child:
            stdout, stderr = child.communicate(timeout=60)
        assert "Traceback" not in stdout + stderr
        assert child.returncode in {0, 1, 2, 3}, stderr
        return Ended(child.args, child.returncode, stdout, stderr)

    def predict(self, *args: str, **env: str) -> Ended:
        return self.run("--weights", str(self.weights), *args, **env)


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


@pytest.fixture
def good(tmp_path: Path) -> str:
    return written(tmp_path / "good", noisy(crystal(), 0.3))


def document(ended: Ended) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ended.stdout)
    SCHEMA.validate(found)
    return found


def failed(found: dict[str, Any]) -> set[str]:
    return {criterion["id"] for criterion in found["criteria"] if criterion["status"] == "failed"}


@pytest.mark.usefixtures("witness")
def test_a_good_prediction_is_believed_and_remembered(user: User, good: str) -> None:
    ended = user.predict(STANDIN_TREE=good)
    assert ended.returncode == 0, ended.stdout
    assert "This prediction can be believed." in ended.stdout
    assert all(len(line) <= 80 for line in ended.stdout.splitlines())
    stages = [line.split()[2] for line in ended.stderr.splitlines()]
    assert "importing" in stages
    assert "featurising" in stages
    assert list((user.place / "tmp").iterdir()) == [], "what is believed needs no keeping"
    again = document(user.predict("--format", "json", STANDIN_TREE=good))
    (when,) = [finding["values"]["before"] for finding in again["findings"] if finding["id"] == "time"]
    assert when["inference_seconds"] == 8.5
    assert again["verdict"] == "believed"
    assert again["samples"][0]["rmsd"] < 1


def test_what_is_not_believed_is_kept(user: User, tmp_path: Path) -> None:
    tree = written(tmp_path / "bad", mirrored(crystal()))
    found = document(user.predict("--format", "json", STANDIN_TREE=tree))
    assert found["verdict"] == "refused"
    assert failed(found) == {"handedness", "rmsd", "tm-score"}
    assert found["cause"]["text"] == "the structure is the mirror image"
    kept = Path(found["output"])
    assert (kept / "ubiquitin").is_dir()
    judged = user.run("--judge", str(kept))
    assert judged.returncode == 1
    assert "the structure is the mirror image" in judged.stdout


def test_the_users_directory_is_kept_and_must_be_new(user: User, good: str) -> None:
    place = user.place / "mine"
    assert user.predict("--output", str(place), STANDIN_TREE=good).returncode == 0
    assert (place / "summary.txt").is_file()
    query = json.loads((place / "sparkdoctor" / "query.json").read_text())
    assert [chain["sequence"][:6] for chain in query["queries"]["ubiquitin"]["chains"]] == ["MQIFVK"]
    ended = user.predict("--output", str(place))
    assert ended.returncode == 2
    assert "not empty" in ended.stderr


def test_a_run_that_fails_is_not_believed_whatever_lies_there(user: User, good: str) -> None:
    found = document(user.predict("--format", "json", STANDIN_TREE=good, STANDIN="fails"))
    assert failed(found) == {"exit-status"}


@pytest.mark.waits
@pytest.mark.usefixtures("witness")
def test_a_run_without_end(user: User) -> None:
    began = time.monotonic()
    ended = user.predict("--timeout", "2", STANDIN="hangs")
    assert time.monotonic() - began < 15
    assert ended.returncode == 1
    assert "did not end within 2 s" in ended.stdout
    assert "Likely cause: its time was over in: loading the weights" in ended.stdout


RECORDED = {
    "nan-weights": ({"finite"}, "hold NaN"),
    "deepspeed-missing": ({"summary", "error-log", "structures"}, "DeepSpeed is not installed"),
    "cuequivariance-missing": ({"summary", "error-log", "structures"}, "cuEquivariance"),
    "triton-missing": ({"summary", "error-log", "structures"}, "Triton is not installed"),
    "unknown-ligand": ({"summary", "structures"}, "has no ZZZZZ"),
}


@pytest.mark.parametrize("case", RECORDED)
def test_what_a_real_run_left(user: User, case: str) -> None:
    place = recorded(case, user.place / case)
    said = (place / "log").read_text().rpartition("exit status")[0]
    found = document(user.predict("--format", "json", STANDIN_TREE=str(place / "out"), STANDIN_SAYS=said))
    due, words = RECORDED[case]
    assert due <= failed(found)
    assert words in json.dumps([found["cause"], *[criterion["cause"] for criterion in found["criteria"]]])


def test_an_old_summary_is_not_taken_for_a_new_one(user: User) -> None:
    place = recorded("skip-existing", user.place / "case") / "out"
    found = document(user.run("--judge", str(place), "--format", "json"))
    assert "summary" in failed(found)
    assert found["verdict"] == "refused"


def test_another_query_is_judged_without_the_comparison(user: User) -> None:
    place = recorded("complex", user.place / "case")
    found = document(user.run("--judge", str(place / "out"), "--query", str(place / "query.json"), "--format", "json"))
    assert not {"rmsd", "tm-score", "radius-of-gyration"} & {criterion["id"] for criterion in found["criteria"]}
    assert found["mode"] == "judge"


def test_no_weights(user: User) -> None:
    found = document(user.run("--format", "json"))
    assert found["verdict"] == "unknown"
    assert "of3-ob-2025-06-30-174k.pt" in found["reason"]
    assert any(".openfold3" in line for line in found["evidence"])
    assert "openfold3-parameters/of3-ob-2025-06-30-174k.pt" in found["command"] or "setup_openfold" in found["command"]
    assert not (user.place / "home" / ".openfold3").exists(), "nothing is written where nothing can be run"


def test_no_openfold3(user: User) -> None:
    ended = user.run(PYTHONPATH="")
    assert ended.returncode == 3
    assert "openfold3 is not installed" in ended.stdout
    assert "pip install" in ended.stdout


def test_an_empty_directory_cannot_be_judged(user: User) -> None:
    (user.place / "empty").mkdir()
    ended = user.run("--judge", "empty")
    assert ended.returncode == 3
    assert "the directory is empty" in ended.stdout


def test_weights_that_cannot_be_loaded_are_looked_into(user: User) -> None:
    user.weights.write_text("<!DOCTYPE html><html>404</html>")
    found = document(user.predict("--format", "json", STANDIN="fails to load"))
    assert failed(found) == {"exit-status", "summary", "structures"}
    assert found["cause"]["text"] == f"{user.weights} is of no use: it is the page of a web site, not what that was to deliver"
    assert found["cause"]["command"] is None, "a check would look at other weights"


def test_a_run_that_says_nothing_is_at_least_placed(user: User) -> None:
    found = document(user.predict("--format", "json", STANDIN="fails", STANDIN_SAYS=" "))
    assert found["cause"]["text"] == "OpenFold3 exited with status 1 in: featurising the query, and its log does not say why"


def test_what_to_do_next_looks_at_the_same_environment(user: User) -> None:
    settings = user.place / "own.yml"
    settings.write_text("{}")
    says = "ValueError: _deepspeed_evo_attn requires that DeepSpeed be installed and that"
    options = ("--runner-yaml", str(settings), "--python", sys.executable, "--format", "json")
    found = document(user.predict(*options, STANDIN="fails", STANDIN_SAYS=says))
    checks = "kernel-backend-unavailable triton-missing deepspeed-missing"
    due = f"sparkdoctor check {checks} --python {sys.executable} --runner-yaml {settings}"
    assert found["cause"]["command"] == due


def test_what_could_not_be_judged_for_one_reason_is_one_line(user: User) -> None:
    ended = user.predict(STANDIN="fails")
    assert "- 12 more: no structure could be read\n" in ended.stdout


def test_progress_that_cannot_be_told_ends_nothing(user: User, good: str) -> None:
    with open("/dev/full", "wb") as full:
        command = [COMMAND, "smoke", "--weights", str(user.weights)]
        ended = subprocess.run(
            command, check=False, stderr=full, stdout=subprocess.PIPE, env={**user.env, "STANDIN_TREE": good}, timeout=60
        )
    assert ended.returncode == 0
    assert b"can be believed" in ended.stdout


def test_a_home_that_the_shell_left_as_it_is(user: User, good: str) -> None:
    assert user.run("--weights=~/../weights.pt", "--output=~/here", STANDIN_TREE=good).returncode == 0
    assert (user.place / "home" / "here" / "summary.txt").is_file()


WRONG = [
    (("--judge", "none"), "no such directory"),
    (("--judge", ".", "--samples", "2"), "--samples does not go with --judge"),
    (("--judge", ".", "--kernels"), "--kernels does not go with --judge"),
    (("--kernels", "--weights", "w"), "--weights does not go with --kernels"),
    (("--query", "q.json"), "--query goes with --judge"),
    (("--judge", ".", "--query", "none.json"), "no such file"),
    (("--judge", ".", "--query", "bad.json"), "sparkdoctor check query-invalid"),
    (("--weights", "none"), "no such file"),
    (("--weights", "pipe"), "not a file"),
    (("--runner-yaml", "none"), "no such file"),
    (("--timeout", "0"), "--timeout"),
    (("--samples", "0"), "--samples"),
    (("--python", "none"), "no such interpreter"),
]


@pytest.mark.parametrize(("args", "words"), WRONG)
def test_wrong_usage_is_one_line(user: User, args: tuple[str, ...], words: str) -> None:
    (user.place / "bad.json").write_text('{"sequences": []}')
    os.mkfifo(user.place / "pipe")
    ended = user.run(*args)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert words in ended.stderr


def test_an_output_that_cannot_be_written(user: User) -> None:
    (user.place / "file").write_text("")
    ended = user.predict("--output", "file/below")
    assert ended.returncode == 3
    assert "Not a directory" in ended.stderr


def test_no_home_and_a_read_only_state_take_nothing_but_the_memory(user: User, good: str) -> None:
    del user.env["HOME"]
    (user.place / "state").write_text("a file where a directory is due")
    ended = user.predict(STANDIN_TREE=good, SPARKDOCTOR_STATE=str(user.place / "state"))
    assert ended.returncode == 0
    assert "this run is not remembered" in ended.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_what_ignores_it_and_leaves_nothing(user: User, witness: Witness, number: int) -> None:
    user.env["SPARKDOCTOR_TEST_WITNESS"] = witness.token
    with user.start("--weights", str(user.weights), STANDIN="hangs") as child:
        ends = time.monotonic() + 30
        while not list((user.place / "tmp").glob("*/seen.json")) and time.monotonic() < ends:
            time.sleep(0.02)
        child.send_signal(number)
        _, stderr = child.communicate(timeout=20)
    assert child.returncode == 128 + number
    assert "Traceback" not in stderr
    assert witness.alive() == []
    assert list((user.place / "tmp").iterdir()) == []


def test_kernels_need_pytorch(user: User) -> None:
    (user.place / "site" / "torch").unlink()
    ended = user.run("--kernels", "--format", "json", PYTHONPATH=os.fspath(user.place / "site"))
    assert ended.returncode == 3
    found = document(ended)
    assert found["mode"] == "kernels"
    assert "torch is not installed" in found["reason"]
