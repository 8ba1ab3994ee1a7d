"""Redaction: what is private goes, what is needed stays, and the tape still plays."""

import functools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sparkdoctor import doctor, profiles, tape
from sparkdoctor.host import Question
from sparkdoctor.machine import Machine
from sparkdoctor.model import Missing, Report, Status
from sparkdoctor.patient import wire
from sparkdoctor.redact import Redactor
from sparkdoctor.registry import Registry

TAPES = sorted((Path(__file__).parent / "machines").glob("*.tape.json"))
REGISTRY = Registry.load()
CHECKS = doctor.select(REGISTRY)
NOBODY = Redactor()
ALICE = Redactor("/home/alice", "alice", "spark-4f2a.lab.example.org")


# --- what goes


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("/home/alice/venv/bin/python", "alice"),
        ("HOME=/home/alice", "alice"),
        ("/home/bob/venv", "bob"),
        ("/Users/bob/venv", "bob"),
        ("'/home/bob'", "bob"),
        ("PATH=/usr/bin:/home/bob/bin", "bob"),
        ("file:///home/bob/x", "bob"),
        ("/home/bob.smith/x", "bob.smith"),
        ("/home/user-smith/x", "user-smith"),
        ("/home/user.smith/x", "user.smith"),
        ("/home/user2/x", "user2"),
        ("/data/alice/x", "alice"),
        ("alice@spark-4f2a:~$", "alice"),
        ("alice@spark-4f2a:~$", "spark-4f2a"),
        ("spark-4f2a.lab.example.org", "spark-4f2a"),
        ("running on spark-4f2a.", "spark-4f2a"),
        ("error:\\n/home/bob/x", "bob"),
        ("error:\\nalice said", "alice"),
        ("GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77", "5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77"),
        ("UUID: 5D5BA0D6-D33D-2B2C-524D-9E3D8D2B8A77", "5D5BA0D6"),
        ("/dev/disk/by-uuid/5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77", "5d5ba0d6"),
        ("link/ether 4c:bb:47:12:34:56 brd", "4c:bb:47:12:34:56"),
        ("link/ether 4C:BB:47:12:34:56", "4C:BB:47:12:34:56"),
        ("inet 192.168.1.27/24 scope", "192.168.1.27"),
        ("ssh 10.0.0.5", "10.0.0.5"),
        ("connect to 10.0.0.5.", "10.0.0.5"),
        ("10.0.0.5:8080", "10.0.0.5"),
        ("(10.0.0.5)", "10.0.0.5"),
        ("http://10.0.0.5:8080/x", "10.0.0.5"),
        ("tcp://192.168.1.27:2375", "192.168.1.27"),
        ("addr=10.0.0.5", "10.0.0.5"),
        ("server 172.16.0.254, port 80", "172.16.0.254"),
        ("inet6 fe80::4ebb:47ff:fe12:3456/64", "fe80::4ebb:47ff:fe12:3456"),
        ("inet6 2001:db8:85a3::8a2e:370:7334/64", "2001:db8:85a3::8a2e:370:7334"),
        ("inet6 2001:0db8:85a3:0000:0000:8a2e:0370:7334/64", "2001:0db8:85a3:0000:0000:8a2e:0370:7334"),
        ("2001:db8::1", "2001:db8::1"),
        ("[fd00:1234::99]:8080", "fd00:1234::99"),
        ('DGX_SERIAL_NUMBER="1983925000123"', "1983925000123"),
        ("DGX_SERIAL_NUMBER=1983925000123", "1983925000123"),
        ("Serial Number                         : 1652923012345", "1652923012345"),
        ("serial: 1652923012345", "1652923012345"),
        ("Serial No: AB-12345", "AB-12345"),
        ("serial-number: AB12345", "AB12345"),
        ('{"serial": "1652923012345"}', "1652923012345"),
        ("https://alice:s3cretpass@pypi.example.org/simple", "s3cretpass"),
        ("https://s3crettoken@github.com/x/y", "s3crettoken"),
        ("https://bob:s3@cretpass@example.org/", "cretpass"),
        ("https://x.org/simple?token=s3cretpass&x=1", "s3cretpass"),
        ("PIP_INDEX_URL=https://__token__:s3cretpass@gitlab.example.org/api", "s3cretpass"),
        ("HF_TOKEN=hf_AbCdEfGhIjKlMnOpQrStUvWxYz", "hf_AbCd"),
        ("token hf_AbCdEfGhIjKlMnOpQrStUvWxYz", "hf_AbCd"),
        ("ghp_0123456789abcdefghijABCDEFGHIJ012345", "ghp_0123"),
        ("github_pat_11AAAAAAA0abcdefghijkl_mnop", "github_pat_11"),
        ("nvapi-abcdefghijklmnopqrstuvwxyz0123456789", "nvapi-abcd"),
        ("NGC_API_KEY=abcdefghijklmnop", "abcdefghijklmnop"),
        ("WANDB_API_KEY: 0123456789abcdef0123456789abcdef01234567", "0123456789abcdef0123456789abcdef01234567"),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG", "wJalrXUtnFEMI"),
        ('{"password": "s3cretpass"}', "s3cretpass"),
        ("Authorization: Bearer abcdef0123456789", "abcdef0123456789"),
        ("sk-abcdef0123456789", "sk-abcdef"),
        ("glpat-abcdef0123456789", "glpat-abcdef"),
        ("mail alice.liddell@example.org now", "liddell"),
        ("/docker/" + "0123456789abcdef" * 4, "0123456789abcdef" * 4),
        ("/kubepods/burstable/pod5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77/" + "ab" * 32, "5d5ba0d6"),
        ("docker-" + "ab" * 32 + ".scope", "ab" * 32),
        ("0::/user.slice/user-1000.slice/session-3.scope/alice", "alice"),
    ],
)
def test_what_is_private_goes(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in ALICE.text(text)


@pytest.mark.parametrize(
    ("called", "shown"),
    [
        ("pip install --index-url https://me:key@x.org/simple y", "pip install --index-url https://<redacted>@x.org/simple y"),
        ("get --token abc --api-key=abc -v", "get --token <redacted> --api-key=<redacted> -v"),
        ("get --password --token -j 8", "get --password --token -j 8"),
        ("get --no-token-check=1", "get --no-token-check=<redacted>"),
        ("make -C /home/alice/src", "make -C /home/user/src"),
        ("", ""),
    ],
)
def test_what_is_private_in_a_command_goes(called: str, shown: str) -> None:
    assert ALICE.command(called.split(" ")) == shown.split(" ")


def test_a_secret_in_a_variable_with_a_telling_name_goes() -> None:
    for name in ("HF_TOKEN", "MY_SECRET", "DB_PASSWORD", "NGC_API_KEY", "SOME_APIKEY", "AWS_CREDENTIALS", "PRIVATE_KEY"):
        entry = {"ask": "env", "args": [name], "answer": "anything at all"}
        assert NOBODY.clean(entry) == {**entry, "answer": "<redacted>"}
        unset = {"ask": "env", "args": [name], "answer": None}
        assert NOBODY.clean(unset) == unset


# --- what stays


@pytest.mark.parametrize(
    "text",
    [
        "580.95.05",
        "13.580.95.05",  # nvmlSystemGetNVMLVersion
        "13.0.88",
        "Cuda compilation tools, release 13.0, V13.0.88",
        "nvidia_cublas-13.1.0.3.dist-info",
        "/usr/lib/python3/dist-packages/nvidia_cudnn_cu13-9.19.0.56.dist-info",
        "libcudnn.so.9.19.0.56",
        "nvidia-cublas==13.1.0.3",
        "Requires-Dist: nvidia-cudnn-cu13==9.19.0.56; platform_system == 'Linux'",
        "cudnn/9.19.0.56/lib",
        "2.10.0a0+b4e4ee81d3.nv25.12",
        "3.5.1+gitbfeb0668.nv25.12",
        "6.17.0-1008-nvidia",
        "Version: 580.159.03-0ubuntu0.24.04.1",
        "gcc (Ubuntu 13.3.0-6ubuntu2~24.04.1) 13.3.0",
        "0000000F:01:00.0",
        "000f:01:00.0",
        "12:34:56",
        "2026-11-21T12:34:56.789",
        "Built on Wed_Aug_20_01:55:12_PM_PDT_2025",
        "sm_80 sm_90 sm_100 sm_110 sm_120",
        "9.0;12.1",
        "0::/user.slice/user-1000.slice/session-3.scope",
        "0::/",
        "24 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw",
        "std::vector<int>::at",
        "127.0.0.1",
        "0.0.0.0",
        "localhost",
        "/home/user/venv/bin/python",
        "/usr/local/cuda-13.0/bin/nvcc",
        "/root/.cache/torch_extensions/py312_cu130",
        "libnvidia-ml.so.1: cannot open shared object file: No such file or directory",
        "MemTotal:       125441420 kB",
        "TRITON_PTXAS_PATH=/usr/local/cuda/bin/ptxas",
        "tokenizers 0.20.1",
        "max_num_batched_tokens",
        "Serial port",
        "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.159.03  Release Build  (dvs-builder@U22-I3-H10-02-1)",
        '#$ _HERE_=/usr/local/cuda/bin\n#$ CICC_PATH="/usr/local/cuda/bin/../nvvm/bin"',
        "7f454c460201010000000000000000000300b700",
    ],
)
def test_what_is_needed_stays(text: str) -> None:
    assert ALICE.text(text) == text
    assert NOBODY.text(text) == text


def test_the_hash_of_a_file_stays() -> None:
    asked = {"ask": "digest", "args": ["/home/alice/builder.py"], "answer": "8ef1" * 16}
    assert ALICE.clean(asked) == {**asked, "args": ["/home/user/builder.py"]}


def test_an_installed_distribution_keeps_its_version() -> None:
    said = '{"distributions": [["nvidia-cublas", "13.1.0.3", "/usr/lib/nvidia_cublas-13.1.0.3.dist-info"], ["torch", "2.11.0", "/x"]]}'
    assert "13.1.0.3.dist-info" in ALICE.text(said)
    assert '"2.11.0"' in ALICE.text(said)
    assert json.loads(ALICE.text(said))["distributions"][1] == ["torch", "2.11.0", "/x"]


# --- idempotence


PARTS = [
    *"/home/alice alice spark-4f2a spark-4f2a.lab.example.org /home/ /Users/ token= password: serial Bearer hf_abcdefgh 10.0.0.5".split(),
    *"https:// :secret@ @ a@b.org fe80:: 4c:bb:47:12:34:56 : . / - _ = == \" ' , ; \n \\n { } é bob user host 580.95.05 <ip>".split(
        " "
    ),
    "5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77",
    "ab" * 32,
]
TEXTS = st.lists(st.sampled_from(PARTS) | st.text(max_size=3), max_size=12).map("".join)


@given(TEXTS)
@settings(max_examples=500)
@example("https://a:b@alice@x.org/")
def test_twice_is_once(text: str) -> None:
    once = ALICE.text(text)
    assert ALICE.text(once) == once


@given(TEXTS)
def test_the_same_text_becomes_the_same_text(text: str) -> None:
    again = Redactor("/home/alice", "alice", "spark-4f2a.lab.example.org")
    assert again.text(text) == ALICE.text(text)
    assert ALICE.clean([text, {"x": text}, (text,)]) == [ALICE.text(text), {"x": ALICE.text(text)}, [ALICE.text(text)]]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False), st.lists, max_leaves=4))
