"""Extensions that a real PyTorch has built, broken in every way that happens, and told by `sparkdoctor check`.

Marked `real`: the PyTorch is the one of the fixture `patient`.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from crashing import treat
from remedies import asked, planned
from sparkdoctor.architecture import Architecture, Capability
from sparkdoctor.facts import Extensions
from sparkdoctor.host import LocalHost, Question
from standins.hosts import Elsewhere, Witness, machine_of, nothing_written, script
from test_real_binaries import TOOLKIT, installed

HEADER = '#define NAME "tinyext"\n'
SOURCE = """\
#include <Python.h>
#include "tiny.h"
static PyModuleDef definition = {PyModuleDef_HEAD_INIT, NAME, 0, -1, 0, 0, 0, 0, 0};
PyMODINIT_FUNC PyInit_tinyext(void) { return PyModule_Create(&definition); }
"""
LOAD = """\
import sys, warnings
warnings.simplefilter("ignore")
from torch.utils.cpp_extension import load
print(load(name="tinyext", sources=[sys.argv[1] + "/tiny.cpp"], extra_include_paths=[sys.argv[1]]).__name__)
"""
IDS = (
    "ninja-missing",
    "extension-cache-locked",
    "extension-cache-incomplete",
    "extension-cache-foreign",
    "extension-cache-shared",
    "extension-cache-writable-by-others",
)
Told = dict[str, dict[str, Any]]


def environment(patient: Path, root: Path, **more: str) -> dict[str, str]:
    """As in an activated environment whose extensions go to `root`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TORCH_", "TRITON_", "XDG_", "CXX"))}
    return {**kept, "PATH": f"{patient}:/usr/local/bin:/usr/bin:/bin", "TORCH_EXTENSIONS_DIR": str(root), **more}


def load(patient: Path, env: Mapping[str, str], source: Path) -> subprocess.CompletedProcess[str]:
    command = [str(patient / "python"), "-c", LOAD, str(source)]
    return subprocess.run(command, env=env, check=False, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="session")
