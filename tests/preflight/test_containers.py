"""`sparkdoctor` in real containers, by podman with runc."""

import pytest

from containers import Containers

pytestmark = pytest.mark.containers


def test_the_project_is_installed(containers: Containers) -> None:
    ended = containers.run("sparkdoctor", "--version")
    assert (ended.returncode, ended.stderr) == (0, "")
