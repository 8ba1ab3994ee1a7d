"""Real containers, by podman and runc: Debian by debootstrap, with the project's wheel. For tests marked `containers`.

The fixture `containers` gives them; what was built of Debian stays in podman's own storage, the project's image goes with the session.
"""

import contextlib
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tomllib
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SUITE, PYTHON = "bookworm", "3.11"
PACKAGES = ("python3", "python3-venv", "g++", "make", "ninja-build")
"""What is in the image beside Debian's base and the project: Python to run it, and what builds are made with."""
HOME = "/opt/sparkdoctor"
"""The virtual environment in the image that has the project; its command is linked to from /usr/local/bin."""
LIMITS = ("--ulimit", "nofile=20000:20000", "--ulimit", "nproc=5000:5000")
"""podman asks for more by default than every machine gives."""
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet")


class Containers:
    """Containers of one image, without network, removed when they end."""

    def __init__(self, image: str) -> None:
        self.image = image
        self.last = ""
        """The name of the container that was started last."""

    def argv(self, *command: str, options: Sequence[str] = (), name: str | None = None) -> list[str]:
        """What starts a container that runs `command`. `options` are `podman run`'s: mounts, limits, users; the last one wins."""
        return [
            *("podman", "run", "--rm", "--runtime", "runc", "--net=none", *LIMITS),
            *(("--name", name) if name else ()),
            *options,
            self.image,
            *command,
        ]

    def run(
        self, *command: str, options: Sequence[str] = (), stdin: str | None = None, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` in a container to its end, with the text `stdin` (which needs the option -i).

        Where podman itself fails, the test does: nothing else here ends with 125.
        """
        name = unique()
        argv = self.argv(*command, options=options, name=name)
        try:
            ended = subprocess.run(
                argv, input=stdin or "", capture_output=True, text=True, timeout=timeout, check=False, errors="backslashreplace"
            )
        except BaseException:
            remove(name)
            raise
        assert ended.returncode != 125, ended.stderr
        return ended

    @contextlib.contextmanager
    def start(self, *command: str, options: Sequence[str] = ()) -> Iterator[subprocess.Popen[bytes]]:
        """A container at work: podman, to which signals are sent as to the command, with pipes at its outputs; ended at the end."""
        name = self.last = unique()
        argv = self.argv(*command, options=options, name=name)
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            try:
                yield child
            finally:
                remove(name)
                child.kill()


def unique() -> str:
    """A name for a container that no other session uses."""
    return f"sparkdoctor-test-{uuid.uuid4().hex[:12]}"


def remove(name: str) -> None:
    podman("rm", "--force", "--time", "0", name, check=False)


def podman(*words: str, check: bool = True) -> str:
    """What podman says on stdout."""
    ended = subprocess.run(["podman", *words], capture_output=True, text=True, check=False, timeout=600)
    assert not check or ended.returncode == 0, (words, ended.stderr)
    return ended.stdout.strip()


def reason() -> str:
    """Why there can be no containers here; empty where there can."""
    lacking = [name for name in ("podman", "runc", "debootstrap") if shutil.which(name) is None]
    if os.geteuid() != 0:
        return "debootstrap needs root"
    if lacking:
        return f"{', '.join(lacking)}: not installed"
    return "" if importlib.util.find_spec("pip") else "pip is not installed here"


def base(work: Path) -> str:
    """The name of an image with Debian, PACKAGES and what the project depends on; made where there is none yet."""
    needs: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    recipe = repr((SUITE, PYTHON, PACKAGES, needs, HOME, platform.machine()))
    name = f"localhost/sparkdoctor-test-base:{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"
    if podman("images", "--quiet", name):
        return name
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(work / "root")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1200)
    if ended.returncode:
        pytest.skip(f"debootstrap cannot make {SUITE}: {ended.stdout.strip().splitlines()[-1:]}")
    subprocess.run(["tar", "-C", work / "root", "-cf", work / "root.tar", "."], check=True)
    debian = podman("import", "--quiet", str(work / "root.tar"))
    wheels = work / "wheels"
    command = [*PIP, "download", "--only-binary=:all:", "--python-version", PYTHON, "--dest", str(wheels), *needs]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if ended.returncode:
        pytest.skip(f"pip cannot download {needs}: {ended.stderr.strip().splitlines()[-1:]}")
    install = f'python3 -m venv {HOME} && {HOME}/bin/pip install -q --no-index -f /wheels "$@"'
    commit(debian, name, wheels, "sh", "-c", f"{install} && ln -s {HOME}/bin/sparkdoctor /usr/local/bin/", "sh", *needs)
    return name


def image(work: Path) -> str:
    """The name of a fresh image with the project, as it is in the work tree, installed from its wheel."""
    debian, name = base(work), f"localhost/{unique()}:latest"
    alone = () if importlib.util.find_spec("hatchling") is None else ("--no-build-isolation",)
    wheels = work / "project"
    subprocess.run([*PIP, "wheel", "--no-deps", *alone, "--wheel-dir", wheels, ROOT], check=True, timeout=600)
    (wheel,) = wheels.iterdir()
    commit(debian, name, wheels, f"{HOME}/bin/pip", "install", "-q", "--no-index", "--no-deps", f"/wheels/{wheel.name}")
    return name


def commit(start: str, name: str, wheels: Path, *command: str) -> None:
    """An image `name` of what `command` makes of the image `start`, with the directory `wheels` to read from."""
    container = unique()
    argv = ["run", "--runtime", "runc", "--net=none", *LIMITS, "--name", container, "-v", f"{wheels}:/wheels:ro", start, *command]
    try:
        podman(*argv)
        podman("commit", "--quiet", container, name)
    finally:
        remove(container)


def made(work: Path) -> Iterator[Containers]:
    """Containers of the project for a session, or the reason why there are none."""
    if why := reason():
        pytest.skip(why)
    try:
        name = image(work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    yield Containers(name)
    podman("rmi", "--force", name)
