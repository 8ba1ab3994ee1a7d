"""Real compilers and real Tritons, asked as on a user's machine.

What pip has to download first (40 to 200 MB a wheel, kept in pytest's cache) is marked `real`; the rest takes the toolkit that is
installed and is skipped where there is none.
"""

import ast
import functools
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

import pytest

from sparkdoctor import profiles
from sparkdoctor.architecture import Capability
from sparkdoctor.facts import CudaHome, Nvcc, Triton, TritonCompile, ptxas
from sparkdoctor.facts.triton import BLACKWELL, PLAIN
from sparkdoctor.host import LocalHost
from sparkdoctor.machine import Machine
from sparkdoctor.model import Broken, Missing
from standins.hosts import Elsewhere, Witness, machine_of, nothing_written, script

FATAL = "Value '{0}' is not defined for option 'gpu-name'"
Fetch = Callable[..., Path]


def toolkit() -> Path | None:
    """The installed CUDA toolkit, where a build would look for it."""
    homes = [os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"]
    on_path = shutil.which("nvcc")
    places = [Path(home) for home in homes if home] + ([Path(on_path).resolve().parents[1]] if on_path else [])
    return next((place for place in places if all((place / "bin" / name).is_file() for name in ("nvcc", "ptxas"))), None)


TOOLKIT = toolkit() or Path("/nowhere")
installed = pytest.mark.skipif(toolkit() is None, reason="no CUDA toolkit (CUDA_HOME, PATH, /usr/local/cuda)")


@pytest.fixture(scope="session")
def fetch(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Fetch:
    """Downloads a wheel for this machine and unpacks the members that a pattern names, once."""

    def get(project: str, version: str, wanted: str, heads: str = r"(?!)") -> Path:
        cache = pytestconfig.cache
        assert cache is not None
        place = Path(cache.mkdir("sparkdoctor-wheels")) / f"{project}-{version}"
        if (place / "done").exists():
            return place
        shutil.rmtree(place, ignore_errors=True)
        wheels = tmp_path_factory.mktemp("wheels")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(wheels)]
        ran = subprocess.run([*command, f"{project}=={version}"], check=False, capture_output=True, text=True, timeout=540)
        if ran.returncode:
            pytest.skip(f"pip cannot download {project} {version}: {ran.stderr.strip().splitlines()[-1:]}")
        (wheel,) = wheels.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                if re.search(wanted, member.filename):
                    path = Path(archive.extract(member, place))
                    path.chmod(member.external_attr >> 16 & 0o777 or 0o644)
                elif re.search(heads, member.filename):
                    (place / member.filename).parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(member) as file:
                        (place / member.filename).write_bytes(file.read(64))
        wheel.unlink()
        (place / "done").touch()
        return place

    return get


@pytest.fixture
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, witness: Witness) -> Iterator[Path]:
    """An empty working directory that is TMPDIR too; asking must leave nothing in it, in /dev/shm or running."""
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("TMPDIR", str(place))
    for variable in (PLAIN, BLACKWELL, "NVCC_APPEND_FLAGS", "NVCC_PREPEND_FLAGS", "PYTORCH_NVCC", "CUDA_HOME", "CUDA_PATH"):
        monkeypatch.delenv(variable, raising=False)
    with nothing_written(place):
        yield place
    assert witness.alive() == []


def asked(path: Path) -> ptxas.Ptxas:
    found = ptxas.ask(machine_of(Elsewhere()), str(path), ("sm_121a", "sm_121", "sm_120a", "sm_120", "sm_90a", "sm_122"))
    assert isinstance(found, ptxas.Ptxas), found
    return found


# --- ptxas


@installed
def test_the_ptxas_of_the_installed_toolkit(clean: Path) -> None:
    found = asked(TOOLKIT / "bin" / "ptxas")
    assert FATAL.format("sm_122") in found.refusals["sm_122"]
    assert {name for name, words in found.refusals.items() if not words} >= {"sm_90a", "sm_120", "sm_120a"}
    assert (found.refusals["sm_121a"] == "") is (found.release >= (12, 9))


@pytest.mark.real
@pytest.mark.parametrize(("version", "knows"), [("12.8.93", False), ("12.9.86", True)])
def test_a_ptxas_from_pypi(fetch: Fetch, clean: Path, version: str, knows: bool) -> None:
    place = fetch("nvidia-cuda-nvcc-cu12", version, r"bin/ptxas$")
    found = asked(place / "nvidia" / "cuda_nvcc" / "bin" / "ptxas")
    assert (found.version, found.release) == (version, tuple(map(int, version.split(".")[:2])))
    for name in ("sm_121a", "sm_121"):
        assert found.refusals[name] == ("" if knows else f"ptxas fatal   : {FATAL.format(name)}")
    assert found.refusals["sm_120a"] == found.refusals["sm_120"] == found.refusals["sm_90a"] == ""
    assert FATAL.format("sm_122") in found.refusals["sm_122"]


