"""What stands in container/: that it can be read, that it names what there is, and that its files agree."""

import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from sparkdoctor import profiles
from sparkdoctor.cli import group
from sparkdoctor.query.ubiquitin import UBIQUITIN
from sparkdoctor.registry import Registry

ROOT = Path(__file__).parents[2]
CONTAINER = ROOT / "container"
DOCKERFILE = (CONTAINER / "Dockerfile.spark").read_text()
BUILD = CONTAINER / "build.sh"
README = (CONTAINER / "README.md").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((CONTAINER / "compose.yaml").read_text())
SERVICE: dict[str, Any] = COMPOSE["services"]["openfold3"]
JOB_CONFIG, JOB = yaml.safe_load_all((CONTAINER / "kubernetes" / "job.yaml").read_text())
NODE_CONFIG, DAEMONSET = yaml.safe_load_all((CONTAINER / "kubernetes" / "daemonset.yaml").read_text())
POD: dict[str, Any] = JOB["spec"]["template"]["spec"]
(INIT,), (PREDICT,) = POD["initContainers"], POD["containers"]
(NODE,) = DAEMONSET["spec"]["template"]["spec"]["containers"]


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and what follows each, continued lines joined."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE)
    joined = re.sub(r"\\\n\s*", "", text)
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in joined.splitlines() if line.strip()]


def of(kind: str) -> list[str]:
    return [rest for name, rest in instructions() if name == kind]


ARGS = {name: value for name, _, value in (rest.partition("=") for rest in reversed(of("ARG")))}
"""The default of each: that before FROM where there are two."""
ENV = dict(word.split("=", 1) for rest in of("ENV") for word in shlex.split(rest))
ENTRYPOINT: list[str] = json.loads(of("ENTRYPOINT")[0])


def filled(text: str) -> str:
    """A value with the defaults of its arguments."""
    return re.sub(r"\$\{(\w+)\}", lambda found: filled((ARGS | ENV)[found[1]]).strip('"'), text)


def dry(*options: str) -> list[list[str]]:
    """The commands that build.sh would run."""
    ended = subprocess.run(["bash", BUILD, "--dry-run", *options], capture_output=True, text=True, check=True)
    return [shlex.split(line) for line in ended.stdout.splitlines()]


def after(program: str, words: list[str]) -> list[str]:
    return words[words.index(program) + 1 :]


def of_build() -> Iterator[list[str]]:
    for words in dry():
        if "exec" in words and "sparkdoctor" in words:
            yield after("sparkdoctor", words)
        elif "sparkdoctor" in words:  # --entrypoint sparkdoctor IMAGE WORDS…
            yield words[words.index("sparkdoctor") + 2 :]


def of_shell(text: str) -> Iterator[list[str]]:
    """Commands in lines of a shell: what follows the program, up to a comment or what joins commands."""
    joined = re.sub(r"\\\n\s*", "", text)
    for line in re.findall(r"(?<![\w./-])sparkdoctor +((?:[\w-])[^\n;&|`#)]*)", joined):
        yield shlex.split(filled(line))


def of_readme() -> Iterator[list[str]]:
    yield from of_shell("".join(re.findall(r"(?m)^    .*\n", README)))
    yield from of_shell("\n".join(span.replace("\n", " ") for span in re.findall(r"`([^`]+)`", README)))


LINES = {
    "Dockerfile": [words for rest in of("RUN") for words in of_shell(rest)] + [[*ENTRYPOINT[1:], *json.loads(of("CMD")[0])]],
    "build.sh": list(of_build()),
    "README": list(of_readme()),
    "compose": [[*ENTRYPOINT[1:], *SERVICE["command"]]],
    "job": [INIT["command"][1:], [*ENTRYPOINT[1:], *PREDICT["args"]]],
    "daemonset": [*of_shell(NODE["command"][2]), NODE["readinessProbe"]["exec"]["command"][1:]],
}


def test_the_command_lines_are_found() -> None:
    assert {name: len(lines) for name, lines in LINES.items()} == {
        "Dockerfile": 3,
        "build.sh": 5,
        "README": 5,
        "compose": 1,
        "job": 2,
        "daemonset": 2,
    }


