"""Real DeepSpeeds, from the first that understands nothing of 12.1 to the last, asked for their flags as on a user's machine.

pip builds each DeepSpeed's wheel once, in pytest's cache; a run from there takes 3 seconds a case.
"""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from crashing import treat
from sparkdoctor import doctor, profiles, treatment
from sparkdoctor.facts import Deepspeed, DeepspeedBuilder
from sparkdoctor.facts.deepspeed import FILTERING, MARK
from sparkdoctor.facts.deepspeed_builder import Flags
from sparkdoctor.host import LocalHost
from sparkdoctor.machine import Machine
from sparkdoctor.model import Status, Verdict
from sparkdoctor.plan import Plan
from sparkdoctor.registry import Registry
from test_real_binaries import TOOLKIT, installed

pytestmark = [pytest.mark.real, installed]

# What nvcc is asked for: machine code, `+PTX` where PTX of it too, `–` where bf16 is off; "1a" stands for the ValueError.
LISTS = [None, "12.1", "12.0", "9.0;12.1", "12.1a", "12.0f"]
OLD = "60;61;70"
WRONG = "1.+PTX –"
FIRST_USE = {
    #         unset      12.1       12.0       9.0;12.1      12.1a      12.0f
    "0.15.4": (WRONG, WRONG, WRONG, WRONG, WRONG, WRONG),
    "0.16.3": (WRONG, WRONG, WRONG, WRONG, WRONG, WRONG),
    "0.16.4": ("121+PTX", "121+PTX", "121+PTX", "121+PTX", "121+PTX", "121+PTX"),
    "0.17.6": ("121+PTX", "121+PTX", "121+PTX", "121+PTX", "121+PTX", "121+PTX"),
    "0.18.9": ("121+PTX", "121+PTX", "121+PTX", "121+PTX", "121+PTX", "121+PTX"),
    "0.19.0": ("121+PTX", "121+PTX", "120+PTX", "90;121+PTX", "'1a'", "'0f'"),
    "0.19.1": ("121+PTX", "121+PTX", "120+PTX", "90;121+PTX", "'1a'", "'0f'"),
    "0.19.8": ("121+PTX", "121+PTX", "120+PTX", "90;121+PTX", "'1a'", "'0f'"),
}
AHEAD = {
    "0.15.4": (f"{OLD};80;86;90 –", "1. –", "1. –", "1.;90 –", "1. –", "1. –"),
    "0.16.3": (f"{OLD};80;86;90 –", "1. –", "1. –", "1.;90 –", "1. –", "1. –"),
    "0.16.4": (f"{OLD} –", "121", "120", "90;121", "121a", "120f"),
    "0.17.6": (f"{OLD} –", "121", "120", "90;121", "121a", "120f"),
    "0.18.9": ("70 –", "121", "120", "90;121", "121a", "120f"),
    "0.19.0": ("70 –", "121", "120", "90;121", "121a", "120f"),
    "0.19.1": ("70 –", "121", "120", "90;121", "'1a'", "'0f'"),
    "0.19.8": ("70 –", "121", "120", "90;121", "'1a'", "'0f'"),
}
UNKNOWN = ("1.", "60", "61", "70")
"""What nvcc of CUDA 13 refuses of these."""


def run(*command: str, **env: str) -> None:
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=540, env={**os.environ, **env})
    if ran.returncode:
        pytest.skip(f"{' '.join(command[-3:])}: {ran.stderr.strip().splitlines()[-1:]}")


@pytest.fixture(scope="session")
def place(pytestconfig: pytest.Config) -> Path:
    assert pytestconfig.cache is not None
    return Path(pytestconfig.cache.mkdir("sparkdoctor-deepspeed"))


Install = Callable[[str], Path]


@pytest.fixture(scope="session")
def install(place: Path, patient: Path) -> Install:
    """Installs a DeepSpeed into a directory of its own, once."""

    def get(version: str) -> Path:
        site = place / version
        if not (site / "done").exists():
            shutil.rmtree(site, ignore_errors=True)
            options = ("--quiet", "--no-deps", "--no-build-isolation", "--target", str(site))
            run(str(patient / "python"), "-m", "pip", "install", *options, f"deepspeed=={version}", DS_BUILD_OPS="0")
            (site / "done").touch()
        return site

    return get


Examine = Callable[..., Machine]


