"""Sick patients and hostile surroundings, arranged for real, and the installed command sent into them.

Always: a report, an exit code of the contract, no traceback, an end within `--timeout` and a second, no child left.
"""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from standins.hosts import Witness, nothing_written, script

COMMAND = str(Path(sys.executable).with_name("sparkdoctor"))
ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src" / "sparkdoctor"
BASE = Path(sys.executable).resolve()
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
TORCH = "2.11.0+cu130"
VERSION_PY = f"__version__ = '{TORCH}'\ndebug = False\ncuda: str | None = '13.0'\n"
IMPORTED = "SPARKDOCTOR_TEST_IMPORTED"
MARK = f"import os\nopen(os.environ['{IMPORTED}'], 'a').close()\n"
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


@pytest.fixture
def env(tmp_path: Path, witness: Witness) -> Env:
    """A small environment of our own: an empty home, a PATH that begins with an empty directory."""
    (tmp_path / "home").mkdir()
    (tmp_path / "bin").mkdir()
    return {
        "PATH": f"{tmp_path}/bin:/usr/bin:/bin",
        "HOME": f"{tmp_path}/home",
        "LANG": "C.UTF-8",
        "SPARKDOCTOR_TEST_WITNESS": witness.token,
        IMPORTED: f"{tmp_path}/imported",
    }


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


# --- the patient's packages

INITS = {
    "segfaults": "import ctypes\nctypes.string_at(0)\n",
    "hangs": "import time\ntime.sleep(3600)\n",
    "raises OSError": "raise OSError('libcudart.so.13: cannot open shared object file: No such file or directory')\n",
    "prints rubbish": "import sys\nsys.stdout.buffer.write(b'\\xff\\x00\\x1b[2J{' * 1000)\nprint('sparkdoctor-interpreter:{')\n",
    "exits": "os._exit(9)\n",
}


@pytest.mark.parametrize(("init", "how"), [*((init, "--python") for init in INITS), ("segfaults", "VIRTUAL_ENV")])
def test_a_torch_that_cannot_be_imported_is_not_imported(env: Env, tmp_path: Path, init: str, how: str) -> None:
    patient(tmp_path / "venv", INITS[init])
    args = ("--python", f"{tmp_path}/venv/bin/python") if how == "--python" else ()
    document = check(env if args else env | {"VIRTUAL_ENV": f"{tmp_path}/venv"}, *args)
    assert document["machine"]["torch"] == TORCH
    assert document["python"]["path"] == f"{tmp_path}/venv/bin/python"
    assert statuses(document)["torch-lacks-kernels"] != "crashed"
    assert not (tmp_path / "imported").exists()


VERSIONS: dict[str, bytes | None] = {
    "missing": None,
    "empty": b"",
    "binary": bytes(range(256)) * 64,
    "a syntax error": b"__version__ = (\n",
    "long": b"__version__ = '" + b"9" * 1_000_000 + b"'\ncuda = '13.0'\n",
    "a version of nonsense": b"__version__ = '\xff\xfe not a version'\ncuda = 'nor this'\n",
}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_torch_version_file_of_nonsense(env: Env, tmp_path: Path, version: str) -> None:
    patient(tmp_path / "venv", version=VERSIONS[version])
    document = check(env, "--python", f"{tmp_path}/venv/bin/python")
    assert statuses(document)["torch-too-old"] != "ok" or version == "long"
    if version not in ("long", "a version of nonsense"):
        assert "version.py" in told(document)


@pytest.mark.parametrize("name", ["torch/version.py", "torch/lib/libtorch_python.so", "torch-2.11.0+cu130.dist-info/METADATA"])
@pytest.mark.parametrize("kind", ["fifo", "gone", "device"])
def test_a_torch_file_that_is_no_file(env: Env, tmp_path: Path, name: str, kind: str) -> None:
    path = patient(tmp_path / "venv") / name
    path.unlink()
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
    document = check(env, "--python", f"{tmp_path}/venv/bin/python")
    assert document["machine"]["torch"] == (None if "version" in name else TORCH)


def test_a_torch_library_that_has_no_end(env: Env, tmp_path: Path) -> None:
    with (patient(tmp_path / "venv") / "torch/lib/libtorch_python.so").open("ab") as library:
        library.truncate(1 << 40)
    check(env, "--python", f"{tmp_path}/venv/bin/python", seconds=1)


@pytest.mark.parametrize("init", ["segfaults", "raises OSError", "exits", "prints rubbish"])
def test_what_python_runs_at_its_start_is_not_run(env: Env, tmp_path: Path, init: str) -> None:
    site = patient(tmp_path / "venv")
    (site / "sitecustomize.py").write_text(MARK + INITS[init])
    (site / "usercustomize.py").write_text(MARK + INITS[init])
    (site / "trap.pth").write_text(f"import os; open(os.environ['{IMPORTED}'], 'a').close(); os._exit(9)\n")
    (site / "binary.pth").write_bytes(b"\xff\xfe\x00" * 100)
    (site / "__editable___trap_finder.py").write_text(MARK + "MAPPING = {'torch': ['no', 'path']}\n")
    document = check(env, "--python", f"{tmp_path}/venv/bin/python")
    assert document["machine"]["torch"] == TORCH
    assert not (tmp_path / "imported").exists()