# --- nvcc


@installed
@pytest.mark.parametrize("through", ["CUDA_HOME", "PATH", "wrapper"])
def test_the_installed_nvcc_is_asked_for_a_gb10(
    clean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, through: str
) -> None:
    if through == "CUDA_HOME":
        monkeypatch.setenv("CUDA_HOME", str(TOOLKIT))
        path = f"{TOOLKIT}/bin/nvcc"
    elif through == "PATH":
        monkeypatch.setenv("PATH", f"{TOOLKIT}/bin:/usr/bin:/bin")
        path = f"{TOOLKIT}/bin/nvcc"
    else:  # as distributions wrap it
        path = str(script(tmp_path / "opt" / "bin" / "nvcc", f'#!/bin/sh\nexec {TOOLKIT}/bin/nvcc "$@"\n'))
        monkeypatch.setenv("PATH", f"{tmp_path}/opt/bin:/usr/bin:/bin")
    machine = machine_of(Elsewhere())
    found, home = machine.get(Nvcc), machine.get(CudaHome)
    assert isinstance(found, Nvcc), found
    assert isinstance(home, CudaHome)
    assert (found.path, home.variable) == (path, "CUDA_HOME" if through == "CUDA_HOME" else None)
    assert (found.refusals[121] == "") is (found.release >= (12, 9))
    assert found.lacks is None


@installed
def test_an_nvcc_without_its_other_compilers_says_which(clean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "cuda"
    (home / "bin").mkdir(parents=True)
    for name in ("nvcc", "nvcc.profile", "ptxas"):
        shutil.copy(TOOLKIT / "bin" / name, home / "bin" / name)
    monkeypatch.setenv("CUDA_HOME", str(home))
    found = machine_of(Elsewhere()).get(Nvcc)
    assert isinstance(found, Nvcc), found
    assert found.lacks is not None
    assert found.lacks.endswith(("/cicc", "/cudafe++"))


# What nvcc of CUDA 12.8 prints: its own format (run for compute_122 with 13.0), and user reports for compute_121.
NVCC_12_8 = """\
#!/bin/sh
case "$*" in
*--version*)
  echo 'nvcc: NVIDIA (R) Cuda compiler driver'
  echo 'Copyright (c) 2005-2025 NVIDIA Corporation'
  echo 'Built on Fri_Feb_21_20:23:50_PST_2025'
  echo 'Cuda compilation tools, release 12.8, V12.8.93'
  echo 'Build cuda_12.8.r12.8/compiler.35583870_0' ;;
*compute_121*) echo "nvcc fatal   : Unsupported gpu architecture 'compute_121'" >&2; exit 1 ;;
*) printf '#$ _HERE_=/usr/bin\\n' >&2 ;;
esac
"""


def test_an_nvcc_of_cuda_12_8_refuses_a_gb10(clean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path / "cuda" / "bin" / "nvcc", NVCC_12_8)
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "cuda"))
    found = machine_of(Elsewhere()).get(Nvcc)
    assert isinstance(found, Nvcc), found
    assert (found.version, found.release) == ("12.8.93", (12, 8))
    assert found.refusals[121] == "nvcc fatal   : Unsupported gpu architecture 'compute_121'"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "does not exist"),
        ("#!/bin/sh\nexit 1\n", "exited with status 1 and names no version"),
        ("#!/bin/sh\necho 'I am a teapot'\n", "exited with status 0 and names no version: I am a teapot"),
        ("#!/bin/sh\nulimit -c 0; kill -SEGV $$\n", "was killed by SIGSEGV and names no version"),
        ("#!/nowhere/python\n", "does not exist"),
    ],
)
def test_an_nvcc_that_does_not_work_says_how(
    clean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, words: str
) -> None:
    if text is not None:
        script(tmp_path / "cuda" / "bin" / "nvcc", text)
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "cuda"))
    found = machine_of(Elsewhere()).get(Nvcc)
    assert isinstance(found, Missing)
    assert isinstance(found, Broken) is (words != "does not exist")
    assert words in found.reason
    assert f"{tmp_path}/cuda/bin/nvcc" in found.reason