@pytest.fixture
def examine(patient: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Examine:
    """Makes a machine with a DeepSpeed on its path and a TORCH_CUDA_ARCH_LIST."""
    for variable in [name for name in os.environ if name.startswith(("DS_", "CUTLASS", "TORCH_", "CUDA", "NVCC", "PYTORCH_"))]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("CUDA_HOME", str(TOOLKIT))
    monkeypatch.chdir(tmp_path)

    def make(*sites: Path, listed: str | None = None, deep: bool = True) -> Machine:
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, sites)))
        if listed is not None:
            monkeypatch.setenv("TORCH_CUDA_ARCH_LIST", listed)
        return Machine(LocalHost(str(patient / "python")), profiles.load("dgx-spark"), timeout=120.0, deep=deep)

    return make


def verdict_of(machine: Machine, name: str) -> Verdict:
    registry = Registry.load()
    (result,) = doctor.diagnose(machine, registry, doctor.select(registry, [name])).results
    return result.verdict


def builder_of(machine: Machine) -> DeepspeedBuilder:
    found = machine.get(DeepspeedBuilder)
    assert isinstance(found, DeepspeedBuilder), found
    assert found.course.ended is None
    return found


def short(made: Flags | None) -> str:
    """As the tables have it."""
    assert made is not None
    if made.trouble:
        head, _, literal = made.trouble.partition("invalid literal for int() with base 10: ")
        return literal if head == "raised ValueError: " else made.trouble
    pairs = [flag.removeprefix("-gencode=arch=compute_").split(",code=") for flag in made.flags]
    ptx = {number for number, code in pairs if code.startswith("compute_")}
    # PyTorch sorts them as texts, DeepSpeed does not.
    numbers = sorted((number for number, code in pairs if code.startswith("sm_")), key=lambda number: (len(number), number))
    texts = [number + ("+PTX" if number in ptx else "") for number in numbers]
    return ";".join(texts) + ("" if made.bf16 else " –")


CASES = [
    pytest.param(version, listed, FIRST_USE[version][column], AHEAD[version][column], id=f"{version} {listed or 'unset'}")
    for version in FIRST_USE
    for column, listed in enumerate(LISTS)
]


@pytest.mark.parametrize(("version", "listed", "first_use", "ahead"), CASES)
def test_the_flags_of_a_deepspeed(
    install: Install, examine: Examine, version: str, listed: str | None, first_use: str, ahead: str
) -> None:
    machine = examine(install(version), listed=listed)
    verdict = verdict_of(machine, "deepspeed-misparses-architecture")
    found = builder_of(machine)
    assert (short(found.first_use), short(found.ahead)) == (first_use, ahead)
    assert tuple(found.filtered) == (FILTERING if first_use == WRONG else ())
    assert found.refusals == {
        flag: f"nvcc fatal   : Unsupported gpu architecture 'compute_{number}'" if number in UNKNOWN else ""
        for flag in found.refusals
        for number in [flag.removeprefix("-gencode=arch=compute_").partition(",")[0]]
    }
    if first_use == WRONG:
        assert verdict.status is Status.FAILED
        assert "asks nvcc for compute_1.; bf16 is silently off; 6 operators are filtered away" in verdict.summary
        assert any("Unsupported gpu architecture 'compute_1.'" in text for text in verdict.evidence)
    elif first_use.startswith("'"):
        assert verdict.status is Status.FAILED
        assert f"invalid literal for int() with base 10: {first_use} " in f"{verdict.summary} "
    else:
        assert verdict.status is Status.OK
        assert ("nvcc refuses" in str(verdict.evidence)) is (listed is None)


@pytest.mark.parametrize("version", FIRST_USE)
def test_what_is_read_is_what_is_made(install: Install, examine: Examine, version: str) -> None:
    machine = examine(install(version), deep=False)
    found = machine.get(Deepspeed)
    assert isinstance(found, Deepspeed), found
    reading, old = found.readings[121], FIRST_USE[version][0] == WRONG
    assert reading == (("1.", False, FILTERING) if old else ("121", True, ()))
    assert found.version == version
    assert (found.pristine, found.ours) == (True if old else None, False)
    assert found.accepted is not None
    assert 13 not in found.accepted
    assert "builder" in found.comparing
    assert ("get_cuda_compile_flag" in found.comparing or "is_cuda_enable" in found.comparing) is (version != "0.19.8")
    verdict = verdict_of(machine, "deepspeed-misparses-architecture")
    assert verdict.status is (Status.FAILED if old else Status.OK)
    assert "read with --deep only" in str(verdict.evidence)


