"""The installed command among faults: packages that crash, hang, shout, hide and fight while they are imported."""

from pathlib import Path

import pytest

from sick import IMPORTED, LEFT, WORKS, Env, check, deep, hidden, patient, result, statuses

FAULTS = {
    # How it ends.
    "segfaults": ("import ctypes\nctypes.string_at(0)", "was killed by SIGSEGV"),
    "aborts": ("os.abort()", "was killed by SIGABRT"),
    "kills its process group": ("os.killpg(0, 9)", "was killed by SIGKILL"),
    "exits in C": ("os._exit(0)", "ended with status 0 in the middle of it"),
    "exits with a status": ("os._exit(7)", "exited with status 7"),
    "calls exit": ("import sys\nsys.exit(0)", "raised SystemExit: 0"),
    "raises SystemExit": ("raise SystemExit", "raised SystemExit"),
    "raises KeyboardInterrupt": ("raise KeyboardInterrupt", "raised KeyboardInterrupt"),
    "raises what it is not": ("raise 7", "raised TypeError: exceptions must derive from BaseException"),
    "raises words without end": ("raise OSError('x' * 10**7)", "raised OSError: xxx"),
    "raises half a letter": ("raise OSError('\\udc80')", "raised OSError"),
    "raises without words": (
        "class Mute(Exception):\n    def __str__(self):\n        raise SystemExit(1)\nraise Mute",
        "raised Mute: (its words could not be had: SystemExit)",
    ),
    "is no Python": ("import", "raised SyntaxError: invalid syntax"),
    "has no version": ("", "raised AttributeError: module 'torch' has no attribute '__version__'"),
    # What it prints.
    "prints 100 MB": ("for _ in range(100): os.write(1, b'x' * 1000000)", "printed more than 1 MiB and was ended"),
    "prints 100 MB to stderr": ("for _ in range(100): os.write(2, b'x\\n' * 500000)", "printed more than 1 MiB and was ended"),
    "fills every descriptor": (
        "for number in range(3, 256):\n    try:\n        while True: os.write(number, b'\\xff{' * 500)\n    except OSError: pass",
        "printed more than 1 MiB and was ended",
    ),
    "forges a good end and dies": (
        (
            'line = b\'{"step": 1}\\n{"learnt": 7}\\n\\xff\\0\\n{"step": "\\n[[[\\n{"done": true, "at": 0.5}\\n\'\n'
            "for number in range(3, 256):\n    try: os.write(number, line)\n    except OSError: pass\nos.abort()"
        ),
        "import torch was killed by SIGABRT",
    ),
    # What it does to its surroundings.
    "closes all descriptors": ("os.closerange(3, 256)", "import torch exited with status 1"),
    "puts files in their place": (
        "os.closerange(3, 256)\nfor number in range(20): os.open('/dev/null', os.O_RDWR)",
        "import torch exited with status 1",
    ),
    "forbids descriptors": (
        (
            "import resource\nfor name in ('NOFILE', 'FSIZE', 'CORE', 'CPU'):\n"
            "    limit = getattr(resource, 'RLIMIT_' + name)\n"
            "    resource.setrlimit(limit, (1 if name == 'CPU' else 0, resource.getrlimit(limit)[1]))\nwhile True: pass"
        ),
        "was killed by SIGXCPU",
    ),
    "wants a core file": (
        (
            "import resource\nhard = resource.getrlimit(resource.RLIMIT_CORE)[1]\n"
            "resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))\nos.abort()"
        ),
        "was killed by SIGABRT",
    ),
}
HANGS = {
    "sleeps": "import time\ntime.sleep(3600)",
    "computes": "while True: pass",
    "hangs in C": "import ctypes, signal\nfor number in (2, 15):\n    signal.signal(number, signal.SIG_IGN)\nctypes.CDLL(None).sleep(3600)",
    "blocks all signals": "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile True: signal.pause()",
    "stops itself": "import signal\nos.kill(0, signal.SIGSTOP)",
    "closes everything and sleeps": "import time\nos.closerange(0, 256)\ntime.sleep(3600)",
    "forks without end": "import time\nfor _ in range(50):\n    if os.fork() == 0: break\ntime.sleep(3600)",
}
HARMLESS = {
    "handles all signals": (
        "import signal\nfor number in set(range(1, 32)) - {9, 19}:\n    signal.signal(number, lambda *_: None)\n" + WORKS
    ),
    "starts threads that never end": (
        "import threading\nfor _ in range(3):\n    threading.Thread(target=threading.Event().wait).start()\n" + WORKS
    ),
    "complains at exit": "import atexit\natexit.register(os._exit, 9)\n" + WORKS,
    "deletes its temporary directory": "import shutil\nshutil.rmtree(os.environ['TMPDIR'])\n" + WORKS,
    "deletes where it works": "os.mkdir('gone')\nos.chdir('gone')\nos.rmdir('../gone')\n" + WORKS,
    "clears its environment": "os.environ.clear()\n" + WORKS,
    "has another mask": "os.umask(0o777)\nopen(os.environ['TMPDIR'] + '/file', 'w').close()\n" + WORKS,
    "forks and both come back": "if os.fork() == 0: os.environ['TMPDIR'] = '/nowhere'\n" + WORKS,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_import_that_ends_badly(env: Env, tmp_path: Path, fault: str) -> None:
    code, words = FAULTS[fault]
    patient(tmp_path / "venv", code + "\n")
    found = result(deep(env, tmp_path, "torch-import-dies", seconds=10), "torch-import-dies")
    assert (found["status"], found["summary"].partition(" ")[0]) == ("failed", "import")
    assert words in found["summary"]
    assert len(found["summary"]) < 8000


@pytest.mark.waits
@pytest.mark.parametrize("fault", HANGS)
def test_an_import_that_hangs(env: Env, tmp_path: Path, fault: str) -> None:
    patient(tmp_path / "venv", HANGS[fault] + "\n")
    found = result(deep(env, tmp_path, "torch-import-dies", seconds=1.5), "torch-import-dies")
    assert (found["status"], found["summary"]) == ("failed", "import torch did not answer in time")
    if fault in ("sleeps", "computes", "hangs in C"):  # it is told where
        assert "torch/__init__.py" in " ".join(found["evidence"])


@pytest.mark.parametrize("fault", HARMLESS)
def test_an_import_that_behaves_oddly_and_ends(env: Env, tmp_path: Path, fault: str) -> None:
    patient(tmp_path / "venv", HARMLESS[fault])
    found = result(deep(env, tmp_path, "torch-import-dies", seconds=10), "torch-import-dies")
    assert found["status"] == "ok", found
    assert found["summary"].startswith("PyTorch 2.11.0+cu130")


@pytest.mark.parametrize(
    "code",
    [
        "os.close(1)\nos.close(2)",
        "import sys\nsys.stdout.close()",
        "import sys\nsys.stdout = sys.stderr = None",
        "os.dup2(os.open('/dev/null', os.O_RDWR), 2)",
        "os.dup2(2, 1)",
    ],
)
def test_an_import_that_takes_the_standard_output_away(env: Env, tmp_path: Path, code: str) -> None:
    patient(tmp_path / "venv", code + WORKS)
    found = result(deep(env, tmp_path, "torch-import-dies", seconds=10), "torch-import-dies")
    assert (found["status"], found["summary"]) == (
        "warning",
        "import torch closed or redirected the standard output or error",
    )


@pytest.mark.waits
@pytest.mark.parametrize(
    ("fault", "ends"),
    [
        *((fault, "well") for fault in LEFT),
        ("a daemon", "badly"),
        *(("a daemon without an environment", ends) for ends in ("badly", "never")),
    ],
)
def test_an_import_that_leaves_a_process(env: Env, tmp_path: Path, fault: str, ends: str) -> None:
    wait = f"import time\nwhile not os.path.exists({str(tmp_path / 'pids')!r}): time.sleep(0.01)\n"
    last = {"well": WORKS, "badly": "os.abort()", "never": "time.sleep(3600)"}[ends]
    patient(tmp_path / "venv", LEFT[fault].format(pids=str(tmp_path / "pids")) + wait + last)
    found = result(deep(env, tmp_path, "torch-import-dies", seconds=3 if ends == "never" else 10), "torch-import-dies")
    assert hidden(tmp_path)
    assert found["status"] == ("warning" if ends == "well" else "failed")
    assert ("left a process behind, which was ended: python" in found["summary"]) == (ends == "well")


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("sitecustomize.py", "os.abort()"),
        ("trap.pth", "os._exit(0)"),
        ("sitecustomize.py", "os.closerange(0, 256)\nos.kill(os.getpid(), 11)"),
        ("sitecustomize.py", "import sys\nsys.stderr = None\nraise OSError"),
    ],
)
def test_a_python_that_dies_at_its_start(env: Env, tmp_path: Path, where: str, code: str) -> None:
    site = patient(tmp_path / "venv")
    (site / "sitecustomize.py").write_text("")
    (site / "trap.py").write_text("import os\n" + code + "\n")
    (site / where).write_text("import trap\n")
    document = deep(env, tmp_path, "torch-import-dies", "extension-cannot-build", "torch-cannot-compute", seconds=10)
    found = result(document, "torch-import-dies")
    assert found["status"] == "failed"
    assert found["summary"].endswith("before it came to import torch")
    assert "sitecustomize.py" in found["remedy"]["text"]
    assert {name: status for name, status in statuses(document).items() if status == "ok"} == {}


def test_without_deep_nothing_is_imported(env: Env, tmp_path: Path) -> None:
    patient(tmp_path / "venv", WORKS)
    check(env, "--python", f"{tmp_path}/venv/bin/python")
    assert not Path(env[IMPORTED]).exists()
    deep(env, tmp_path, "torch-import-dies")
    assert Path(env[IMPORTED]).exists()