def test_what_is_no_text_stays(value: Any) -> None:
    assert NOBODY.clean(value) == value


@pytest.mark.parametrize(
    "text", ["a" * 20_000, "ab:" * 7_000, "1." * 10_000, "a-" * 10_000, "a@" * 10_000, "://" * 7_000, "serial " * 3_000]
)
def test_a_long_text_takes_no_long_time(text: str) -> None:
    started = time.process_time()
    ALICE.text(text)
    assert time.process_time() - started < 0.3


# --- whole tapes


def examine(played: dict[str, Any]) -> Report:
    rules = profiles.load(played["profile"])
    return doctor.diagnose(Machine(tape.Player(played), rules), REGISTRY, CHECKS)


def verdicts(report: Report) -> dict[str, Status]:
    return {result.id: result.status for result in report.results}


def recorded(played: dict[str, Any], redactor: Redactor) -> str:
    """The tape that `record` would save of a machine that says what this tape says."""
    recorder = tape.Recorder(tape.Player(played))
    doctor.diagnose(Machine(recorder, profiles.load(played["profile"])), REGISTRY, CHECKS)
    return json.dumps(recorder.tape(redactor, profile=played["profile"], deep=False))


@pytest.mark.parametrize("path", TAPES, ids=lambda path: path.name.partition(".")[0])
def test_a_redacted_tape_plays_to_the_same_report(path: Path) -> None:
    played = json.loads(path.read_text().replace("/home/user", "/home/wonderland"))
    before = examine(played)
    saved = recorded(played, Redactor("/home/wonderland", "wonderland", "looking-glass"))
    assert "wonderland" not in saved
    after = examine(tape.parse(saved.encode()))
    assert verdicts(after) == verdicts(before)
    assert after.machine == before.machine