NUM, BF16 = "            num = cc[0] + cc[2]\n", "if int(cc[0]) <= 7:"
BY_TEXT = (
    (NUM, '            num = cc.replace("+PTX","").replace(".","")\n            if num == "121":\n                num = "120"\n'),
)
OURS = (
    (NUM, f"            num = cc.split('+')[0].replace('.', '')  {MARK}\n"),
    (BF16, f"if int(cc.split('.')[0]) <= 7:  {MARK}"),
)


@pytest.mark.parametrize(
    ("changes", "operators", "made", "status", "words"),
    [
        (BY_TEXT, False, "120+PTX –", Status.FAILED, "mended by half: bf16 is silently off; 6 operators are filtered away"),
        (OURS, False, "121+PTX", Status.WARNING, "mended by half: 6 operators are filtered away"),
        (OURS, True, "121+PTX", Status.OK, "makes compute_121 of 12.1"),
    ],
)
def test_a_patched_deepspeed(  # noqa: PLR0917 (a case has five columns)
    install: Install,
    examine: Examine,
    tmp_path: Path,
    changes: Iterable[tuple[str, str]],
    operators: bool,
    made: str,
    status: Status,
    words: str,
) -> None:
    site = tmp_path / "site"
    shutil.copytree(install("0.15.4"), site)
    place = site / "deepspeed" / "ops" / "op_builder"
    edit(place / "builder.py", *changes)
    for name in FILTERING if operators else ():
        edit(place / f"{name}.py", ("if int(cc[0]) >=", "if int(cc.split('.')[0]) >="))
    machine = examine(site)
    verdicts = [verdict_of(one, "deepspeed-misparses-architecture") for one in (machine, examine(site, deep=False))]
    assert short(builder_of(machine).first_use) == made
    for verdict in verdicts:  # proven, and read
        assert verdict.status is status
        assert words in verdict.summary
    found = machine.get(Deepspeed)
    assert isinstance(found, Deepspeed)
    assert (found.pristine, found.ours) == (False, changes is OURS)


def edit(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    path.write_text(text)


def sparkdoctor(*arguments: str) -> dict[str, Any]:
    """What a command of ours reports."""
    command = [sys.executable, "-m", "sparkdoctor", *arguments, "--format", "json"]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=240)
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