def test_an_editable_finder_of_nonsense(env: Env, tmp_path: Path) -> None:
    site = patient(tmp_path / "venv")
    (site / "__editable__.torch.pth").write_text("import __editable___torch_finder; __editable___torch_finder.install()\n")
    (site / "__editable___torch_finder.py").write_text("MAPPING = {'torch': ['no', 'path'], 'triton': None}\n")
    check(env, "--python", f"{tmp_path}/venv/bin/python")


def test_modules_of_the_working_directory_are_not_taken_for_the_standard_library(env: Env, tmp_path: Path) -> None:
    for name in ("json", "os", "site", "sysconfig", "wire", "pynvml", "ctypes", "torch", "click", "selectors", "ast"):
        (tmp_path / f"{name}.py").write_text(MARK + "os._exit(9)\n")
    patient(tmp_path / "venv")
    document = check(env, "--python", f"{tmp_path}/venv/bin/python", cwd=tmp_path)
    assert document["machine"]["torch"] == TORCH
    assert not (tmp_path / "imported").exists()


# --- the patient's interpreter

NONSENSE = '{"version": null, "include": 7, "modules": {"torch": {"origin": "\\u0000/x"}}, "distributions": [[1, 2], "x", null]}'
INTERPRETERS = {
    "hangs": ("exec sleep 3600", 0.8),
    "hangs and will not go": ("trap '' TERM INT HUP; while :; do sleep 1; done", 0.8),
    "hangs after a word": ("echo sparkdoctor-interpreter:; exec sleep 3600", 0.8),
    "exits 7": ("exit 7", 5),
    "segfaults": ("ulimit -c 0; kill -SEGV $$", 5),
    "says nothing": ("exit 0", 5),
    "never ends to talk": ("exec yes rubbish", 5),
    "talks noise": ("exec cat /dev/urandom", 5),
    "talks noise to stderr": ("exec cat /dev/urandom >&2", 5),
    "leaves a child": ("sleep 3600 & exit 0", 5),
    "answers less": ("echo 'sparkdoctor-interpreter:{\"version\": 1}'", 5),
    "answers another type": ("echo 'sparkdoctor-interpreter:[1]'", 5),
    "answers nonsense": (f"echo '\nsparkdoctor-interpreter:{NONSENSE}'", 5),
    "answers without end": ("printf sparkdoctor-interpreter:; head -c 200000 /dev/zero | tr '\\0' '['", 5),
    "answers escapes": ("printf 'no\\033[2J\\033]0;title\\007\\n' >&2; exit 1", 5),
}


@pytest.mark.parametrize("kind", INTERPRETERS)
def test_an_interpreter_that_is_none(env: Env, tmp_path: Path, witness: Witness, kind: str) -> None:
    code, seconds = INTERPRETERS[kind]
    path = str(script(tmp_path / "python", f"#!/bin/sh\n{code}\n"))
    document = check(env, "--python", path, seconds=seconds)
    found = statuses(document)
    assert "Python" in told(document) if "hangs" in kind else path in told(document)
    assert found["torch-missing"] in ("failed", "crashed")
    assert "ok" not in (found["torch-lacks-kernels"], found["torch-too-old"], found["triton-missing"])
    assert statuses(document)["disk-low"] != "crashed"
    assert witness.alive() == []


