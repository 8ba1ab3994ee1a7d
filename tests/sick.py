"""Sick patients and hostile surroundings, arranged for real, and the installed command sent into them.

Always: a report, an exit code of the contract, no traceback, an end within `--timeout` and a second, no child left.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from standins.hosts import nothing_written, script

COMMAND = str(Path(sys.executable).with_name("sparkdoctor"))
ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src" / "sparkdoctor"
BASE = Path(sys.executable).resolve()
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
TORCH = "2.11.0+cu130"
VERSION_PY = f"__version__ = '{TORCH}'\ndebug = False\ncuda: str | None = '13.0'\n"
IMPORTED = "SPARKDOCTOR_TEST_IMPORTED"
MARK = f"import os\nopen(os.environ['{IMPORTED}'], 'a').close()\n"
WORKS = """
from torch.version import __version__
class version:
    cuda = None
class cuda:
    is_available = staticmethod(lambda: False)
"""
"""A PyTorch without CUDA, as far as it is asked."""
CONTRACT = {0, 1, 2, 3}
SLACK = 1.0
NOBODY = 65534

Env = dict[str, str]


class Ended(NamedTuple):
    code: int
    out: bytes
    err: bytes
    seconds: float

    @property
    def document(self) -> dict[str, Any]:
        """Stdout as one JSON document and nothing else."""
        found: dict[str, Any] = json.loads(self.out)
        return found


BACKGROUND = "\n    import time\n    open({pids!r}, 'a').write('%d\\n' % os.getpid())\n    time.sleep(3600)\n"
LEFT = {
    "a child that keeps the pipes": "if os.fork() == 0:" + BACKGROUND,
    "a daemon": "if os.fork() == 0:\n    os.setsid()\n    if os.fork(): os._exit(0)" + BACKGROUND,
    "a daemon that closes all": "if os.fork() == 0:\n    os.setsid()\n    if os.fork(): os._exit(0)\n    os.closerange(0, 256)"
    + BACKGROUND,
    "a daemon without an environment": (
        "import subprocess, sys\nif os.fork() == 0:\n    os.setsid()\n    if os.fork(): os._exit(0)\n"
        "    os.closerange(0, 256)\n    code = \"import os, time; open({pids!r}, 'a').write('%d\\\\n' % os.getpid()); time.sleep(3600)\"\n"
        "    os.execve(sys.executable, [sys.executable, '-S', '-c', code], {{}})\n"
    ),
}
"""What leaves a process behind, which writes its id to the file {pids}."""


def start(
    env: Mapping[str, str] | Mapping[bytes, bytes], *args: str, prefix: tuple[str, ...] = (), **options: Any
) -> subprocess.Popen[bytes]:
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen([*prefix, COMMAND, *args], env=env, **options)


def end(process: subprocess.Popen[bytes], started: float) -> Ended:
    out, err = process.communicate(timeout=30)
    return Ended(process.returncode, out or b"", err or b"", time.monotonic() - started)


def run(env: Mapping[str, str] | Mapping[bytes, bytes], *args: str, **options: Any) -> Ended:
    started = time.monotonic()
    return in_contract(end(start(env, *args, **options), started))


def in_contract(ended: Ended) -> Ended:
    assert ended.code in CONTRACT, ended
    assert b"Traceback" not in ended.out + ended.err, ended.err.decode("utf-8", "replace")
    assert b"sparkdoctor broke" not in ended.err, ended.err.decode("utf-8", "replace")
    return ended


def check(env: Env, *args: str, seconds: float = 5.0, **options: Any) -> dict[str, Any]:
    """Both for a person and as JSON; the document, after both have kept the contract."""
    started = time.monotonic()
    both = [start(env, "check", *args, "--timeout", str(seconds), "--format", form, **options) for form in ("terminal", "json")]
    said, plain = (in_contract(end(process, started)) for process in both)
    for ended in (said, plain):
        assert ended.code in {0, 1, 3}, ended
        assert ended.seconds < seconds + SLACK
    document = plain.document
    assert document["schema"] == "sparkdoctor.report/1"
    assert document["results"]
    assert plain.code == {"failed": 1, "unknown": 3}.get(document["verdict"], 0)
    assert len(said.out.splitlines()) > 5
    assert b"\x1b" not in said.out
    return document


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {result["id"]: result["status"] for result in document["results"]}


def told(document: dict[str, Any]) -> str:
    """All that a report says in words."""
    return json.dumps([document["results"], document["python"], document["machine"]], ensure_ascii=False)


def deep(env: Env, place: Path, *ids: str, seconds: float = 5.0, **options: Any) -> dict[str, Any]:
    """A deep check of the environment in `place`/venv, with leave to dump core; the document, and nothing of it is left."""
    for name in ("tmp", "work"):
        (place / name).mkdir(exist_ok=True)
    python = str(place / "venv" / "bin" / "python")
    options = {"prefix": ("/bin/sh", "-c", 'ulimit -c unlimited; exec "$0" "$@"'), "cwd": place / "work", **options}
    with nothing_written(*(place / name for name in ("tmp", "work", "home", "venv"))):
        started = time.monotonic()
        args = ("--deep", "--python", python, "--format", "json", "--timeout", str(seconds), *ids)
        process = start({"TMPDIR": str(place / "tmp"), **env}, "check", *args, **options)
        ended = in_contract(end(process, started))
    assert ended.seconds < seconds + SLACK
    assert left_in_shm(process.pid) == []
    assert ended.document["deep"] is True
    return ended.document


def result(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(result for result in document["results"] if result["id"] == name)
    return found


def patient(root: Path, init: str = "", version: bytes | None = VERSION_PY.encode()) -> Path:
    """A virtual environment with a PyTorch that shows when it is imported; the site-packages."""
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "python").symlink_to(BASE)
    (root / "pyvenv.cfg").write_text(f"home = {BASE.parent}\ninclude-system-site-packages = false\nversion = {HERE}\n")
    site = root / "lib" / f"python{HERE}" / "site-packages"
    torch = site / "torch"
    (torch / "lib").mkdir(parents=True)
    (torch / "__init__.py").write_text(MARK + init)
    if version is not None:
        (torch / "version.py").write_bytes(version)
    (torch / "lib" / "libtorch_python.so").write_bytes(b"\x7fELF".ljust(64, b"\0") + b"x\0sm_80 sm_90 sm_120\0y\0")
    metadata = site / "torch-2.11.0+cu130.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.11.0+cu130\nRequires-Dist: triton==3.6.0\n")
    return site


def unusable(path: Path, kind: str) -> None:
    """A program that cannot be started."""
    match kind:
        case "not executable":
            path.write_text("#!/bin/sh\n")
        case "directory":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "garbage":
            script(path, "\x01\x02 no program of any kind\n")
        case "lost interpreter":
            script(path, "#!/nowhere/sh\n")
        case "dangling":
            path.symlink_to("/nowhere/program")


def left_in_shm(pid: int) -> list[Path]:
    """What a process of ours has left in the machine's shared memory, which others use too."""
    return list(Path("/dev/shm").glob(f"sparkdoctor-{pid}-*")) if Path("/dev/shm").is_dir() else []


def hidden(place: Path) -> list[int]:
    """The processes that what is in LEFT has started; the last of them has shed every mark."""
    file = place / "pids"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def alive(pid: int) -> bool:
    ends = time.monotonic() + 1
    while time.monotonic() < ends:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                return False
        except OSError:
            return False
        time.sleep(0.01)
    return True