# Words of the machines themselves, of the questions, and of the answers' members: people are called so too.
WORDS = [
    *"root nvidia ubuntu user dgx spark admin runner test".split(),
    *tape._SHAPES,
    *"ask args answer missing broken code stdout stderr kind size mode real readable total free device stack memlock nofile".split(),
    *"machine release cpus path version include modules distributions origin error load file input output scratch".split(),
    *"gcc nvcc ptxas container interpreter torch triton cuda linux aarch64 python3 venv bin lib max memory docker Status some".split(),
]


@functools.cache
def healthy() -> tuple[dict[str, Any], Any]:
    """The tape of a healthy machine, and its verdicts."""
    played = tape.load(str(next(path for path in TAPES if path.name == "gb10-healthy.tape.json")))
    return played, verdicts(examine(played))


@pytest.mark.parametrize("name", WORDS)
def test_a_user_or_host_with_a_word_for_a_name_breaks_no_tape(name: str) -> None:
    played, before = healthy()
    for redactor in (Redactor("/home/user", name, "looking-glass"), Redactor("/home/user", "alice", name)):
        after = examine(tape.parse(recorded(played, redactor).encode()))
        assert {key: value for key, value in verdicts(after).items() if value != before[key]} == {}


@pytest.mark.parametrize(
    "home", ["/root", "/", "", None, "/home/user", "/workspace", "/home", "/usr/local", "/opt", "/tmp", "/data"]
)
def test_a_home_that_is_no_home_breaks_no_tape(home: str | None) -> None:
    played, before = healthy()
    after = examine(tape.parse(recorded(played, Redactor(home, "root", "localhost")).encode()))
    assert verdicts(after) == before


