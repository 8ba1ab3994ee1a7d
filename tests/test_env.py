"""`sparkdoctor env`, run; what it prints, read by real shells and by the rules of a Dockerfile."""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machines.make_tapes import MACHINES
from machines.parts import healthy_gb10
from sick import run
from sparkdoctor import profiles
from sparkdoctor.cli.env import container_options, dockerfile, in_dockerfile, passed, shell
from sparkdoctor.facts import Exports
from sparkdoctor.facts.exports import NAMES
from sparkdoctor.machine import Machine
from sparkdoctor.profiles import Profile
from world import GIB, MIB, World

SHELLS = [path for name in ("sh", "dash", "bash") if (path := shutil.which(name))]
VALUES = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=20)
ENVIRONMENTS = st.dictionaries(st.sampled_from(NAMES), st.tuples(VALUES, st.just("a reason")), max_size=4)
SPARK = profiles.load("dgx-spark")


@pytest.fixture
def clean_env(tmp_path: Path) -> dict[str, str]:
    """A user with an empty home who has set nothing."""
    return {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}


def test_a_shell_evaluates_it(clean_env: dict[str, str]) -> None:
    ended = run({**clean_env, "MAX_JOBS": "1"}, "env")
    assert ended.code == 0
    assert b"MAX_JOBS is as you have set it" in ended.out
    for path in SHELLS:
        said = subprocess.run(
            [path, "-c", 'eval "$(cat)"; echo "$MAX_JOBS"'], input=run(clean_env, "env").out, capture_output=True, check=True
        )
        assert int(said.stdout) > 0
        assert said.stderr == b""


def test_what_is_wrong_is_said_on_stderr_alone(clean_env: dict[str, str]) -> None:
    ended = run({**clean_env, "MAX_JOBS": "100000"}, "env")
    assert b"100000 compilers" in ended.err
    assert b"100000" not in ended.out


@pytest.mark.parametrize("form", [(), ("--docker",), ("--docker-run",)])
@pytest.mark.parametrize("env", [{}, {"HOME": "/nowhere"}, {"PATH": "/usr/bin", "HOME": ""}])
def test_nothing_is_written_and_little_is_needed(tmp_path: Path, env: dict[str, str], form: tuple[str, ...]) -> None:
    ended = run(env, "env", *form, cwd=tmp_path)
    assert ended.code == 0
    assert ended.out
    assert os.listdir(tmp_path) == []


def test_wrong_usage(clean_env: dict[str, str]) -> None:
    assert run(clean_env, "env", "--profile", "nonesuch").code == 2
    assert run(clean_env, "env", "--python", "/nowhere/python").code == 2
    assert b"Example" in run(clean_env, "env", "--help").out


def test_without_time_there_is_no_verdict(clean_env: dict[str, str]) -> None:
    for form in ((), ("--docker",), ("--docker-run",)):
        ended = run(clean_env, "env", "--timeout", "0.000001", *form)
        assert (ended.code, ended.out) == (3, b"")
        assert b"nothing can be told" in ended.err


def test_docker_run_is_one_line_of_plain_words(clean_env: dict[str, str]) -> None:
    ended = run(clean_env, "env", "--docker-run")
    assert ended.out.count(b"\n") == 1
    words = ended.out.decode().split()
    assert words == shlex.split(ended.out.decode())
    assert ("--ipc=host" in words) != any(word.startswith("--shm-size=") for word in words)


# --- for a shell


@given(ENVIRONMENTS)
def test_only_assignments_and_comments(wanted: dict[str, tuple[str, str]]) -> None:
    text = "".join(shell(Exports(wanted)))
    assert set(dict(pair for pair in _assignments(text))) == set(wanted)