# --- Triton: real packages, compared with what their own knobs.py does

CLASSES = ("env_base", "NvidiaTool", "env_nvidia_tool")


def knobs_of(root: Path) -> dict[str, Any]:
    """The classes of a Triton's knobs.py that choose a tool, with a plain getenv: 3.5 and later import theirs from libtriton.so."""
    import typing

    source = (root / "knobs.py").read_text()
    strips = "res.strip()" in source  # 3.4 has a getenv of its own that strips blanks
    space: dict[str, Any] = {
        "__file__": str(root / "knobs.py"),
        "__name__": __name__,  # where dataclass looks names up
        **{name: getattr(typing, name) for name in ("Callable", "Optional", "Type", "TypeVar", "Union")},
        "Generic": Generic,
        "SetType": typing.TypeVar("SetType"),
        "GetType": typing.TypeVar("GetType"),
        "_NOTHING": object(),
        "dataclass": dataclass,
        **{module.__name__: module for module in (functools, os, re, subprocess, sysconfig)},
        "getenv": lambda key: value.strip() if strips and (value := os.environ.get(key)) is not None else os.environ.get(key),
    }
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name in CLASSES:
            code = ast.Module([ast.parse("from __future__ import annotations").body[0], node], [])
            exec(compile(code, space["__file__"], "exec"), space)  # the patient's own rule is what is tested
    assert all(name in space for name in CLASSES)
    return space


def triton_itself(root: Path, tool: str) -> tuple[str, str] | str:
    """(path, version) of the tool that Triton's own code takes, or the name of the error with which it stops."""
    space = knobs_of(root)
    holder = type("Knobs", (), {"tool": space["env_nvidia_tool"](tool)})
    try:
        found = holder().tool
    except Exception as error:  # noqa: BLE001
        return type(error).__name__
    return found.path, found.version


@pytest.fixture(scope="session")
def tritons(fetch: Fetch) -> Callable[[str], Path]:
    """Makes the directory of an installed Triton, as its wheel lays it out."""

    def get(version: str) -> Path:
        wanted = r"^triton/(__init__|knobs)\.py$|^triton/backends/nvidia/(compiler\.py|bin/ptxas[^/]*)$|dist-info/METADATA$"
        return fetch("triton", version, wanted, heads=r"^triton/_C/libtriton\.so$")

    return get


RELEASES = {
    # Triton: the tool it takes for 12.1, its variable, the version of the bundled one, and whether that one knows sm_121a
    "3.4.0": ("ptxas", PLAIN, "12.8.93", False),
    "3.5.1": ("ptxas", PLAIN, "12.8.93", False),
    "3.6.0": ("ptxas-blackwell", BLACKWELL, "12.9.86", True),
}
VALUES = ["unset", "right", "missing file", "not executable", "directory", "empty", "nonzero", "no version", "other processor"]


def value_of(kind: str, place: Path, real: Path) -> str | None:
    """What a variable holds."""
    thing = place / "ptxas"
    match kind:
        case "unset":
            return None
        case "empty":
            return ""
        case "right":
            return str(real)
        case "not executable":
            thing.write_bytes(b"#!/bin/sh\necho release 13.0, V13.0.88\n")
        case "directory":
            thing.mkdir()
        case "nonzero":
            script(thing, "#!/bin/sh\necho release 13.0, V13.0.88\nexit 1\n")
        case "no version":
            script(thing, "#!/bin/sh\necho hello\n")
        case "other processor":
            head = bytearray(Path("/bin/sh").resolve().read_bytes()[:4096])
            head[18:20] = (183 if os.uname().machine != "aarch64" else 62).to_bytes(2, "little")
            thing.write_bytes(head)
            thing.chmod(0o755)
    return str(thing)


def examined(site: Path, monkeypatch: pytest.MonkeyPatch) -> Triton:
    monkeypatch.setenv("SPARKDOCTOR_PYTHON", sys.executable)
    monkeypatch.setenv("PYTHONPATH", str(site))
    found = machine_of(Elsewhere()).get(Triton)
    assert isinstance(found, Triton), found
    return found


