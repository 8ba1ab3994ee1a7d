"""The installed command among faults: another user."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sick import CONTRACT, HERE, NOBODY, ROOT, VERSION_PY, WORKS, Ended, Env, end, patient, statuses, told
from standins.hosts import Witness, nothing_written


class Stranger(NamedTuple):
    """A user who may write nothing, with an interpreter and packages that this user can read."""

    env: Env
    place: Path
    command: tuple[str, ...]
    options: dict[str, Any]

    def run(self, *args: str, **changes: Any) -> Ended:
        env = self.env | changes.pop("env", {})
        started = time.monotonic()
        options = {"cwd": self.place, "stdin": subprocess.DEVNULL, **self.options, **changes}
        process = subprocess.Popen([*self.command, *args], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        ended = end(process, started)
        assert ended.code in CONTRACT, ended
        assert b"Traceback" not in ended.err, ended.err.decode()
        return ended


@pytest.fixture
def stranger(witness: Witness) -> Iterator[Stranger]:
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    options = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    env = {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if "site-packages" in path or path.startswith(str(ROOT))),
    }
    env |= {"PYTHONDONTWRITEBYTECODE": "1", "SPARKDOCTOR_TEST_WITNESS": witness.token}
    place = Path(tempfile.mkdtemp(prefix="sparkdoctor-test-"))
    place.chmod(0o755)
    try:
        for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
            command = (python, "-c", "import sys; from sparkdoctor.cli import main; sys.exit(main())")
            asked: dict[str, Any] = {"cwd": "/", "env": env, "capture_output": True, **options}
            try:
                if subprocess.run([*command, "--version"], check=False, **asked).returncode == 0:
                    break
            except OSError:
                continue
        else:
            pytest.skip("no Python that another user can run has what sparkdoctor needs")
        yield Stranger(env, place, command, options)
    finally:
        shutil.rmtree(place)


def test_a_working_directory_that_cannot_be_read(stranger: Stranger) -> None:
    hidden = stranger.place / "hidden"
    hidden.mkdir(mode=0o700)
    usual = stranger.run("check", "--format", "json")
    document = stranger.run("check", "--format", "json", cwd=hidden).document
    assert statuses(document) == statuses(usual.document)
    assert stranger.run("check", cwd=hidden).out


def test_a_home_and_a_tmpdir_that_cannot_be_written(stranger: Stranger) -> None:
    closed = stranger.place / "closed"
    closed.mkdir(mode=0o555)
    places = {"HOME": str(closed), "TMPDIR": str(closed), "XDG_CACHE_HOME": str(closed)}
    with nothing_written(stranger.place):
        for form in ("terminal", "json", "junit", "markdown"):
            ended = stranger.run("check", "--format", form, env=places)
            assert ended.code in {0, 1}
            assert ended.out
        assert stranger.run("record", "-", env=places).document["answers"]


def test_work_that_takes_its_own_rights_away_leaves_nothing(stranger: Stranger) -> None:
    closed = stranger.place / "closed"
    closed.mkdir(mode=0o555)
    (stranger.place / "packages" / "torch").mkdir(parents=True)
    (stranger.place / "packages" / "torch" / "version.py").write_bytes(VERSION_PY.encode())
    code = (
        "import os\nplace = os.environ['TMPDIR']\nos.makedirs(place + '/a/b')\nopen(place + '/a/b/file', 'w').close()\n"
        f"os.symlink({str(stranger.place)!r}, place + '/link')\nfor name in ('/a/b', '/a', ''): os.chmod(place + name, 0)\n"
    )
    (stranger.place / "packages" / "torch" / "__init__.py").write_text(code + WORKS)
    env = {"HOME": str(closed), "TMPDIR": str(closed)}
    env["PYTHONPATH"] = f"{stranger.place}/packages{os.pathsep}{stranger.env['PYTHONPATH']}"
    before = {path.name for path in Path("/dev/shm").glob("sparkdoctor-*")}
    with nothing_written(stranger.place):
        document = stranger.run("check", "--deep", "--format", "json", "torch-import-dies", env=env).document
    assert statuses(document) == {"torch-import-dies": "ok"}
    mine = {path.name for path in Path("/dev/shm").glob("sparkdoctor-*") if path.stat().st_uid == NOBODY}
    assert mine <= before


def test_a_home_and_packages_that_cannot_be_read(stranger: Stranger) -> None:
    patient(stranger.place / "venv")
    (stranger.place / "venv/lib" / f"python{HERE}" / "site-packages/torch/version.py").chmod(0)
    hidden = stranger.place / "hidden"
    hidden.mkdir(mode=0o700)
    (stranger.place / "venv/bin/python").unlink()
    (stranger.place / "venv/bin/python").symlink_to("/usr/bin/python3")
    places = {
        "HOME": str(hidden),
        "VIRTUAL_ENV": f"{stranger.place}/venv",
        "CUDA_HOME": str(hidden),
        "PATH": f"{hidden}:/usr/bin:/bin",
    }
    document = stranger.run("check", "--format", "json", env=places).document
    assert document["results"]
    assert "Permission denied" in told(document)