def _assignments(text: str) -> list[tuple[str, str]]:
    words = shlex.split(text, comments=True, posix=True)
    assert words[::2] == ["export"] * (len(words) // 2)
    return [(name, value) for name, _, value in (word.partition("=") for word in words[1::2])]


@given(ENVIRONMENTS)
def test_the_values_arrive(wanted: dict[str, tuple[str, str]]) -> None:
    text = "".join(shell(Exports(wanted)))
    assert dict(_assignments(text)) == {name: value for name, (value, _) in wanted.items()}


# --- for a Dockerfile


def read_dockerfile(text: str) -> dict[str, str]:
    """The ENV lines, by the rules of the Dockerfile reference: comments, one instruction a line, quotes, escapes, $."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        match = re.fullmatch(r'ENV (\w+)="((?:[^"\\$]|\\["\\$])*)"', line)
        assert match, f"not one plain ENV: {line!r}"
        found[match[1]] = re.sub(r'\\(["\\$])', r"\1", match[2])
    return found


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=20))
def test_a_dockerfile_keeps_values(value: str) -> None:
    assert read_dockerfile(f"ENV X={in_dockerfile(value)}\n") == {"X": value}


def test_what_an_image_cannot_have_is_left_out() -> None:
    values = {"CUDA_HOME": ("/usr/local/cuda", "r"), "NVCC_APPEND_FLAGS": ("a\nb", "r"), "MAX_JOBS": ("4", "they fit")}
    text = "".join(dockerfile(values, inside=False))
    assert read_dockerfile(text) == {"MAX_JOBS": "4"}
    assert "# they fit\nENV MAX_JOBS" in text
    assert "# CUDA_HOME is left out: /usr/local/cuda is a path of this machine" in text
    assert read_dockerfile("".join(dockerfile(values, inside=True))) == {"CUDA_HOME": "/usr/local/cuda", "MAX_JOBS": "4"}


# --- for docker run


def options_of(world: World, profile: Profile = SPARK, *, inside: bool = False) -> list[str]:
    return [
        word for words, reason in container_options(profile, Machine(world, profile), inside=inside) for word in words if reason
    ]


def test_what_a_spark_container_needs() -> None:
    rest = ["--ulimit", "memlock=-1", "--ulimit", "stack=67108864"]
    assert options_of(healthy_gb10()) == ["--gpus", "all", "--ipc=host", *rest]
    small = healthy_gb10()
    small.spaces["/dev/shm"] = (64 * MIB, 64 * MIB)
    assert options_of(small) == ["--gpus", "all", "--shm-size=16g", *rest]
    assert options_of(MACHINES["gb10-ngc-container"](), inside=True) == ["--gpus", "all", "--shm-size=16g", *rest]


def test_a_profile_that_asks_for_nothing_gets_nothing() -> None:
    world = World(spaces={"/dev/shm": (GIB, GIB)})
    assert options_of(world, Profile()) == []


def test_values_that_need_quotes_are_not_passed() -> None:
    values = {
        "NVCC_APPEND_FLAGS": ("-g --split-compile=0", "r"),
        "MAX_JOBS": ("4", "r"),
        "CUDA_HOME": ("/cuda", "r"),
        "A": ("*", "r"),
    }
    found = list(passed(values, inside=False))
    assert [words for words, _ in found if words] == [("-e", "MAX_JOBS=4")]
    assert "add -e 'NVCC_APPEND_FLAGS=-g --split-compile=0'" in found[0][1]
    assert ("-e", "CUDA_HOME=/cuda") in [words for words, _ in passed(values, inside=True)]


def test_a_real_podman_reads_the_dockerfile(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    podman = shutil.which("podman")
    if podman is None:
        pytest.skip("there is no podman")
    values = ['a "quoted" one', "back\\slash \\", "$HOME ${HOME} $(x)", "#no comment", "it's", "--split-compile=0 -Xptxas -v"]
    lines = "".join(f"ENV V{number}={in_dockerfile(value)}\n" for number, value in enumerate(values))
    (tmp_path / "Dockerfile").write_text(f"FROM scratch\n{lines}")
    short = tempfile.mkdtemp(prefix="sd-", dir="/tmp")  # podman takes 50 characters
    request.addfinalizer(lambda: shutil.rmtree(short, ignore_errors=True))
    place = ["--root", f"{short}/root", "--runroot", f"{short}/run", "--storage-driver", "vfs"]
    built = subprocess.run(
        [podman, *place, "build", "-q", str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    if built.returncode:
        pytest.skip(f"podman cannot build here: {built.stderr[-200:]}")
    inspected = subprocess.run(
        [podman, *place, "inspect", "--format", "{{range .Config.Env}}{{println .}}{{end}}", built.stdout.strip()],
        capture_output=True,
        text=True,
        check=True,
    )
    said = dict(line.split("=", 1) for line in inspected.stdout.splitlines() if line.startswith("V"))
    assert said == {f"V{number}": value for number, value in enumerate(values)}
