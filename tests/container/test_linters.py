"""What others' tools say of container/: the packages of the extra `containers`, whose programs lie beside this Python."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.containers

CONTAINER = Path(__file__).parents[2] / "container"
MANIFESTS = sorted(CONTAINER.glob("kubernetes/*.yaml"))
OLDEST, NEWEST = "1.31", "1.37"
"""Of Kubernetes: 1.31 is the first in which podFailurePolicy is no beta."""


def tool(name: str, *words: str | Path, **variables: str) -> str:
    """What a linter says: nothing, where it is content."""
    program = Path(sys.executable).parent / name
    if not program.exists():
        pytest.skip(f"{name} is not installed here: pip install 'sparkdoctor[containers]'")
    environment = os.environ | variables
    ended = subprocess.run([program, *words], capture_output=True, text=True, check=False, env=environment)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_hadolint() -> None:
    assert tool("hadolint", "--failure-threshold=style", CONTAINER / "Dockerfile.spark") == ""


def test_shellcheck() -> None:
    assert tool("shellcheck", CONTAINER / "build.sh") == ""


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.stem)
def test_kubernetes(manifest: Path, version: str, tmp_path: Path) -> None:
    tool("kubernetes-validate", "--strict", "--quiet", "--kubernetes-version", version, manifest)
    broken = tmp_path / "broken.yaml"
    broken.write_text(manifest.read_text().replace("mountPath:", "mountpath:"))
    with pytest.raises(AssertionError, match="mountPath"):
        tool("kubernetes-validate", "--strict", "--kubernetes-version", version, broken)


def test_compose(tmp_path: Path) -> None:
    compose = CONTAINER / "compose.yaml"
    tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", compose)
    (tmp_path / "broken.yaml").write_text(compose.read_text().replace("ulimits:", "limits:"))
    with pytest.raises(AssertionError, match="limits"):
        tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", tmp_path / "broken.yaml")


def test_podman_compose_reads_it(tmp_path: Path) -> None:
    read = yaml.safe_load(tool("podman-compose", "-f", CONTAINER / "compose.yaml", "config", WEIGHTS=str(tmp_path), WORK="/data"))
    volumes = read["services"]["openfold3"]["volumes"]
    assert [mount["source"] for mount in volumes] == ["cache", str(tmp_path), "/data"]
    with pytest.raises(AssertionError, match="the directory of the weights"):
        tool("podman-compose", "-f", CONTAINER / "compose.yaml", "config", WEIGHTS="")


def test_yamllint() -> None:
    rules = {"line-length": {"max": 140}, "document-start": "disable", "comments": {"min-spaces-from-content": 1}}
    tool("yamllint", "--strict", "-d", json.dumps({"extends": "default", "rules": rules}), *CONTAINER.rglob("*.yaml"))