@pytest.mark.parametrize("words", [words for lines in LINES.values() for words in lines], ids=" ".join)
def test_every_command_line_is_one(words: list[str]) -> None:
    if words == ["--version"]:
        return
    name, *rest = words
    command = group.get_command(click.Context(group), name)
    assert command, f"there is no sparkdoctor {name}"
    options = command.make_context(name, list(rest)).params
    if options.get("profile") not in (None, "/etc/sparkdoctor/node.toml"):
        profiles.load(options["profile"])
    known = set(Registry.load().fixes if name == "fix" else Registry.load().checks)
    assert {*(options.get("ids") or ()), *(options.get("ignore") or ())} <= known


def test_the_base_and_openfold3_are_what_the_profile_wants() -> None:
    profile = profiles.load(ARGS["PROFILE"])
    assert profile.openfold3.fresh
    assert ARGS["OPENFOLD3_VERSION"] in profile.openfold3.fresh
    assert ENV["TORCH_CUDA_ARCH_LIST"] == str(profile.compute_capability)
    tag = re.fullmatch(r"(\d\d)\.(\d\d)-py3", ARGS["BASE_TAG"])
    assert tag, "NVIDIA's tags are YY.MM-py3"
    assert (int(tag[1]), int(tag[2])) >= (25, 9), "the first with CUDA 13"
    assert filled(ARGS["BASE"]) == f"nvcr.io/nvidia/pytorch:{ARGS['BASE_TAG']}"


def test_nothing_is_called_latest() -> None:
    images = [SERVICE["image"], *(one["image"] for one in (INIT, PREDICT, NODE)), filled(ARGS["BASE"])]
    tags = {image.rstrip("}").rpartition(":")[2] for image in images[:-1]}
    assert tags == {f"{ARGS['BASE_TAG']}-{ARGS['OPENFOLD3_VERSION']}"}
    assert not any(":latest" in image or ":" not in image for image in images)
    assert dry()[-1][-1] == f"openfold3-spark:{ARGS['BASE_TAG']}-{ARGS['OPENFOLD3_VERSION']}"


def test_build_sh_builds_what_the_dockerfile_is_by_default() -> None:
    given = dict(word.split("=", 1) for words in dry()[:1] for word in words if re.match(r"[A-Z_\d]+=", word))
    assert given == {name: filled(value).strip('"') for name, value in ARGS.items() if name in given}
    assert given.keys() == ARGS.keys()


def test_the_caches_lie_in_one_place_by_the_base() -> None:
    for name in ("TORCH_EXTENSIONS_DIR", "TRITON_CACHE_DIR"):
        assert filled(ENV[name]).startswith(f"/var/cache/spark/{ARGS['BASE_TAG']}/")
    assert {mount["source"]: mount["target"] for mount in SERVICE["volumes"]}["cache"] == "/var/cache/spark"
    (worker,) = (words for words in dry("--cache-volume", "kept") if "--detach" in words)
    assert "kept:/var/cache/spark" in worker
    assert ":/var/cache/spark" in README


def test_weights_are_mounted_where_openfold3_looks(tmp_path: Path) -> None:
    place = f"{ENV['OPENFOLD_CACHE']}/weights"
    assert 'printf %s "${OPENFOLD_CACHE}/weights" > "${OPENFOLD_CACHE}/ckpt_root"' in of("RUN")[-1]
    (weights,) = (mount for mount in SERVICE["volumes"] if mount["target"] == place)
    assert weights["read_only"]
    for one in (INIT, PREDICT):
        assert {mount["mountPath"]: mount.get("readOnly") for mount in one["volumeMounts"]}[place]
    assert any(f"{tmp_path}:{place}:ro" in words for words in dry("--weights", str(tmp_path)))
    assert f":{place}:ro" in README


