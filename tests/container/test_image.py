"""container/build.sh and its image, for real: podman, with a base that stands in for NVIDIA's, and no GPU."""

import itertools
import json
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

import openfolded
from containers import LIMITS, PIP, ROOT, base, podman, reason, remove, unique

pytestmark = pytest.mark.containers

BUILD = ROOT / "container" / "build.sh"
TORCH = "2.10.0a0+b558c986e8.nv25.11"
"""What NVIDIA calls a PyTorch: before 2.10.0 for pip, and on no index."""
TAG = "25.11-py3"
LENIENT = """
schema = "sparkdoctor.profile/1"
name = "lenient"
title = "Any machine"
[severity]
driver-missing = "off"
gpu-not-visible = "off"
"""
NO_GPU = re.compile("driver-missing|gpu-not-visible")
WRAPPER = """#!/bin/sh
# A machine without a GPU plays one with.
for word; do
  shift
  case $word in --device | nvidia.com/gpu=all) ;; *) set -- "$@" "$word" ;; esac
done
exec podman "$@"
"""


def wheel(place: Path, name: str, version: str, files: dict[str, str], *, requires: str = "", script: str = "") -> None:
    """A package of Python as pip installs it."""
    info = f"{name}-{version}.dist-info"
    required = f"Requires-Dist: {requires}\n" if requires else ""
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{required}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if script:
        files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{script}\n"
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(place / f"{name}-{version}-py3-none-any.whl", "w") as file:
        for path, text in files.items():
            file.writestr(path, text)