# Three letters and more that are no words of a machine: a rare letter in front sees to that.
NAMES = st.from_regex(r"[qzx][a-z0-9]{3,8}", fullmatch=True)
FOREIGN = st.from_regex(r"zq[a-zäöüßéñ]{2,6}", fullmatch=True)


def spoken(value: Any) -> str:
    """As our scripts in the patient's interpreter write it: JSON in ASCII."""
    return str(wire.dumps(value))  # type: ignore[no-untyped-call]


class Chatty:
    """A host that names its user, its host and its home wherever one can."""

    def __init__(self, user: str, host: str, home: str) -> None:
        self.answers: list[tuple[Question, Any]] = list(self._say(user, host, home))

    @staticmethod
    def _say(user: str, host: str, home: str) -> Iterator[tuple[Question, Any]]:
        said = {
            "origin": f"{home}/x.py",
            "error": f"{user} on {host}: {home} is not\n{user}'s\n{home}/y",
            "at": [home, user, host],
        }
        ran = {"code": 1, "stdout": json.dumps(said), "stderr": f"{user}@{host}:{home}$ no\nmail {user}@{host}.example.org\n"}
        yield Question("env", ("HOME",)), home
        yield Question("env", ("USER",)), user
        yield Question("env", ("HOSTNAME",)), host
        yield Question("env", ("PATH",)), f"{home}/bin:/usr/bin:/opt/{user}/bin"
        yield Question("read", (f"{home}/.config/x",)), f"[{user}]\nhost = {host}\nhome={home}\n'{home}/a b'\n/data/{user}/x\n"
        yield Question("stat", (f"/data/{user}",)), Missing(f"/data/{user} does not exist")
        yield Question("entries", ("/home",)), [user]
        yield Question("run", ([f"{home}/bin/nvcc", f"-I{home}/include"], {"input": f"// {user}"})), ran
        yield Question("script", (f"{home}/venv/bin/python", "interpreter")), {**ran, "stdout": spoken(said)}
        yield Question("nvml", ()), {**ran, "stdout": spoken({"ask": "load"}) + "\n" + spoken({"error": said["error"]})}

    def answer(self, question: Question, timeout: float) -> Any:  # noqa: ARG002
        return next(answer for asked, answer in self.answers if asked == question)