def test_limits_are_what_sparkdoctor_env_tells() -> None:
    from sparkdoctor.cli.env import SHM_GIB
    from sparkdoctor.mends import STACK

    told = ["--gpus", "all", "--ipc=host", "--ulimit", "memlock=-1", "--ulimit", f"stack={STACK}"]
    for words in (words for words in dry() if words[1] == "run"):
        start = words.index("--gpus")
        assert words[start : start + len(told)] == told
    assert " ".join(told) in README
    assert (SERVICE["ipc"], SERVICE["ulimits"]) == ("host", {"memlock": -1, "stack": STACK})
    (shm,) = (volume["emptyDir"] for volume in POD["volumes"] if volume["name"] == "shm")
    assert shm == {"medium": "Memory", "sizeLimit": f"{SHM_GIB}Gi"}


def test_a_refusal_is_not_tried_again() -> None:
    (rule,) = (rule for rule in JOB["spec"]["podFailurePolicy"]["rules"] if "onExitCodes" in rule)
    assert rule == {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [78]}}
    assert POD["restartPolicy"] == "Never"
    assert SERVICE["restart"] == "no"


def test_the_init_container_sees_what_the_prediction_will_have() -> None:
    assert INIT["image"] == PREDICT["image"] == NODE["image"]
    for key in ("resources", "volumeMounts", "securityContext"):
        assert INIT[key] == PREDICT[key]
    assert PREDICT["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert {mount["name"] for mount in PREDICT["volumeMounts"]} == {volume["name"] for volume in POD["volumes"]}


def test_the_daemonset_leaves_the_gpu_to_jobs() -> None:
    assert "limits" not in NODE["resources"]
    assert "nvidia.com/gpu" not in NODE["resources"]["requests"]


def test_the_profile_of_nodes_is_one(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text(NODE_CONFIG["data"]["node.toml"])
    profile = profiles.load(str(tmp_path / "node.toml"))
    assert set(profile.severity) <= set(Registry.load().checks)
    assert tomllib.loads(NODE_CONFIG["data"]["node.toml"])["extends"] == "dgx-spark"


def test_the_query_is_ubiquitin() -> None:
    query = json.loads(JOB_CONFIG["data"]["query.json"])
    (chain,) = UBIQUITIN.chains
    written = {"molecule_type": "protein", "chain_ids": ["A"], "sequence": chain.sequence}
    assert query == {"queries": {"ubiquitin": {"chains": [written]}}}
    assert f"--query-json={PREDICT['volumeMounts'][2]['mountPath']}" in PREDICT["args"]


def test_predictions_ask_no_server() -> None:
    for words in (SERVICE["command"], PREDICT["args"], README.split()):
        assert {"--use-msa-server=false", "--use-templates=false"} <= set(words)


def test_no_build_leaves_lists_or_secrets_in_a_layer() -> None:
    runs = of("RUN")
    assert all("rm -rf /var/lib/apt/lists/*" in rest for rest in runs if "apt-get update" in rest)
    assert all("--mount=type=secret" in rest for rest in runs if "/run/secrets" in rest)
    assert not any(re.search(r"(?i)token|password|secret", name) for name in (*ARGS, *ENV))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--bogus",), "there is no option --bogus"),
        (("--tag",), "--tag takes a value"),
        (("--base", "debian"), "has no tag"),
        (("--base", "debian:latest"), "has no tag"),
        (("--user", "me"), "is not UID:GID"),
        (("--weights", "/nowhere"), "is no directory"),
        (("--weights-secret", "/nowhere"), "is no file"),
    ],
)
def test_wrong_usage_of_build_sh_is_said(options: tuple[str, ...], words: str) -> None:
    ended = subprocess.run(["bash", BUILD, *options], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert words in ended.stderr


def test_a_missing_program_is_said() -> None:
    environment = {"PATH": "/usr/bin:/bin", "DOCKER": "no-such-docker"}
    ended = subprocess.run(["bash", BUILD], capture_output=True, text=True, check=False, env=environment)
    assert ended.returncode == 1
    assert "there is no no-such-docker here\n  Install Docker" in ended.stderr


def test_the_help_names_every_option() -> None:
    ended = subprocess.run(["bash", BUILD, "--help"], capture_output=True, text=True, check=True)
    taken = set(re.findall(r"--[a-z][a-z0-9-]+", BUILD.read_text().partition("while (($#))")[2].partition("done")[0]))
    assert taken <= set(re.findall(r"--[a-z][a-z0-9-]+", ended.stdout))