def package_index(place: Path) -> None:
    """What pip finds in the base: the project's dependencies, a PyTorch that PyPI has, and two releases of an OpenFold3."""
    place.mkdir()
    command = [*PIP, "download", "--only-binary=:all:", "--python-version", "3.11", "--dest", str(place), str(ROOT), "hatchling"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        pytest.skip(f"pip cannot download the dependencies: {ended.stderr.strip().splitlines()[-1:]}")
    for made in place.glob("sparkdoctor-*"):
        made.unlink()
    for version in (TORCH, "2.13.0"):
        wheel(
            place, "torch", version, {"torch/__init__.py": "", "torch/version.py": f"__version__ = {version!r}\ncuda = '13.0'\n"}
        )
    main = {f"openfold3/{path}": text for path, text in openfolded.ROOT_FILES.items()}
    main["openfold3/standin.py"] = "def main() -> None: print('predicted')\n"
    for version, requires in (("0.5.0", "torch"), ("0.6.0", "torch>=2.11")):
        wheel(place, "openfold3", version, main, requires=requires, script="run_openfold = openfold3.standin:main")


@pytest.fixture(scope="module")
def nvidia(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image with what this relies on in NVIDIA's: a PyTorch of its own, pip, and settings of pip."""
    if why := reason():
        pytest.skip(why)
    work = tmp_path_factory.mktemp("nvidia")
    debian = base(work)
    shutil.rmtree(work / "root", ignore_errors=True)
    context = work / "context"
    context.mkdir()
    package_index(context / "wheels")
    (context / "lenient.toml").write_text(LENIENT)
    (context / openfolded.FILE).write_bytes(openfolded.checkpoint(*openfolded.NAMES["0.5"]))
    (context / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")
    word = unique()
    name = f"localhost/{word}:{TAG}"
    (context / "Dockerfile").write_text(f"""
        FROM {debian}
        LABEL {word}=1
        RUN rm -r /opt/sparkdoctor /usr/local/bin/sparkdoctor && apt-get update && apt-get install -y --no-install-recommends python3-pip
        COPY . /
        RUN mv /pip.conf /etc && python3 -m pip install -q --break-system-packages torch=={TORCH}
        ENV PIP_NO_BUILD_ISOLATION=1 PIP_CONSTRAINT=
    """)
    try:
        podman("build", "--quiet", "--isolation=chroot", "--tag", name, str(context))
        yield name
    finally:  # all that was built on it has its label
        while made := podman("images", "--all", "--quiet", "--filter", f"label={word}").split():
            podman("rmi", "--force", *dict.fromkeys(made))


class Built(NamedTuple):
    """What build.sh has said, and the name of the image that it was to make."""

    status: int
    said: str
    image: str

    def exists(self) -> bool:
        return bool(podman("images", "--quiet", self.image))

    def run(self, *command: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        words = ["podman", "run", "--rm", "--runtime", "runc", "--net=none", *LIMITS, *options, self.image, *command]
        ended = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=120)
        assert ended.returncode != 125, ended.stderr
        return ended


def build(base: str, *options: str, docker: str = "podman") -> Built:
    """Run build.sh; podman has its own way to isolate a build where it is itself in a machine of few rights."""
    image = f"localhost/{unique()}:1"
    environment = os.environ | {
        "DOCKER": docker,
        "BUILD_OPTIONS": "--isolation=chroot",
        "RUN_OPTIONS": f"--runtime runc --net=none --ulimit memlock=65536 --ulimit stack=8388608 {' '.join(LIMITS)}",
    }
    command = ["bash", str(BUILD), "--base", base, "--tag", image, *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=600)
    return Built(ended.returncode, ended.stdout + ended.stderr, image)


def left() -> list[str]:
    """What build.sh has not cleaned up."""
    containers = podman("ps", "--all", "--format", "{{.Names}}").split()
    images = podman("images", "--format", "{{.Repository}}").split()
    return [name for name in containers + images if "spark-build-" in name]


@pytest.fixture(scope="module")
def image(nvidia: str) -> Built:
    """An image that was built without a GPU."""
    built = build(nvidia, "--no-gpu")
    assert built.status == 0, built.said
    return built


def test_a_build_without_a_gpu_says_that_nothing_is_warmed(image: Built) -> None:
    assert f"{image.image} is built, and not warmed" in image.said
    assert left() == []


def test_the_command_is_process_1_and_its_status_passes(image: Built) -> None:
    ended = image.run("sh", "-c", "echo $$; exit 7", options=("--env", "SPARKDOCTOR_PREFLIGHT=warn"))
    assert (ended.returncode, ended.stdout) == (7, "1\n"), ended.stderr
    assert NO_GPU.search(ended.stderr)


def test_a_machine_without_a_gpu_is_refused(image: Built) -> None:
    ended = image.run("echo", "begun")
    assert (ended.returncode, ended.stdout) == (78, "")
    assert NO_GPU.search(ended.stderr)


def test_without_a_command_there_is_a_shell(image: Built) -> None:
    ended = image.run(options=("--env", "SPARKDOCTOR_PREFLIGHT=off"))
    assert (ended.returncode, ended.stdout) == (0, "")


def test_openfold3_is_there_with_the_pytorch_of_the_base(image: Built) -> None:
    options = ("--env", "SPARKDOCTOR_PREFLIGHT=off")
    assert image.run("run_openfold", options=options).stdout == "predicted\n"
    asked = "from importlib.metadata import version as v; print(v('torch'), v('openfold3'))"
    assert image.run("python3", "-c", asked, options=options).stdout == f"{TORCH} 0.5.0\n"


def test_sparkdoctor_lies_apart_and_examines_that_python(image: Built) -> None:
    options = ("--entrypoint", "python3")
    assert image.run("-c", "import sparkdoctor", options=options).returncode == 1
    ended = image.run("check", "torch-missing", "openfold3-missing", "-v", options=("--entrypoint", "sparkdoctor"))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert TORCH in ended.stdout


def test_what_is_set_for_the_python_of_the_base_is_none_of_its_own(image: Built, tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise SystemExit(9)")
    options = ("--env", "SPARKDOCTOR_PREFLIGHT=off", "--volume", f"{tmp_path}:/own:ro")
    for variable in ("PYTHONPATH=/own", "PYTHONHOME=/nowhere"):
        ended = image.run("printenv", variable.partition("=")[0], options=(*options, "--env", variable))
        assert (ended.returncode, ended.stdout) == (0, f"{variable.partition('=')[2]}\n"), ended.stderr


def test_jobs_are_counted_where_it_runs(image: Built) -> None:
    assert "MAX_JOBS=" in json.loads(podman("inspect", image.image))[0]["Config"]["Env"]
    ended = image.run("printenv", "MAX_JOBS", options=("--env", "SPARKDOCTOR_PREFLIGHT=warn", "--memory", "5g"))
    assert ended.stdout == "1\n"


def test_the_weights_are_looked_for_where_they_are_mounted(image: Built, tmp_path: Path) -> None:
    words = ("check", "weights-missing", "--profile", "openfold3-spark")
    ended = image.run(*words, options=("--entrypoint", "sparkdoctor"))
    assert "/opt/openfold3/weights" in ended.stdout
    (tmp_path / openfolded.FILE).write_text("<html>")
    options = ("--entrypoint", "sparkdoctor", "--volume", f"{tmp_path}:/opt/openfold3/weights:ro")
    assert f"/opt/openfold3/weights/{openfolded.FILE}" in image.run(*words, options=options).stdout


def test_any_user_with_a_cache_of_their_own(image: Built, tmp_path: Path) -> None:
    options = ("--user", "1234:1234", "--env", "SPARKDOCTOR_PREFLIGHT=warn")
    asked = ("sh", "-c", 'id -u; python3 -c "import getpass; print(getpass.getuser())"')
    assert image.run(*asked, options=options).stdout == "1234\nspark\n"
    ids = ("check", "triton-cache-unwritable", "extension-cache-writable-by-others")
    os.chown(tmp_path, 1234, 1234)
    mounted = ("--user", "1234:1234", "--entrypoint", "sparkdoctor", "--volume", f"{tmp_path}:/var/cache/spark")
    ended = image.run(*ids, options=mounted)
    assert "failed" not in ended.stdout, ended.stdout


def test_the_daemonset_reports_and_ends_at_once(image: Built, tmp_path: Path) -> None:
    config, daemonset = yaml.safe_load_all((ROOT / "container" / "kubernetes" / "daemonset.yaml").read_text())
    (tmp_path / "node.toml").write_text(config["data"]["node.toml"])
    (check,) = daemonset["spec"]["template"]["spec"]["containers"]
    (mount,) = check["volumeMounts"]
    program, *words = check["command"]
    name = unique()
    options = ["--name", name, "--volume", f"{tmp_path}:{mount['mountPath']}:ro", "--entrypoint", program]
    podman("run", "--detach", "--runtime", "runc", "--net=none", *LIMITS, *options, image.image, *words)
    try:
        with subprocess.Popen(["podman", "logs", "--follow", name], stdout=subprocess.PIPE, text=True) as logs:
            assert logs.stdout
            lines = list(itertools.takewhile(lambda line: line != "}\n", logs.stdout))
            logs.kill()
        report = json.loads("".join([*lines, "}"]))
        assert (report["profile"], report["verdict"]) == ("node", "failed")
        off = {"shm-too-small", "memory-low"}
        assert {result["status"] for result in report["results"] if result["id"] in off} == {"skipped"}
        probe = subprocess.run(
            ["podman", "exec", name, *check["readinessProbe"]["exec"]["command"]], capture_output=True, text=True, check=False
        )
        assert probe.returncode == 1
        assert NO_GPU.search(probe.stdout)
        podman("stop", "--time", "60", name)
        assert podman("inspect", "--format", "{{.State.ExitCode}}", name) == "0"  # it has not waited to be killed
    finally:
        remove(name)


def test_an_image_for_a_user(nvidia: str) -> None:
    built = build(nvidia, "--no-gpu", "--user", "1234:1234")
    assert built.status == 0, built.said
    written = 'id -u; touch "$TRITON_CACHE_DIR/x" "$TORCH_EXTENSIONS_DIR/x" /work/x'
    ended = built.run("sh", "-c", written, options=("--env", "SPARKDOCTOR_PREFLIGHT=off"))
    assert (ended.returncode, ended.stdout) == (0, "1234\n"), ended.stderr


def test_an_openfold3_that_wants_another_pytorch_ends_the_build(nvidia: str) -> None:
    built = build(nvidia, "--no-gpu", "--openfold3", "0.6.0")
    assert built.status == 1
    assert TORCH in built.said
    assert "another --base or --openfold3" in built.said
    assert not built.exists()


def secret(place: Path, url: str) -> tuple[str, str]:
    path = place / "weights.curl"
    path.write_text(f'url = "{url}"\nheader = "Authorization: Bearer hunter2"\n')
    return "--weights-secret", str(path)


def test_weights_come_by_a_secret_that_stays_out(nvidia: str, image: Built, tmp_path: Path) -> None:
    """Also where the same was built without weights before, which the engine remembers."""
    place = f"/opt/openfold3/weights/{openfolded.FILE}"
    assert image.run(place, options=("--entrypoint", "ls")).returncode == 2
    built = build(nvidia, "--no-gpu", *secret(tmp_path, f"file:///{openfolded.FILE}"))
    assert built.status == 0, built.said
    assert built.run(place, options=("--entrypoint", "ls")).returncode == 0
    assert "hunter2" not in built.said + podman("history", "--no-trunc", built.image) + podman("inspect", built.image)
    searched = built.run("-rl", "hunter2", "/opt", "/run", "/root", "/tmp", "/var", options=("--entrypoint", "grep"))
    assert (searched.returncode, searched.stdout) == (1, "")


def test_weights_that_are_none_end_the_build(nvidia: str, tmp_path: Path) -> None:
    built = build(nvidia, "--no-gpu", *secret(tmp_path, "file:///etc/pip.conf"))
    assert built.status == 1
    assert "weights-missing" in built.said
    assert "hunter2" not in built.said
    assert not built.exists()


def test_a_machine_without_a_gpu_is_told_of_no_gpu(nvidia: str) -> None:
    built = build(nvidia)
    assert built.status == 1
    assert "no container with the GPU could be started" in built.said
    assert "--no-gpu builds" in built.said
    assert not built.exists()
    assert left() == []


@pytest.fixture
def docker(tmp_path: Path) -> str:
    """A podman for which the GPU is no matter."""
    path = tmp_path / "podman"
    path.write_text(WRAPPER)
    path.chmod(0o755)
    return str(path)


def test_what_was_mended_is_committed_as_it_was_built(nvidia: str, docker: str) -> None:
    built = build(nvidia, "--openfold3", "", "--profile", "/lenient.toml", docker=docker)
    assert built.status == 0, built.said
    assert f"{built.image} is ready" in built.said
    assert left() == []
    config = json.loads(podman("inspect", built.image))[0]["Config"]
    assert (config["Entrypoint"], config["Cmd"], config["User"]) == (["sparkdoctor", "preflight", "--"], ["bash"], "0:0")
    assert config["Labels"]["sparkdoctor.verdict"] in ("ok", "warning")
    assert f"TRITON_CACHE_DIR=/var/cache/spark/{TAG}/triton" in config["Env"]
    report = built.run(config["Labels"]["sparkdoctor.report"], options=("--entrypoint", "cat")).stdout
    assert json.loads(report)["profile"] == "lenient"


def test_what_is_not_ready_gets_no_tag(nvidia: str, docker: str) -> None:
    built = build(nvidia, docker=docker)
    assert built.status == 1
    assert "a fresh container of the image is not ready for work" in built.said
    assert NO_GPU.search(built.said)
    assert not built.exists()
    assert left() == []