def saved_by(user: str, host: str, home: str) -> str:
    recorder = tape.Recorder(Chatty(user, host, home))
    for question, _ in Chatty(user, host, home).answers:
        recorder.answer(question, 1.0)
    return json.dumps(recorder.tape(Redactor(home, user, host), profile="dgx-spark", deep=False), ensure_ascii=False)


@given(NAMES, NAMES, st.sampled_from(["/home/{}", "/data/users/{}", "/Users/{}", "/nfs/{}/home", "/srv/x.y/{}"]))
@example("x86", "zz9", "/home/{}")
def test_no_name_is_on_a_saved_tape(user: str, host: str, home: str) -> None:
    saved = saved_by(user, host, home.format(user))
    tape.parse(saved.encode())
    for name in (user, host):
        at = saved.find(name)
        assert at < 0, f"{name!r} in {saved[max(0, at - 60) : at + 40]!r}"


@given(FOREIGN, st.sampled_from(["/home/{}", "/data/users/{}"]))
def test_no_foreign_name_is_on_a_saved_tape(user: str, home: str) -> None:
    saved = saved_by(user, "zqhost", home.format(user))
    for name in (user, user.encode("ascii", "backslashreplace").decode(), json.dumps(json.dumps(user))[3:-3]):
        at = saved.find(name)
        assert at < 0, f"{name!r} in {saved[max(0, at - 60) : at + 40]!r}"


@given(st.sampled_from(["alice", "x.y", "a+b", "(x", "[x]", "a\\b", "$x^", "x|y", "-xyz-"]))
def test_a_name_is_no_pattern(name: str) -> None:
    redactor = Redactor(f"/home/{name}", name, name)
    assert redactor.text("nothing of it here") == "nothing of it here"
    assert redactor.text(redactor.text(f"/home/{name}/x")) == "/home/user/x"


def test_local_takes_the_names_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/nfs/homes/wonderland")
    for variable in ("LOGNAME", "USER"):
        monkeypatch.setenv(variable, "wonderland")
    assert Redactor.local().text("/nfs/homes/wonderland/x of wonderland") == "/home/user/x of user"


def test_local_works_without_names(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    assert Redactor.local().text("580.95.05") == "580.95.05"