def original(patient: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sources of an extension, and a cache in which PyTorch has built it."""
    place = tmp_path_factory.mktemp("original")
    (place / "source").mkdir()
    (place / "source" / "tiny.cpp").write_text(SOURCE)
    (place / "source" / "tiny.h").write_text(HEADER)
    ran = load(patient, environment(patient, place / "root"), place / "source")
    assert ran.stdout == "tinyext\n", ran.stderr
    return place


@pytest.fixture
def root(original: Path, tmp_path: Path) -> Path:
    """A copy of that cache with its times, which PyTorch and ninja take for the same."""
    return Path(shutil.copytree(original / "root", tmp_path / "root"))


@pytest.fixture
def told(patient: Path, root: Path) -> Callable[..., Told]:
    """What `sparkdoctor check` says of the cache, by id; it changes nothing there."""

    def state() -> dict[str, tuple[int, bytes]]:
        return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in root.rglob("*") if path.is_file()}

    def tell(ids: tuple[str, ...] = IDS, **more: str) -> Told:
        command = [sys.executable, "-m", "sparkdoctor", "check", "--format", "json", *ids, "--python", str(patient / "python")]
        before = state()
        with nothing_written(root):
            env = environment(patient, root, **more)
            ran = subprocess.run(command, env=env, check=False, capture_output=True, text=True, timeout=60)
        assert state() == before
        return {result["id"]: result for result in json.loads(ran.stdout)["results"]}

    return tell


def statuses(told: Told, status: str) -> set[str]:
    return {name.removeprefix("extension-cache-") for name, result in told.items() if result["status"] == status}


@pytest.mark.real
def test_a_whole_extension_is_well(told: Callable[..., Told]) -> None:
    found = told()
    assert statuses(found, "ok") | {"writable-by-others"} == {name.removeprefix("extension-cache-") for name in IDS}, found


def cut(path: Path, size: int) -> None:
    times = path.stat()
    os.truncate(path, size)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def locked_ruin(path: Path) -> None:
    (path / "lock").touch()
    (path / "tinyext.so").unlink()


BREAKS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    # what is done to the directory; the check that tells it; its words
    "truncated build.ninja": (lambda path: cut(path / "build.ninja", 100), "incomplete", "breaks off"),
    "build.ninja cut in its last line": (
        lambda path: cut(path / "build.ninja", (path / "build.ninja").stat().st_size - 5),
        "incomplete",
        "breaks off",
    ),
    "missing build.ninja": (lambda path: (path / "build.ninja").unlink(), "incomplete", "does not exist"),
    "empty build.ninja": (lambda path: cut(path / "build.ninja", 0), "incomplete", "is empty"),
    "missing object": (lambda path: (path / "tiny.o").unlink(), "incomplete", "tiny.o does not exist"),
    "missing library": (lambda path: (path / "tinyext.so").unlink(), "incomplete", "tinyext.so does not exist"),
    "truncated library": (lambda path: cut(path / "tinyext.so", 8000), "incomplete", "cut off: 8000"),
    "empty library": (lambda path: cut(path / "tinyext.so", 0), "incomplete", "is no library"),
    "missing log": (lambda path: (path / ".ninja_log").unlink(), "incomplete", "not found in log"),
    "missing dependencies": (lambda path: (path / ".ninja_deps").unlink(), "incomplete", "deps for 'tiny.o' are missing"),
    "leftover lock": (lambda path: (path / "lock").touch(), "locked", "no process has it open"),
    "leftover lock on a ruin": (locked_ruin, "locked", "no process has it open"),
    "another Python's": (
        lambda path: replace(path / "build.ninja", "/include/python3.", "/include/python3.4"),
        "foreign",
        "it was compiled for Python 3.4",
    ),
    "another PyTorch's": (
        lambda path: replace(path / "build.ninja", "/site-packages/torch/", "/gone-packages/torch/"),
        "foreign",
        "/gone-packages/torch is gone",
    ),
    "another processor's": (lambda path: other_machine(path / "tinyext.so"), "foreign", "its library is for"),
}


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def other_machine(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[18:20] = (62 if os.uname().machine == "aarch64" else 183).to_bytes(2, "little")
    path.write_bytes(data)


@pytest.mark.real
@pytest.mark.parametrize("what", BREAKS)
def test_what_is_broken_is_told_once(root: Path, told: Callable[..., Told], what: str) -> None:
    damage, check, words = BREAKS[what]
    damage(root / "tinyext")
    found = told()
    assert statuses(found, "failed") - {"writable-by-others"} == {check}, found
    result = found[f"extension-cache-{check}"]
    assert words in " ".join(result["evidence"])
    assert str(root / "tinyext") in result["remedy"]["command"]


@pytest.mark.real
def test_the_remedy_for_a_lock_lets_pytorch_go_on(patient: Path, original: Path, root: Path, told: Callable[..., Told]) -> None:
    (root / "tinyext" / "lock").touch()
    command = told()["extension-cache-locked"]["remedy"]["command"]
    subprocess.run(["/bin/sh", "-c", command], check=True)
    assert sorted(path.name for path in (root / "tinyext").iterdir() if not path.name.startswith(".")) == [
        "build.ninja",
        "tiny.o",
        "tinyext.so",
    ]
    assert load(patient, environment(patient, root), original / "source").stdout == "tinyext\n"


@pytest.mark.real
def test_the_remedy_for_a_library_that_was_cut_off_lets_pytorch_go_on(
    patient: Path, original: Path, root: Path, told: Callable[..., Told]
) -> None:
    cut(root / "tinyext" / "tinyext.so", 8000)
    assert load(patient, environment(patient, root), original / "source").returncode == -signal.SIGBUS
    command = told()["extension-cache-incomplete"]["remedy"]["command"]
    subprocess.run(["/bin/sh", "-c", command], check=True)
    assert load(patient, environment(patient, root), original / "source").stdout == "tinyext\n"
    assert statuses(told(), "failed") <= {"writable-by-others"}  # what was moved aside is not judged again


@pytest.mark.real
def test_a_header_that_is_newer_is_told_and_by_files_alone_it_is_not(
    original: Path, root: Path, told: Callable[..., Told], tmp_path: Path
) -> None:
    header = original / "source" / "tiny.h"
    times = header.stat()
    os.utime(header)
    try:
        found = told()["extension-cache-incomplete"]
        assert found["status"] == "failed"
        assert "older than most recent input" in found["evidence"][0]
        (tmp_path / "empty").mkdir()
        alone = told(PATH=str(tmp_path / "empty"))
        assert "no ninja to ask" in alone["extension-cache-incomplete"]["summary"]
        assert alone["ninja-missing"]["status"] == "failed"
        assert "/bin/ninja is there" in alone["ninja-missing"]["evidence"][0]
    finally:
        os.utime(header, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.real
def test_a_ninja_of_another_version_would_delete_the_logs_but_not_here(root: Path, told: Callable[..., Told]) -> None:
    replace(root / "tinyext" / ".ninja_log", "# ninja log v", "# ninja log v9")
    found = told()["extension-cache-incomplete"]
    assert found["status"] == "failed"
    assert (root / "tinyext" / ".ninja_log").read_text().startswith("# ninja log v9")


def waited_for(happens: Callable[[], object], seconds: float = 60) -> None:
    ends = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < ends
        time.sleep(0.05)


@pytest.fixture
def slow(patient: Path, original: Path, root: Path, tmp_path: Path, witness: Witness) -> Iterator[subprocess.Popen[bytes]]:
    """A real build whose compiler takes its time; what is left of it is ended afterwards."""
    compiler = script(
        tmp_path / "slow" / "c++", f'#!/bin/sh\ncase "$*" in *-c*) sleep 60;; esac\nexec {shutil.which("c++")} "$@"\n'
    )
    shutil.rmtree(root / "tinyext")
    env = environment(patient, root, CXX=str(compiler), SPARKDOCTOR_TEST_WITNESS=witness.token)
    build = subprocess.Popen([str(patient / "python"), "-c", LOAD, str(original / "source")], env=env, stderr=subprocess.DEVNULL)
    try:
        waited_for(lambda: (root / "tinyext" / "build.ninja").exists() and len(witness._alive()) > 2)
        yield build
    finally:
        build.kill()
        build.wait()
        end(witness)


def end(witness: Witness) -> None:
    for pid in witness._alive():
        os.kill(pid, signal.SIGKILL)
    waited_for(lambda: not witness._alive())


@pytest.mark.real
def test_a_live_build_is_no_fault_and_a_killed_one_is(
    slow: subprocess.Popen[bytes], root: Path, told: Callable[..., Told], witness: Witness
) -> None:
    found = told()
    assert statuses(found, "failed") <= {"writable-by-others"}, found
    assert f"(pid {slow.pid}) has {root}/tinyext/lock" in found["extension-cache-locked"]["summary"]

    slow.send_signal(signal.SIGKILL)
    slow.wait()
    found = told()
    assert statuses(found, "failed") - {"writable-by-others"} == {"locked"}, found
    assert "was killed, but ninja" in found["extension-cache-locked"]["summary"]
    assert found["extension-cache-locked"]["remedy"]["command"].startswith("tail --pid=")

    end(witness)
    found = told()
    assert statuses(found, "failed") - {"writable-by-others"} == {"locked"}, found
    assert "by a build that has ended" in found["extension-cache-locked"]["summary"]


@pytest.mark.real
def test_a_shell_in_the_directory_holds_no_lock(root: Path, told: Callable[..., Told], witness: Witness) -> None:
    (root / "tinyext" / "lock").touch()
    with subprocess.Popen(["/bin/sh", "-c", "read x; exit"], cwd=root / "tinyext", stdin=subprocess.PIPE) as shell:
        assert "by a build that has ended" in told()["extension-cache-locked"]["summary"]
        shell.communicate(b"\n")


@pytest.mark.real
def test_two_pythons_in_one_root_are_told(root: Path, told: Callable[..., Told]) -> None:
    shutil.copytree(root / "tinyext", root / "other")
    for name, new in (("/include/python3.", "/include/python3.4"), ("tinyext", "other")):
        replace(root / "other" / "build.ninja", name, new)
    shutil.move(root / "other" / "tinyext.so", root / "other" / "other.so")
    found = told()
    assert statuses(found, "failed") - {"writable-by-others"} == {"foreign", "shared"}, found
    assert "export TORCH_EXTENSIONS_DIR=" in found["extension-cache-shared"]["remedy"]["command"]


@pytest.mark.real
@pytest.mark.parametrize("what", [".", "tinyext", "tinyext/tinyext.so", "tinyext/build.ninja", "tinyext/tiny.o"])
def test_what_everybody_may_write_is_told(root: Path, told: Callable[..., Told], what: str) -> None:
    (root / what).chmod(0o777)
    result = told()["extension-cache-writable-by-others"]
    assert result["status"] == "failed"
    assert any(f"{os.path.normpath(root / what)} (mode 0777) may be written by everybody" in line for line in result["evidence"])
    subprocess.run(["/bin/sh", "-c", result["remedy"]["command"].replace("sudo ", "")], check=True)
    assert told()["extension-cache-writable-by-others"]["status"] == "ok"


# --- where

ROOTS: dict[str, dict[str, str | None]] = {
    "usual": {},
    "variable": {"TORCH_EXTENSIONS_DIR": "/{tmp}/set"},
    "variable with a slash and dots": {"TORCH_EXTENSIONS_DIR": "/{tmp}/a/../set/"},
    "relative variable": {"TORCH_EXTENSIONS_DIR": "set/here"},
    "empty variable": {"TORCH_EXTENSIONS_DIR": ""},
    "XDG": {"XDG_CACHE_HOME": "/{tmp}/xdg"},
    "empty XDG": {"XDG_CACHE_HOME": ""},
    "relative XDG": {"XDG_CACHE_HOME": "xdg"},
    "both": {"XDG_CACHE_HOME": "/{tmp}/xdg", "TORCH_EXTENSIONS_DIR": "/{tmp}/set"},
    "linked home": {"HOME": "/{tmp}/link"},
    "home with a slash": {"HOME": "/{tmp}/home//"},
}


@pytest.mark.real
@pytest.mark.parametrize("what", ROOTS)
def test_the_root_is_the_one_that_pytorch_takes(
    patient: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "link").symlink_to("home")
    for name in ("TORCH_EXTENSIONS_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SPARKDOCTOR_PYTHON", str(patient / "python"))
    monkeypatch.chdir(tmp_path)
    for name, value in ROOTS[what].items():
        monkeypatch.setenv(name, (value or "").replace("/{tmp}", str(tmp_path)))
    ours = machine_of(Elsewhere()).get(Extensions)
    assert isinstance(ours, Extensions), ours
    code = "import os, torch.utils.cpp_extension as c; print(os.path.realpath(c._get_build_directory('op', False)))"
    ran = subprocess.run([str(patient / "python"), "-W", "ignore", "-c", code], check=True, capture_output=True, text=True)
    assert f"{ours.root.path}/op" == ran.stdout.strip()
    again = machine_of(Elsewhere()).get(Extensions)  # it exists now
    assert isinstance(again, Extensions)
    assert again.root.path == ours.root.path
    assert again.root.status is not None


# --- GPU code

KERNEL = '__global__ void k(int *p) { *p = 1; }\nextern "C" void go(int *p) { k<<<1, 1>>>(p); }\n'
GENCODES: dict[str, list[str]] = {
    "arch=compute_121,code=sm_121": ["sm_121"],
    "arch=compute_121a,code=sm_121a": ["sm_121a"],
    "arch=compute_120f,code=sm_120f": ["sm_120f"],
    "arch=compute_90,code=[sm_90,compute_90]": ["compute_90", "sm_90"],
    "arch=compute_90a,code=[sm_90a,compute_90a] arch=compute_80,code=sm_80": ["compute_90a", "sm_80", "sm_90a"],
    "arch=compute_120,code=compute_120": ["compute_120"],
}


@installed
@pytest.mark.real
@pytest.mark.parametrize("flags", GENCODES)
def test_gpu_code_is_what_nvcc_was_asked_for(tmp_path: Path, flags: str) -> None:
    (tmp_path / "k.cu").write_text(KERNEL)
    (tmp_path / "l.cu").write_text(KERNEL.replace("k(", "l(").replace("k<", "l<").replace("go", "gone"))
    library = tmp_path / "k.so"
    codes = [f"-gencode={flag}" for flag in flags.split()]
    sources = [str(tmp_path / "k.cu"), str(tmp_path / "l.cu")]  # two objects: two containers in one section
    command = [str(TOOLKIT / "bin" / "nvcc"), "-shared", "-cudart", "none", "-Xcompiler", "-fPIC", *codes, "-o", str(library)]
    subprocess.run([*command, *sources], check=True)
    found = LocalHost().answer(Question("gpu_code", (str(library),)), 5)
    assert sorted(found) == GENCODES[flags]
    fits = any(Architecture.parse(name).runs_on(Capability(12, 1)) for name in found)
    assert fits is (flags != "arch=compute_90a,code=[sm_90a,compute_90a] arch=compute_80,code=sm_80")


@pytest.fixture
def fixed(patient: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], object]:
    """Does what a fix plans for the cache."""
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(root))
    monkeypatch.setenv("PATH", f"{patient}:/usr/local/bin:/usr/bin:/bin")
    monkeypatch.setenv("SPARKDOCTOR_PYTHON", str(patient / "python"))
    return lambda fix: treat(tmp_path / "state", planned(asked(fix, machine_of(Elsewhere()))).steps)


@pytest.mark.real
@pytest.mark.parametrize("what", ["missing library", "truncated library", "missing object", "missing log"])
def test_what_is_rebuilt_is_what_pytorch_would_have_built(
    patient: Path, original: Path, root: Path, fixed: Callable[[str], object], what: str
) -> None:
    BREAKS[what][0](root / "tinyext")
    fixed("rebuild-extension")
    assert (root / "tinyext.aside").is_dir()
    command = [str(patient / "ninja"), "-C", str(root / "tinyext"), "-n"]
    assert "no work to do" in subprocess.run(command, check=True, capture_output=True, text=True).stdout
    made = (root / "tinyext" / "tinyext.so").stat().st_mtime_ns
    ran = load(patient, environment(patient, root), original / "source")
    assert ran.stdout == "tinyext\n", ran.stderr
    assert (root / "tinyext" / "tinyext.so").stat().st_mtime_ns == made


@pytest.mark.real
def test_who_waits_for_a_lock_goes_on_when_it_is_cleared(
    patient: Path, original: Path, root: Path, fixed: Callable[[str], object]
) -> None:
    lock = root / "tinyext" / "lock"
    lock.touch()
    command = [str(patient / "python"), "-X", "importtime", "-c", LOAD, str(original / "source")]
    env = environment(patient, root)
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stderr is not None
        assert any("torch.utils.file_baton" in line for line in waiting.stderr)  # it is about to meet the lock
        fixed("clear-extension-lock")
        out, _ = waiting.communicate(timeout=120)
    assert (waiting.returncode, out) == (0, "tinyext\n")
    assert not lock.exists()