@pytest.mark.parametrize("kind", ["missing", "not executable", "directory", "fifo", "garbage", "dangling", "lost interpreter"])
def test_an_interpreter_that_cannot_be_started(env: Env, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "venv" / "bin" / "python"
    path.parent.mkdir(parents=True)
    unusable(path, kind)
    document = check(env | {"SPARKDOCTOR_PYTHON": str(path)})
    assert str(path) in told(document)
    document = check(env | {"VIRTUAL_ENV": f"{tmp_path}/venv"})
    assert statuses(document)["torch-missing"] in ("failed", "crashed")
    asked = run(env, "check", "--python", str(path))
    if kind not in ("garbage", "lost interpreter"):
        assert asked.code == 2
        assert asked.out == b""
        assert str(path) in asked.err.decode()
        assert len(asked.err.splitlines()) == 1


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


# --- the driver

MODES: tuple[str, ...] = (
    "mismatch",
    "not-loaded",
    "unknown",
    "no-permission",
    "lost",
    "nonsense",
    "garbage",
    "no-devices",
    "segfault-load",
)
MODES += ("segfault-init", "abort", "hang-init", "hang-name", "healthy")


@pytest.mark.parametrize("mode", MODES)
def test_an_nvml_that_is_sick(env: Env, nvml_library: Path, witness: Witness, mode: str) -> None:
    document = check(env | {"LD_LIBRARY_PATH": str(nvml_library), "FAKE_NVML": mode}, seconds=0.8 if "hang" in mode else 5)
    found = statuses(document)
    assert found["disk-low"] != "crashed"
    assert (document["machine"]["gpu"] == "NVIDIA GB10") == (mode == "healthy")
    if mode == "mismatch":
        assert found["driver-library-mismatch"] == "failed"
    if mode == "healthy":
        assert found["compute-capability-mismatch"] == "ok"
    elif mode != "nonsense" and "hang" not in mode:
        assert "failed" in {found["driver-missing"], found["gpu-not-visible"], found["driver-library-mismatch"]}
    assert witness.alive() == []


@pytest.mark.parametrize("kind", ["text", "empty", "directory", "dangling", "fifo", "torn", "zero", "another library"])
def test_an_nvml_that_is_no_library(env: Env, tmp_path: Path, nvml_library: Path, witness: Witness, kind: str) -> None:
    path = tmp_path / "lib" / "libnvidia-ml.so.1"
    path.parent.mkdir()
    match kind:
        case "text":
            path.write_text("not a library\n")
        case "empty":
            path.touch()
        case "torn":
            path.write_bytes((nvml_library / "libnvidia-ml.so.1").read_bytes()[:600])
        case "zero":
            path.write_bytes(bytes(10_000))
        case "another library":
            path.symlink_to(next(Path("/usr/lib").glob("*-linux-gnu/libc.so.6"), Path("/lib/libc.so.6")))
        case _:
            unusable(path, kind)
    document = check(env | {"LD_LIBRARY_PATH": str(path.parent)}, seconds=0.8 if kind == "fifo" else 5)
    assert document["machine"]["gpu"] is None
    assert statuses(document)["gpu-not-visible"] != "ok"
    assert witness.alive() == []


SMI = {
    "hangs": ("exec sleep 3600", 0.8),
    "fails": ("echo 'NVIDIA-SMI has failed' >&2; exit 9", 5),
    "talks nonsense": ("head -c 3000 /dev/urandom", 5),
    "never ends to talk": ("exec yes 'NVIDIA GB10, 99'", 5),
    "sees none and is content": ("echo 'No devices were found'", 5),
    "sees none": ("echo 'No devices were found'; exit 6", 5),
    "segfaults": ("ulimit -c 0; kill -SEGV $$", 5),
    "answers": ("echo 'NVIDIA GB10, 12.1'", 5),
}


@pytest.mark.parametrize("kind", SMI)
def test_an_nvidia_smi_that_is_sick(env: Env, tmp_path: Path, nvml_library: Path, witness: Witness, kind: str) -> None:
    code, seconds = SMI[kind]
    script(tmp_path / "bin" / "nvidia-smi", f"#!/bin/sh\n{code}\n")
    document = check(env | {"LD_LIBRARY_PATH": str(nvml_library), "FAKE_NVML": "segfault-init"}, seconds=seconds)
    assert (document["machine"]["gpu"] == "NVIDIA GB10") == (kind == "answers")
    assert witness.alive() == []


@pytest.mark.parametrize("kind", ["not executable", "directory", "fifo", "garbage", "dangling", "lost interpreter"])
def test_an_nvidia_smi_that_cannot_be_started(env: Env, tmp_path: Path, nvml_library: Path, kind: str) -> None:
    unusable(tmp_path / "bin" / "nvidia-smi", kind)
    document = check(env | {"LD_LIBRARY_PATH": str(nvml_library), "FAKE_NVML": "segfault-init"})
    assert document["machine"]["gpu"] is None


# --- the compilers

TOOLS = {
    "hangs": ("exec sleep 3600", 0.8),
    "segfaults": ("ulimit -c 0; kill -SEGV $$", 5),
    "talks noise": ("exec cat /dev/urandom", 5),
    "fails": ("exit 3", 5),
    "says nothing": ("exit 0", 5),
    "names a version of nonsense": ("echo 'release 99999999999999999999.99999999999999999999, V1.2.3'", 5),
    "plans nonsense": ("printf '#$ CICC_PATH=\\000\\377\\n#$ _HERE_=/dev/zero\\n-D__CUDACC_VER_MAJOR__=13' >&2", 5),
}


def tools(env: Env, tmp_path: Path, where: str) -> tuple[tuple[Path, ...], Env]:
    """Where an nvcc, a ptxas, a C and a C++ compiler are looked for, and the environment that says so."""
    site = patient(tmp_path / "venv")
    (site / "triton" / "backends" / "nvidia" / "bin").mkdir(parents=True)
    (site / "triton" / "__init__.py").write_text(MARK + "__version__ = '3.6.0'\n")
    (tmp_path / "cuda" / "bin").mkdir(parents=True)
    nvcc = {
        "PATH": tmp_path / "bin" / "nvcc",
        "CUDA_HOME": tmp_path / "cuda" / "bin" / "nvcc",
        "PYTORCH_NVCC": tmp_path / "nvcc",
    }[where]
    named = {"CUDA_HOME": {"CUDA_HOME": f"{tmp_path}/cuda"}, "PYTORCH_NVCC": {"PYTORCH_NVCC": str(nvcc)}}.get(where, {})
    ptxas, c, cxx = site / "triton/backends/nvidia/bin/ptxas-blackwell", tmp_path / "cc", tmp_path / "c++"
    return (nvcc, ptxas, c, cxx), env | named | {"VIRTUAL_ENV": f"{tmp_path}/venv", "CC": str(c), "CXX": str(cxx)}


@pytest.mark.parametrize("where", ["PATH", "PYTORCH_NVCC"])
@pytest.mark.parametrize("kind", TOOLS)
def test_compilers_that_are_sick(env: Env, tmp_path: Path, witness: Witness, where: str, kind: str) -> None:
    code, seconds = TOOLS[kind]
    paths, env = tools(env, tmp_path, where)
    for path in paths:
        script(path, f"#!/bin/sh\n{code}\n")
    document = check(env, seconds=seconds)
    found = statuses(document)
    assert found["disk-low"] != "crashed"
    if kind != "names a version of nonsense":
        assert "ok" not in (found["nvcc-lacks-architecture"], found["triton-ptxas-too-old"])
    assert not (tmp_path / "imported").exists()
    assert witness.alive() == []


@pytest.mark.parametrize("where", ["CUDA_HOME"])
@pytest.mark.parametrize("kind", ["missing", "not executable", "directory", "fifo", "garbage", "dangling", "lost interpreter"])
def test_compilers_that_cannot_be_started(env: Env, tmp_path: Path, where: str, kind: str) -> None:
    paths, env = tools(env, tmp_path, where)
    for path in paths:
        unusable(path, kind)
    found = statuses(check(env))
    assert found["triton-ptxas-too-old"] != "ok"
    assert found["nvcc-lacks-architecture"] != "ok"


VALUES = [
    "",
    " ",
    "/",
    "\x1b[2J\x1b]0;x\x07",
    "../..",
    "x" * 100_000,
    "-1",
    "9" * 400,
    "a b;c",
    "$(reboot)",
    "12.1+PTX;;sm_x;12.1f",
    "nan",
]
VARIABLES: tuple[str, ...] = (
    "CUDA_HOME",
    "TORCH_CUDA_ARCH_LIST",
    "MAX_JOBS",
    "TRITON_PTXAS_PATH",
    "TRITON_PTXAS_BLACKWELL_PATH",
    "NVCC_THREADS",
)
VARIABLES += ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "DS_NVCC_THREADS", "PYENV_VERSION", "VIRTUAL_ENV", "CONDA_PREFIX")


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_variables_of_nonsense(env: Env, tmp_path: Path, value: str) -> None:
    patient(tmp_path / "venv")
    check(env | dict.fromkeys(VARIABLES, value), "--python", f"{tmp_path}/venv/bin/python")