@pytest.mark.parametrize("version", ["0.15.4", "0.16.3"])
@pytest.mark.parametrize("by_text", [False, True])
def test_a_deepspeed_that_is_fixed(  # noqa: PLR0917 (fixtures, and a case of two columns)
    install: Install,
    examine: Examine,
    patient: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    by_text: bool,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    site = tmp_path / "site"
    shutil.copytree(install(version), site)
    place = site / "deepspeed" / "ops" / "op_builder"
    if by_text:
        edit(place / "builder.py", *BY_TEXT)
    before = {path: path.read_bytes() for path in place.glob("*.py")}
    examine(site)
    python = ("--python", str(patient / "python"))
    (fixed,) = sparkdoctor("fix", "patch-deepspeed", "--deep", "--yes", *python)["fixes"]
    assert fixed["outcome"] == "cured", fixed
    machine = examine(site)
    made = "120+PTX" if by_text else "121+PTX"
    builder = builder_of(machine)
    assert (short(builder.first_use), dict(builder.filtered)) == (made, {})
    assert verdict_of(machine, "deepspeed-misparses-architecture").status is Status.OK
    (again,) = sparkdoctor("fix", "patch-deepspeed", "--yes", *python)["fixes"]
    assert again["outcome"] == "not needed"
    subprocess.run([sys.executable, "-m", "sparkdoctor", "undo"], check=True, capture_output=True, timeout=60)
    assert {path: path.read_bytes() for path in place.glob("*.py")} == before


@pytest.mark.parametrize("version", FIRST_USE)
def test_a_deepspeed_that_finds_the_package(
    install: Install, examine: Examine, tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    cutlass = place / "nvidia-cutlass-4.2.0.0"
    if not cutlass.exists():
        run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(cutlass), "nvidia-cutlass==4.2.0.0")
    for name, folder in (("HOME", "home"), ("XDG_STATE_HOME", "state"), ("XDG_CONFIG_HOME", "config"), ("XDG_DATA_HOME", "data")):
        (tmp_path / folder).mkdir()
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.delenv("CPATH", raising=False)
    ill = version < "0.19.1"
    assert verdict_of(examine(install(version), cutlass), "deepspeed-cutlass-missing").status is (
        Status.FAILED if ill else Status.OK
    )
    machine = examine(install(version), cutlass, deep=False)
    answer = treatment.plan(machine, Registry.load().fixes["find-cutlass"])
    assert isinstance(answer, Plan) is ill
    if isinstance(answer, Plan):
        for name, value in answer.environment:
            monkeypatch.setenv(name, str(value))
        treat(tmp_path / "journal", answer.steps)
    # In DeepSpeed's own words, and by the directories that it would include.
    found = verdict_of(examine(install(version), cutlass), "deepspeed-cutlass-missing")
    assert found.status is Status.OK, found
    assert f"{cutlass}/cutlass_library/source/include" in str(found.observed)


def pretend_a_gpu(place: Path) -> Path:
    """A directory whose sitecustomize makes PyTorch say that there is a GPU."""
    place.mkdir()
    text = """\
        import sys
        sys.modules["triton"] = None  # it would look at the GPU itself
        import torch
        torch.cuda.is_available = lambda: True
        torch.cuda.device_count = lambda: 1
        """
    (place / "sitecustomize.py").write_text(textwrap.dedent(text))
    return place


@pytest.mark.parametrize(("version", "dies"), [("0.15.4", True), ("0.18.9", True), ("0.19.8", False)])
def test_the_import_with_a_gpu_and_no_toolkit(
    install: Install, examine: Examine, tmp_path: Path, version: str, dies: bool
) -> None:
    machine = examine(pretend_a_gpu(tmp_path / "gpu"), install(version))
    verdict = verdict_of(machine, "deepspeed-import-dies")
    assert verdict.status is (Status.FAILED if dies else Status.OK)
    if dies:
        assert "MissingCUDAException: CUDA_HOME does not exist" in verdict.summary
        assert "it asks nvcc for its version whenever a GPU can be seen" in verdict.summary
        flags = verdict_of(machine, "deepspeed-misparses-architecture")
        assert "the builder itself was not reached: import deepspeed raised MissingCUDAException" in str(flags.evidence)


def test_an_import_that_takes_the_process_down(install: Install, examine: Examine, tmp_path: Path) -> None:
    (tmp_path / "hjson.py").write_text("import os\nos.abort()\n")
    verdict = verdict_of(examine(tmp_path, install("0.19.8")), "deepspeed-import-dies")
    assert verdict.status is Status.FAILED
    assert "was killed by SIGABRT" in verdict.summary
    assert "hjson.py" in str(verdict.evidence)


def test_cutlass_in_deepspeeds_own_words(install: Install, examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    for version, words in (
        ("0.15.4", "Please specify the CUTLASS repo directory as environment variable $CUTLASS_PATH"),
        ("0.18.9", "Please specify CUTLASS location directory as environment variable CUTLASS_PATH"),
        ("0.19.8", "Unable to locate CUTLASS"),
    ):
        verdict = verdict_of(examine(install(version)), "deepspeed-cutlass-missing")
        assert verdict.status is Status.FAILED
        assert words in verdict.summary
        assert f"EvoformerAttnBuilder: {words}" in str(verdict.evidence)
    monkeypatch.setenv("CUTLASS_PATH", "/nowhere")
    for version in ("0.18.9", "0.19.8"):
        assert verdict_of(examine(install(version)), "deepspeed-cutlass-missing").status is Status.FAILED


@pytest.mark.parametrize(("version", "status"), [("0.15.4", "failed"), ("0.19.8", "ok")])
def test_the_command_shows_the_real_flags(install: Install, examine: Examine, patient: Path, version: str, status: str) -> None:
    examine(install(version))
    command = [sys.executable, "-m", "sparkdoctor", "check", "--deep", "--format", "json", "--python", str(patient / "python")]
    ran = subprocess.run([*command, "deepspeed-misparses-architecture"], check=False, capture_output=True, timeout=120)
    (found,) = json.loads(ran.stdout)["results"]
    assert (found["status"], ran.returncode) == (status, int(status == "failed"))
    flag = "-gencode=arch=compute_1.,code=sm_1.: nvcc fatal   : Unsupported gpu architecture 'compute_1.'"
    good = "-gencode=arch=compute_121,code=sm_121: accepted by nvcc"
    assert (flag if status == "failed" else good) in found["evidence"]