@pytest.mark.real
@pytest.mark.parametrize("version", RELEASES)
def test_an_installed_triton(tritons: Callable[[str], Path], clean: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    name, knob, bundled, knows = RELEASES[version]
    site = tritons(version)
    found = examined(site, monkeypatch)
    assert (found.version, found.root, found.knobs) == (version, os.path.realpath(site / "triton"), {})
    assert found.machine == os.uname().machine
    assert found.tools[121] == (name, knob)
    assembler = found.assemblers[121]
    assert isinstance(assembler, ptxas.Ptxas)
    assert assembler.version == bundled
    assert (assembler.refusals["sm_121a"] == "") is knows


@installed
@pytest.mark.real
@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("version", RELEASES)
def test_the_ptxas_variable_does_what_triton_does_with_it(
    tritons: Callable[[str], Path], clean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, value: str
) -> None:
    site = tritons(version)
    name, knob, bundled, _ = RELEASES[version]
    text = value_of(value, tmp_path, TOOLKIT / "bin" / "ptxas")
    if text is not None:
        monkeypatch.setenv(knob, text)
    theirs = triton_itself(site / "triton", name)
    found = examined(site, monkeypatch)
    ours = found.assemblers[121]
    if isinstance(theirs, str):
        assert isinstance(ours, Broken), f"Triton {version} stops with {theirs}; we say {ours}"
        assert str(text) in ours.reason
        return
    assert isinstance(ours, ptxas.Ptxas)
    assert (os.path.realpath(ours.path), ours.release) == (os.path.realpath(theirs[0]), tuple(map(int, theirs[1].split("."))))
    assert found.overridden[121] is (theirs[0] == text)
    if value != "right":
        assert ours.version == bundled


@installed
@pytest.mark.real
@pytest.mark.parametrize("version", RELEASES)
def test_the_other_variable_is_ignored(
    tritons: Callable[[str], Path], clean: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    site = tritons(version)
    name, knob, bundled, _ = RELEASES[version]
    other = BLACKWELL if knob == PLAIN else PLAIN
    monkeypatch.setenv(other, str(TOOLKIT / "bin" / "ptxas"))
    theirs, found = triton_itself(site / "triton", name), examined(site, monkeypatch)
    ours = found.assemblers[121]
    assert isinstance(ours, ptxas.Ptxas)
    assert theirs == (str(site / "triton" / "backends" / "nvidia" / "bin" / name), ".".join(bundled.split(".")[:2]))
    assert ours.version == bundled
    assert found.overridden[121] is False
    assert set(found.knobs) == {other}


@pytest.mark.real
@pytest.mark.parametrize(("version", "compiles"), [("3.5.1", False), ("3.6.0", True), ("3.9.0", True)])
def test_a_triton_at_work(
    pytestconfig: pytest.Config, clean: Path, monkeypatch: pytest.MonkeyPatch, version: str, compiles: bool
) -> None:
    """For a GB10, with no GPU: as `check --deep` does it."""
    assert pytestconfig.cache is not None
    place = Path(pytestconfig.cache.mkdir("sparkdoctor-tritons")) / version
    if not (place / "done").exists():
        shutil.rmtree(place, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--target", str(place)]
        ran = subprocess.run([*command, f"triton=={version}"], check=False, capture_output=True, text=True, timeout=540)
        if ran.returncode:
            pytest.skip(f"pip cannot install triton {version}: {ran.stderr.strip().splitlines()[-1:]}")
        (place / "done").touch()
    monkeypatch.setenv("PYTHONPATH", str(place))
    machine = Machine(LocalHost(sys.executable), profiles.load("dgx-spark"), timeout=120.0, deep=True)
    found = machine.get(TritonCompile)
    assert isinstance(found, TritonCompile), found
    assert found.course.learnt("import triton") == {"version": version}
    trouble = found.course.trouble
    assert (trouble is None) is compiles
    if trouble:
        assert (
            trouble.words
            == f"compile for sm_121 raised PTXASError: PTXAS error: Internal Triton PTX codegen error (ptxas fatal   : {FATAL.format('sm_121a')})"
        )
    else:
        assert found.course.learnt("compile for sm_121")["bytes"] > 1000


@pytest.mark.real
@pytest.mark.parametrize("version", RELEASES)
def test_a_triton_without_its_ptxas_is_told(
    tritons: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    site = tmp_path / "site"
    shutil.copytree(tritons(version), site, ignore=shutil.ignore_patterns("ptxas*"))
    for knob in (PLAIN, BLACKWELL):
        monkeypatch.delenv(knob, raising=False)
    ours = examined(site, monkeypatch).assemblers[121]
    assert isinstance(ours, Missing)
    assert "ptxas" in ours.reason
    assert "does not exist" in ours.reason


def test_a_gb10_is_what_the_profile_asks_for() -> None:
    assert machine_of(Elsewhere()).profile.compute_capability == Capability(12, 1)