@pytest.mark.parametrize("form", ["terminal", "json", "junit", "markdown"])
def test_variables_that_are_no_text(env: Env, form: str) -> None:
    raw = {name.encode(): value.encode() for name, value in env.items()}
    raw |= {name.encode(): b"/\xff\xfe\xed\xa0\x80\x1b[31m" for name in VARIABLES}
    ended = run(raw, "check", "--format", form, "--timeout", "5")
    ended.out.decode("utf-8")
    if form == "json":
        assert ended.document["results"]
    if form == "junit":
        assert ET.fromstring(ended.out).find("testsuite") is not None


# --- the surroundings


@pytest.mark.parametrize("form", ["terminal", "json"])
@pytest.mark.parametrize(
    "closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full", "</dev/full >/dev/null 2>&1"]
)
def test_standard_streams_that_are_closed_or_full(env: Env, closed: str, form: str) -> None:
    prefix = ("/bin/sh", "-c", f'exec "$0" "$@" {closed}')
    started = time.monotonic()
    ended = end(start(env, "check", "--format", form, "--timeout", "5", prefix=prefix), started)
    assert ended.code in {0, 1, 3}
    assert b"Traceback" not in ended.err
    assert b"Exception ignored" not in ended.err
    assert ended.seconds < 5 + SLACK


def test_closed_streams_change_no_result(env: Env, tmp_path: Path) -> None:
    """The files that compilers are given must not stand where the compiler's own streams are."""
    want = "#!/bin/sh\nfor last; do case $last in /proc/self/fd/*) grep -q __global__ $last && found=1;; esac; done\n"
    script(tmp_path / "bin" / "nvcc", f'{want}[ "$1" = --version ] || [ "$found" ] || exit 4\necho release 13.0, V13.0.88\n')
    env |= {"PYTORCH_NVCC": f"{tmp_path}/bin/nvcc"}
    expected = check(env)
    assert statuses(expected)["nvcc-lacks-architecture"] == "ok"
    for closed in ("<&-", ">&-", "<&- >&-", "<&- >&- 2>&-"):
        report = tmp_path / "report.json"
        prefix = ("/bin/sh", "-c", f'exec "$0" "$@" {closed}')
        run(env, "check", "--format", "json", "--output", str(report), prefix=prefix)
        assert statuses(json.loads(report.read_text())) == statuses(expected), closed


@pytest.mark.parametrize(
    "args",
    [
        ("check",),
        ("check", "-v"),
        ("check", "--format", "json"),
        ("list",),
        ("explain", "shm-too-small"),
        ("record", "-"),
        ("--help",),
    ],
    ids=" ".join,
)
def test_a_reader_who_has_gone(env: Env, args: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    started = time.monotonic()
    ended = end(start(env, *args, stdout=writing), started)
    os.close(writing)
    assert ended.code in CONTRACT
    assert ended.err == b""


@pytest.mark.parametrize("args", ["check", "check --format json", "list", "record -", "check --help"])
def test_a_reader_of_one_line(env: Env, args: str) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash to ask how each part of a pipeline ended")
    code = f'"{COMMAND}" {args} | head -1; echo "${{PIPESTATUS[0]}}" >&2'
    ended = subprocess.run([bash, "-c", code], env=env, capture_output=True, check=False)
    assert int(ended.stderr) in CONTRACT
    assert len(ended.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    "setting",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "nonsense"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=str,
)
def test_a_terminal_that_knows_few_letters(env: Env, setting: Env) -> None:
    check(env | setting)
    codec = setting.get("PYTHONIOENCODING", "ascii" if "PYTHONUTF8" in setting else "utf-8")
    for form in ("terminal", "markdown", "junit"):
        ended = run(env | setting, "check", "-v", "--format", form)
        assert "driver" in ended.out.decode(codec)
        assert ended.err == b""


@pytest.mark.parametrize("home", ["unset", "empty", "missing", "relative", "file", "fifo", "root"])
def test_a_home_that_is_none(env: Env, tmp_path: Path, home: str) -> None:
    path = tmp_path / "elsewhere"
    match home:
        case "unset":
            del env["HOME"]
        case "empty":
            env["HOME"] = ""
        case "relative":
            env["HOME"] = "./no/home"
        case "root":
            env["HOME"] = "/"
        case _:
            env["HOME"] = str(path)
            if home == "file":
                path.touch()
            if home == "fifo":
                os.mkfifo(path)
    check(env)
    for form in ("markdown", "junit"):
        assert run(env, "check", "--format", form).out
    assert run(env, "record", "-").document["answers"]


def test_an_empty_environment(tmp_path: Path) -> None:
    check({}, cwd=tmp_path)
    assert run({}, "record", "-").document["answers"]
    assert run({}, "list").code == 0


def test_an_environment_of_a_thousand_variables(env: Env) -> None:
    check(env | {f"VARIABLE_{number}": "x" * 100 for number in range(1000)})


def test_a_path_of_nonsense(env: Env, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    check(env | {"PATH": f":::{tmp_path}/fifo:/dev/null:relative:{'x' * 5000}:\x01:/usr/bin:/bin"})
    check(env | {"PATH": ""})


def test_a_working_directory_that_was_deleted(env: Env, tmp_path: Path) -> None:
    usual = check(env)
    prefix = ("/bin/sh", "-c", 'mkdir gone.$$ && cd gone.$$ && rmdir ../gone.$$ && exec "$0" "$@"')
    assert statuses(check(env, cwd=tmp_path, prefix=prefix)) == statuses(usual)
    patient(tmp_path / "venv")
    document = check(env, "--python", f"{tmp_path}/venv/bin/python", cwd=tmp_path, prefix=prefix)
    assert document["machine"]["torch"] == TORCH
    assert run(env, "check", "--python", "sh", cwd=tmp_path, prefix=prefix).code in {0, 1}
    assert run(env, "check", "--python", "./no", cwd=tmp_path, prefix=prefix).code == 2


@pytest.mark.parametrize(
    "setting", [{"TERM": "dumb"}, {"NO_COLOR": "1"}, {"TERM": ""}, {"TERM": "nonsense"}, {"TERM": "xterm-256color"}], ids=str
)
def test_a_pipe_gets_no_escape_sequences(env: Env, setting: Env) -> None:
    assert b"\x1b" not in run(env | setting, "check", "-v").out


def on_terminal(env: Env, *args: str) -> bytes:
    """What the command writes to a real (pseudo) terminal."""
    leader, follower = os.openpty()
    process = start(env, *args, stdout=follower, stderr=follower)
    os.close(follower)
    parts: list[bytes] = []
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        ready, _, _ = select.select([leader], [], [], 0.1)
        try:
            chunk = os.read(leader, 1 << 16) if ready else None
        except OSError:  # the other side is closed
            break
        if chunk == b"":
            break
        parts += [chunk] if chunk else []
    os.close(leader)
    assert process.wait(5) in {0, 1}
    return b"".join(parts)


@pytest.mark.parametrize(
    ("setting", "coloured"),
    [({"TERM": "xterm-256color"}, True), ({"TERM": "dumb"}, False), ({"TERM": "xterm", "NO_COLOR": "1"}, False)],
    ids=str,
)
def test_a_terminal_gets_colours_unless_it_does_not_want_them(env: Env, setting: Env, coloured: bool) -> None:
    said = on_terminal(env | setting, "check")
    assert b"driver-missing" in said
    assert (b"\x1b[1;31m" in said) == coloured
    assert (re.search(rb"\x1b\[[0-9;]*3[0-7]m", said) is not None) == coloured
    assert b"Traceback" not in said


def test_colours_are_forced_only_by_force_color(env: Env) -> None:
    assert b"\x1b[" in run(env | {"FORCE_COLOR": "1"}, "check").out
    assert b"\x1b" not in run(env | {"FORCE_COLOR": "1"}, "check", "--format", "json").out
    assert run(env | {"FORCE_COLOR": "1"}, "check", "--format", "json").document


def test_a_file_gets_no_colours(env: Env, tmp_path: Path) -> None:
    run(env | {"FORCE_COLOR": "1", "TERM": "xterm"}, "check", "--output", f"{tmp_path}/report.txt")
    assert b"\x1b" not in (tmp_path / "report.txt").read_bytes()


@pytest.mark.parametrize("mode", ["no library", "mismatch", "healthy"])
@pytest.mark.parametrize("columns", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal(env: Env, tmp_path: Path, nvml_library: Path, columns: int, mode: str) -> None:
    patient(tmp_path / "venv")
    env |= {"COLUMNS": str(columns), "VIRTUAL_ENV": f"{tmp_path}/venv"}
    if mode != "no library":
        env |= {"LD_LIBRARY_PATH": str(nvml_library), "FAKE_NVML": mode}
    lines = run(env, "check", "-v").out.decode().splitlines()
    assert not [line for line in lines if len(line) > columns and not line.startswith("      ")]
    assert max(map(len, lines)) > columns / 2


@pytest.mark.parametrize("columns", ["0", "-5", "1", "nonsense", "9" * 30, ""])
def test_a_width_of_nonsense(env: Env, columns: str) -> None:
    check(env | {"COLUMNS": columns, "LINES": columns})


@pytest.mark.parametrize("seconds", [0.001, 0.05])
def test_no_time_at_all(env: Env, witness: Witness, seconds: float) -> None:
    check(env, seconds=seconds)
    assert witness.alive() == []


def test_everything_hangs_at_once(env: Env, tmp_path: Path, nvml_library: Path, witness: Witness) -> None:
    slow = script(tmp_path / "slow", "#!/bin/sh\nexec sleep 3600\n")
    for name in ("nvidia-smi", "nvcc", "gcc", "c++", "cc", "python3"):
        (tmp_path / "bin" / name).symlink_to(slow)
    env |= {"LD_LIBRARY_PATH": str(nvml_library), "FAKE_NVML": "hang-init", "SPARKDOCTOR_PYTHON": str(slow), "CC": str(slow)}
    document = check(env, seconds=2)
    assert statuses(document)["disk-low"] != "crashed"
    assert witness.alive() == []
    ended = run(env, "record", "-", "--timeout", "2")
    assert ended.seconds < 2 + SLACK
    assert ended.document["answers"]
    assert witness.alive() == []


def test_the_default_time_is_kept_by_a_hanging_driver(env: Env, nvml_library: Path, witness: Witness) -> None:
    ended = run(env | {"LD_LIBRARY_PATH": str(nvml_library), "FAKE_NVML": "hang-init"}, "check", "--format", "json")
    assert ended.seconds < 10 + SLACK
    assert "did not answer in time" in told(ended.document)
    assert statuses(ended.document)["gpu-not-visible"] == "failed"
    assert witness.alive() == []


# --- an end in the middle


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
@pytest.mark.parametrize("hanging", ["python", "nvcc", "nvml"])
def test_a_signal_leaves_nothing_behind(
    env: Env, tmp_path: Path, nvml_library: Path, witness: Witness, number: signal.Signals, hanging: str
) -> None:
    slow = script(tmp_path / "slow", f"#!/bin/sh\necho $$ >> {tmp_path}/began\nexec sleep 3600\n")
    match hanging:
        case "python":
            env["SPARKDOCTOR_PYTHON"] = str(slow)
        case "nvcc":
            env["PYTORCH_NVCC"] = str(slow)
        case "nvml":  # and nvidia-smi, which is asked when NVML is gone
            env |= {"LD_LIBRARY_PATH": str(nvml_library), "FAKE_NVML": "hang-init"}
            (tmp_path / "bin" / "nvidia-smi").symlink_to(slow)
    started = time.monotonic()
    process = start(env, "check", "--timeout", "30")
    while time.monotonic() < started + 5 and not (tmp_path / "began").exists():
        time.sleep(0.02)
        if hanging == "nvml" and time.monotonic() > started + 1:
            break
    time.sleep(0.1)
    process.send_signal(number)
    ended = end(process, time.monotonic())
    assert ended.seconds < SLACK
    assert ended.code in {128 + number, -number}
    assert b"Traceback" not in ended.err
    assert witness.alive() == []
    assert left_in_shm(process.pid) == []


def left_in_shm(pid: int) -> list[Path]:
    """What a process of ours has left in the machine's shared memory, which others use too."""
    return list(Path("/dev/shm").glob(f"sparkdoctor-{pid}-*")) if Path("/dev/shm").is_dir() else []


@pytest.mark.parametrize("where", ["nvcc", "everything"])
def test_a_deadline_leaves_nothing_behind(env: Env, tmp_path: Path, witness: Witness, where: str) -> None:
    slow = script(tmp_path / "slow", "#!/bin/sh\necho x > $TMPDIR/scratch\nsleep 3600\n")
    env |= {"PYTORCH_NVCC": str(slow), "TMPDIR": str(tmp_path)} | ({"CC": str(slow)} if where == "everything" else {})
    for seconds in ("0.3", "1"):
        process = start(env, "check", "--timeout", seconds)
        ended = end(process, time.monotonic())
        assert ended.seconds < float(seconds) + SLACK
        assert witness.alive() == []
        assert left_in_shm(process.pid) == []


# --- nothing is written


def snapshot(*places: Path) -> dict[str, tuple[int, int]]:
    """Every path below these places with its size and the time it was changed."""
    found = {}
    for place in places:
        for base, folders, files in os.walk(place):
            for path in (base, *(os.path.join(base, name) for name in (*folders, *files))):
                status = os.lstat(path)
                found[path] = (status.st_mtime_ns, status.st_size)
    return found


@pytest.fixture
def busy(env: Env, tmp_path: Path, nvml_library: Path) -> Env:
    """An environment where everything that a check can ask is there to be asked."""
    site = patient(tmp_path / "venv")
    (site / "triton" / "backends" / "nvidia" / "bin").mkdir(parents=True)
    (site / "triton" / "__init__.py").write_text(MARK + "__version__ = '3.6.0'\n")
    tool = "#!/bin/sh\necho 'Cuda compilation tools, release 13.0, V13.0.88'\n"
    script(site / "triton" / "backends" / "nvidia" / "bin" / "ptxas-blackwell", tool)
    # The real one wants a temporary directory for a dry run, too.
    script(tmp_path / "bin" / "nvcc", tool + "[ $1 = --version ] || echo x > ${TMPDIR:-/tmp}/scratch.$$\n")
    for name in ("work", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "home" / "file").write_text("mine\n")
    return env | {
        "VIRTUAL_ENV": f"{tmp_path}/venv",
        "TMPDIR": f"{tmp_path}/tmp",
        "XDG_CACHE_HOME": f"{tmp_path}/home/cache",
        "LD_LIBRARY_PATH": str(nvml_library),
    }


@pytest.mark.parametrize(
    "args",
    [("check",), ("check", "-v", "--format", "markdown"), ("record", "-"), ("list",), ("explain", "disk-low")],
    ids=" ".join,
)
def test_nothing_is_written(busy: Env, tmp_path: Path, args: tuple[str, ...]) -> None:
    before = snapshot(tmp_path)
    process = start(busy, *args, cwd=tmp_path / "work")
    assert end(process, time.monotonic()).code in {0, 1}
    assert snapshot(tmp_path) == before
    assert left_in_shm(process.pid) == []


def namespace() -> tuple[str, ...]:
    """What runs a command where mounts are its own, if we may; /dev/shm is empty there."""
    prefix = ("unshare", "-m", "/bin/sh", "-ec")
    probe = "mount -t tmpfs tmpfs /dev/shm"
    if os.getuid() != 0 or subprocess.run([*prefix, probe], capture_output=True, check=False).returncode != 0:
        pytest.skip("only root in a machine that lets it mount can arrange this")
    return prefix


def test_shared_memory_is_left_as_it_was(busy: Env, tmp_path: Path) -> None:
    code = 'mount -t tmpfs tmpfs /dev/shm; "$0" "$@" || true; ls -A /dev/shm >&2'
    ended = run(busy, "check", prefix=(*namespace(), code), cwd=tmp_path)
    assert ended.out
    assert ended.err == b""


def test_a_machine_that_cannot_be_written(busy: Env, tmp_path: Path) -> None:
    """Every file system read-only, shared memory too: the kernel sees to it that nothing is written."""
    usual = check(busy)
    code = (
        "mount -t tmpfs tmpfs /dev/shm; mount -o remount,ro /dev/shm; mount --bind / /; "
        'mount -o remount,ro,bind /; cd /; exec "$0" "$@"'
    )
    document = check(busy, prefix=(*namespace(), code), cwd=tmp_path)
    assert document["machine"]["torch"] == TORCH
    changed = {name for name, status in statuses(document).items() if status != statuses(usual)[name]}
    assert changed <= {
        "nvcc-lacks-architecture",
        "nvcc-missing",
        "nvcc-torch-mismatch",
        "cuda-newer-than-driver",
        "shm-too-small",
        "cuda-home-wrong",
    }


GARBLED = [
    "/proc/meminfo",
    "/proc/pressure/memory",
    "/proc/self/cgroup",
    "/proc/self/mountinfo",
    "/proc/1/cgroup",
    "/etc/os-release",
    "/sys/class/dmi/id/product_name",
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory.events",
    "/var/lib/dpkg/status",
]


@pytest.mark.parametrize("content", ["empty", "noise", "long", "fifo", "numbers"])
def test_system_files_of_nonsense(env: Env, tmp_path: Path, content: str) -> None:
    prefix = namespace()
    path = tmp_path / "nonsense"
    match content:
        case "fifo":
            os.mkfifo(path)
        case "noise":
            path.write_bytes(os.urandom(10_000))
        case "long":
            path.write_bytes(b"MemTotal: 1 kB " * 1_000_000)
        case "numbers":
            path.write_text(
                "MemTotal: 99999999999999999999999999 kB\nMemAvailable: -5 kB\n0::/../../..\n"
                "some avg10=nan avg60=inf\noom_kill x\n"
            )
        case _:
            path.touch()
    places = " ".join(f'"{place.replace("/self/", "/$$/")}"' for place in GARBLED)
    code = (
        f"for place in {places}; do if [ -e $place ]; then mount --bind {path} $(readlink -f $place) || true; "
        f'fi; done; exec "$0" "$@"'
    )
    check(env, prefix=(*prefix, code))


# --- another user


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


# --- the clock


def test_durations_are_measured_on_a_clock_that_cannot_be_set() -> None:
    wall = re.compile(r"\btime\.(time|time_ns|localtime|gmtime|ctime|strftime)\(|\bdatetime\b|\bgetmtime\b")
    files = [*SOURCES.rglob("*.py")]
    assert files
    assert not [f"{path}: {line}" for path in files for line in path.read_text().splitlines() if wall.search(line)]


CLOCK = """
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>
static long at = 1000000000;
int clock_gettime(clockid_t id, struct timespec *t) {
    if (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE) return (int)syscall(SYS_clock_gettime, id, t);
    at -= 100000; t->tv_sec = at; t->tv_nsec = 0; return 0;
}
int gettimeofday(struct timeval *restrict t, void *restrict zone) {
    (void)zone; at -= 100000; t->tv_sec = at; t->tv_usec = 0; return 0;
}
time_t time(time_t *t) { at -= 100000; if (t) *t = at; return at; }
"""


def test_a_clock_that_runs_backwards(env: Env, tmp_path: Path, compiler: str) -> None:
    (tmp_path / "clock.c").write_text(CLOCK)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", tmp_path / "clock.so", tmp_path / "clock.c"], check=True)
    usual = check(env)
    document = check(env | {"LD_PRELOAD": f"{tmp_path}/clock.so"})
    assert statuses(document) == statuses(usual)
    assert 0 <= document["seconds"] < 5


def test_limits_that_leave_hardly_a_thing(env: Env) -> None:
    """Few open files, no core, little stack: what a batch system gives."""
    limits: tuple[tuple[str, Callable[[dict[str, Any]], bool]], ...] = (
        ("ulimit -n 64", lambda document: document["verdict"] != "unknown"),
        ("ulimit -c 0; ulimit -s 1024", lambda document: statuses(document)["stack-limit-low"] == "failed"),
        ("ulimit -f 0", lambda document: document["verdict"] != "unknown"),
    )
    for limit, holds in limits:
        assert holds(check(env, prefix=("/bin/sh", "-c", f'{limit}; exec "$0" "$@"'))), limit
