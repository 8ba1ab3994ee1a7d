"""Profiles: what the built-in ones hold, and what a user is told about one's own."""

import json
import os
import threading
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkdoctor import doctor, profiles
from sparkdoctor.architecture import Capability
from sparkdoctor.check import Check
from sparkdoctor.facts import System
from sparkdoctor.machine import Machine
from sparkdoctor.model import Report, Status, Verdict, fail, ok, skip, warn
from sparkdoctor.profiles import Component, Profile, ProfileError, Requirement, Severity
from sparkdoctor.registry import Registry
from sparkdoctor.tape import Player

HEAD = 'schema = "sparkdoctor.profile/1"\n'


def written(directory: Path, text: str, name: str = "mine.toml") -> str:
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def refusal(name: str) -> str:
    """The words with which a profile is refused: one printable line."""
    with pytest.raises(ProfileError) as caught:
        profiles.load(name)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 500 + 2 * len(name)
    return message


# --- the built-in ones


def requirements(profile: Profile) -> list[Requirement]:
    found: list[Requirement | None] = [profile.dgx_os, profile.driver]
    for component in (value for value in profile if isinstance(value, Component)):
        found += [component.version, component.fresh]
    return [requirement for requirement in found if requirement is not None]


@pytest.mark.parametrize("name", profiles.builtin())
def test_a_built_in_profile_is_whole(name: str) -> None:
    profile = profiles.load(name)
    assert profile.name == name
    assert profile.title
    assert profile.architectures
    assert profile.gpus
    assert profile.compute_capability is not None
    assert profile.torch.required
    assert len(requirements(profile)) >= 4
    for requirement in requirements(profile):
        assert requirement.check() is requirement
    assert set(profile.severity) <= set(Registry.load().checks)
    for bounds in (value for value in profile if isinstance(value, Severity)):
        assert (bounds.warning or 1e9) > (bounds.failed or 0)


def test_the_built_in_profiles() -> None:
    assert set(profiles.builtin()) >= {"dgx-spark", "gb200", "hopper", "openfold3-spark"}
    assert profiles.DEFAULT in profiles.builtin()


def test_the_spark() -> None:
    spark = profiles.load("dgx-spark")
    assert spark.unified_memory
    assert spark.compute_capability == Capability(12, 1)
    assert spark.driver is not None
    assert "580.95.05" in spark.driver
    assert "575.51.03" not in spark.driver
    assert spark.driver_branches == (580,)
    assert spark.torch.version is not None
    assert "2.7.0a0+ecf3bae40a.nv25.02" in spark.torch.version
    assert "2.11.0+cu130" in spark.torch.version
    assert "2.6.0a0+1804a74" not in spark.torch.version
    assert not spark.deepspeed.required
    assert not spark.openfold3.required


@pytest.mark.parametrize(
    ("text", "version", "holds"),
    [
        (">=2.7", "2.7.0", True),
        (">=2.7.0a0", "2.7.0a0+git", True),
        (">=2.7", "2.6.9", False),
        (">=2.7,<3", "2.15.0+cu132", True),
        (">=580", "580.95.05", True),
        (">=7.5", "7.10.0", True),
        (">=2.7", "unknown", False),
        (">=2.7", "", False),
        ("==3.6.*", "3.6.1", True),
        ("", "1", True),
        ("~=3.6", "4.0", False),
    ],
)
def test_a_requirement(text: str, version: str, holds: bool) -> None:
    assert (version in Requirement(text).check()) is holds
    assert str(Requirement(text)) == text


@pytest.mark.parametrize("text", [">>2", "2.7", "latest", ">=", ">=2.7 <3", ">=x"])
def test_no_requirement(text: str) -> None:
    with pytest.raises(ValueError, match="not a version specifier"):
        Requirement(text).check()


# --- one's own


FULL = """\
schema = "sparkdoctor.profile/1"
name = "lab"
title = "The lab's machine"

[machine]
architectures = ["aarch64", "x86_64"]
product_families = ["DGX Spark"]
gpus = ["NVIDIA GB*"]
unified_memory = true
dgx_os = ">=7.4"

[gpu]
compute_capability = "12.1"
driver = ">=580,<600"
driver_branches = [580, 590]

[torch]
required = true
version = ">=2.10"
fresh = ">=2.11"

[memory_gib]
warning = 16.5
failed = 0

[limits]
open_files = 4096

[severity]
shm-too-small = "off"
"driver-branch-unsupported" = "failed"
"""


def test_all_that_can_be_said(tmp_path: Path) -> None:
    profile = profiles.load(written(tmp_path, FULL))
    assert (profile.name, profile.title) == ("lab", "The lab's machine")
    assert profile.architectures == ("aarch64", "x86_64")
    assert profile.gpus == ("NVIDIA GB*",)
    assert profile.unified_memory
    assert profile.compute_capability == Capability(12, 1)
    assert profile.driver_branches == (580, 590)
    assert profile.torch.required
    assert str(profile.torch.version) == ">=2.10"
    assert profile.memory_gib == Severity(16.5, 0)
    assert profile.open_files == 4096
    assert profile.severity == {"shm-too-small": "off", "driver-branch-unsupported": "failed"}
    assert profile.disk_gib == Severity()


def test_a_profile_that_says_nothing_demands_nothing(tmp_path: Path) -> None:
    profile = profiles.load(written(tmp_path, HEAD))
    assert profile == Profile(name="mine", severity={})


def test_inline_and_dotted_tables_are_read(tmp_path: Path) -> None:
    profile = profiles.load(written(tmp_path, HEAD + 'torch = {required = true, version = ">=2"}\nmemory_gib.failed = 3\n'))
    assert profile.torch.required
    assert profile.memory_gib == Severity(None, 3)


@pytest.mark.parametrize(
    ("body", "line", "said"),
    [
        # TOML itself
        ("name = \n", 2, ""),
        ("[machine\n", 2, ""),
        ('name = "a"\nname = "b"\n', 3, ""),
        ("x" * 10 + "\n", 2, ""),
        ("name = '''", 2, ""),
        ("d = 2026-13-45\n", 2, ""),
        # keys and tables
        ('nmae = "x"\n', 2, "nmae: no such key; did you mean name?"),
        ("[gpus]\n", 2, "gpus: no such key; did you mean gpu?"),
        ("[qqq]\nx = 1\n", 2, "qqq: no such key"),
        ("[severities]\nx = 1\n", 2, "severities: no such key; did you mean severity?"),
        ('[torch]\nversoin = ">=2"\n', 3, "torch.versoin: no such key; did you mean version?"),
        ("[memory_gib]\n\n# a remark\nfail = 1\n", 5, "memory_gib.fail: no such key; did you mean failed?"),
        ("memory_gib.fail = 1\n", 2, "memory_gib.fail: no such key"),
        # kinds of values
        ("name = 1\n", 2, "name: a string is due"),
        ("extends = 1\n", 2, "extends: a string is due"),
        ('torch = ">=2"\n', 2, "torch: a table is due"),
        ("memory_gib = 16\n", 2, "memory_gib: a table is due"),
        ('severity = "off"\n', 2, "severity: a table is due"),
        ("[[torch]]\nrequired = true\n", 2, "torch: a table is due"),
        ('[machine]\narchitectures = "aarch64"\n', 3, "machine.architectures: a list of strings is due"),
        ("[machine]\ngpus = [1]\n", 3, "machine.gpus: a list of strings is due"),
        ('[machine]\nunified_memory = "yes"\n', 3, "machine.unified_memory: true or false is due"),
        ("[machine]\nunified_memory = 1\n", 3, "machine.unified_memory: true or false is due"),
        ('[machine]\ndgx_os = "newest"\n', 3, "machine.dgx_os: not a version specifier: 'newest'"),
        ("[machine]\ndgx_os = 7.5\n", 3, "machine.dgx_os: a string is due"),
        ("[gpu]\ncompute_capability = 12.1\n", 3, "gpu.compute_capability: a string is due"),
        ('[gpu]\ncompute_capability = "sm_121"\n', 3, "gpu.compute_capability: not a compute capability: 'sm_121'"),
        ('[gpu]\ndriver = "580"\n', 3, "gpu.driver: not a version specifier: '580'"),
        ('[gpu]\ndriver_branches = ["580"]\n', 3, "gpu.driver_branches: a list of whole numbers is due"),
        ("[gpu]\ndriver_branches = [true]\n", 3, "gpu.driver_branches: a list of whole numbers is due"),
        ("[gpu]\ndriver_branches = 580\n", 3, "gpu.driver_branches: a list of whole numbers is due"),
        ("[gpu]\ndriver_branches = [" + "9" * 5000 + "]\n", 3, ""),
        ("[torch]\nrequired = 'no'\n", 3, "torch.required: true or false is due"),
        ("[torch]\nversion = '>>2'\n", 3, "torch.version: not a version specifier: '>>2'"),
        ("[triton]\nfresh = 3.6\n", 3, "triton.fresh: a string is due"),
        ("[disk_gib]\nwarning = -1\n", 3, "disk_gib.warning: a number from 0 to 1e9 is due"),
        ("[limits]\nopen_files = 0\n", 3, "limits.open_files: a whole number from 1 to 2147483647 is due"),
        ("[limits]\nopen_files = 1e3\n", 3, "limits.open_files: a whole number from 1 to 2147483647 is due"),
        ("[limits]\nopen_files = true\n", 3, "limits.open_files: a whole number from 1 to 2147483647 is due"),
        ("[limits]\nstack = 1\n", 3, "limits.stack: no such key"),
        ("[disk_gib]\nwarning = nan\n", 3, "disk_gib.warning: a number from 0 to 1e9 is due"),
        ("[disk_gib]\nwarning = inf\n", 3, "disk_gib.warning: a number"),
        ("[disk_gib]\nwarning = true\n", 3, "disk_gib.warning: a number"),
        ("[disk_gib]\nwarning = '40 GiB'\n", 3, "disk_gib.warning: a number"),
        ("[severity]\nshm-too-small = 'ok'\n", 3, 'severity.shm-too-small: "failed", "warning" or "off" is due'),
        ("[severity]\nshm-too-small = 1\n", 3, "severity.shm-too-small"),
        ("[severity]\nshm-too-small = ['off']\n", 3, "severity.shm-too-small"),
        ('[ "gpu" ]  # quoted\n"driver" = 1\n', 3, "gpu.driver: a string is due"),
        ("gpu = {driver = 1}\n", 2, "gpu.driver: a string is due"),
        # extends
        ('extends = "no-such-profile"\n', 2, "extends"),
        ('extends = "./no-such-file.toml"\n', 2, "extends"),
    ],
)
def test_an_error_names_file_line_and_key(tmp_path: Path, body: str, line: int, said: str) -> None:
    path = written(tmp_path, HEAD + body)
    message = refusal(path)
    assert message.startswith(f"{path}:{line}: "), message
    assert said in message
    assert message.removeprefix(f"{path}:{line}: ")


@pytest.mark.parametrize("text", ['name = "x"\n', 'schema = "sparkdoctor.profile/2"\n', 'schema = "x"\n', ""])
def test_a_profile_of_no_or_another_schema(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    assert refusal(path).startswith(f"{path}:1: schema: 'sparkdoctor.profile/1' is due")


def test_a_schema_of_another_kind(tmp_path: Path) -> None:
    path = written(tmp_path, "\nschema = 1\n")
    assert refusal(path) == f"{path}:2: schema: a string is due"


def test_no_such_profile() -> None:
    assert refusal("dgx-sprak").startswith("no profile 'dgx-sprak'; built in are dgx-spark, gb200, hopper, openfold3-spark")


def test_no_such_file(tmp_path: Path) -> None:
    assert str(tmp_path / "x.toml") in refusal(str(tmp_path / "x.toml"))


def test_a_directory_is_no_profile(tmp_path: Path) -> None:
    assert "directory" in refusal(str(tmp_path)).lower()


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_profile_that_may_not_be_read(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD)
    Path(path).chmod(0)
    assert refusal(path) == f"{path}: Permission denied"


def test_a_binary_file_is_no_profile(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"\x7fELF\x02\x01\x01\xff\xfe")
    assert refusal(str(path)) == f"{path}: not a text file"


@pytest.mark.parametrize("letter", ["x", "é", "€"])
def test_a_file_that_is_too_large(tmp_path: Path, letter: str) -> None:
    path = written(tmp_path, HEAD + f"# {letter * (1 << 20)}\n")
    assert refusal(path) == f"{path}: larger than 1 MiB, not a profile"


def test_a_fifo_makes_nobody_wait(tmp_path: Path) -> None:
    path = tmp_path / "fifo.toml"
    os.mkfifo(path)
    said: list[str] = []

    def attempt() -> None:
        try:
            profiles.load(str(path))
        except ProfileError as error:
            said.append(str(error))

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(2)
    if thread.is_alive():
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    assert len(said) == 1


@pytest.mark.parametrize("name", ["a\0.toml", "a\nb.toml", "\x1b[31m", "a/\x1b[31m.toml"], ids=ascii)
def test_a_name_that_is_no_name(name: str) -> None:
    refusal(name)


# --- extends


def test_a_file_extends_a_built_in_profile(tmp_path: Path) -> None:
    profile = profiles.load(written(tmp_path, HEAD + 'extends = "dgx-spark"\n[gpu]\ndriver = ">=590"\n'))
    spark = profiles.load("dgx-spark")
    assert str(profile.driver) == ">=590"
    assert profile.name == "mine"
    changed = {name for name in Profile._fields if plain(getattr(profile, name)) != plain(getattr(spark, name))}
    assert changed == {"name", "driver"}


def plain(value: Any) -> Any:
    """A value with the text of its requirements, which know no equality."""
    return [plain(part) for part in value] if isinstance(value, tuple) else str(value)


def test_a_part_of_a_table_leaves_the_rest_of_it(tmp_path: Path) -> None:
    body = 'extends = "dgx-spark"\n[torch]\nfresh = ">=2.12"\n[memory_gib]\nwarning = 100\n'
    profile = profiles.load(written(tmp_path, HEAD + body))
    assert str(profile.torch.fresh) == ">=2.12"
    assert profile.torch.required
    assert str(profile.torch.version) == ">=2.7.0a0"
    assert profile.memory_gib == Severity(100, 8)


def test_a_file_extends_a_file_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, HEAD + 'extends = "hopper"\n[disk_gib]\nfailed = 1\n[severity]\na = "off"\nb = "warning"\n', "base.toml")
    child = written(tmp_path, HEAD + 'extends = "base.toml"\nname = "child"\n[severity]\nb = "failed"\nc = "off"\n')
    monkeypatch.chdir("/")
    profile = profiles.load(child)
    assert profile.name == "child"
    assert profile.compute_capability == Capability(9, 0)
    assert profile.disk_gib.failed == 1
    assert profile.severity == {"a": "off", "b": "failed", "c": "off"}


@pytest.mark.parametrize("own", ["mine.toml", "./mine.toml", "../{}/mine.toml"])
def test_a_profile_that_extends_itself(tmp_path: Path, own: str) -> None:
    path = written(tmp_path, HEAD + f'extends = "{own.format(tmp_path.name)}"\n')
    message = refusal(path)
    assert "extends itself" in message
    assert len(message) < 800


def test_profiles_that_extend_each_other(tmp_path: Path) -> None:
    one = written(tmp_path, HEAD + 'extends = "two.toml"\n', "one.toml")
    two = written(tmp_path, HEAD + 'extends = "one.toml"\n', "two.toml")
    message = refusal(one)
    assert "extends itself" in message
    assert one in message
    assert two in message


def test_an_error_in_the_extended_file_names_that_file(tmp_path: Path) -> None:
    base = written(tmp_path, HEAD + "\nname = 1\n", "base.toml")
    assert refusal(written(tmp_path, HEAD + 'extends = "base.toml"\n')) == f"{base}:3: name: a string is due"


# --- severity


def verdict(level: str | None, found: Verdict) -> Verdict:
    def a_problem(system: System) -> Verdict:
        """All is well."""
        return found

    profile = Profile(severity={} if level is None else {"a-problem": level})
    host = Player(
        {
            "answers": [
                {"ask": "self", "args": [], "answer": ITSELF},
                {"ask": "read", "args": ["/etc/os-release"], "missing": "no"},
            ]
        }
    )
    return doctor.examine(Machine(host, profile), Check(a_problem, "a-problem", "machine"))


ITSELF: dict[str, Any] = {
    **dict.fromkeys(("sysname", "release", "machine", "cwd", "executable"), "x"),
    **dict.fromkeys(("page_size", "cpus", "usable_cpus", "uid"), 1),
    "path": [],
    "patient_python": None,
}


@pytest.mark.parametrize(
    ("level", "found", "status"),
    [
        (None, fail("x", remedy="y."), Status.FAILED),
        (None, warn("x", remedy="y."), Status.WARNING),
        ("warning", fail("x", remedy="y."), Status.WARNING),
        ("warning", warn("x", remedy="y."), Status.WARNING),
        ("failed", fail("x", remedy="y."), Status.FAILED),
        ("failed", warn("x", remedy="y."), Status.FAILED),
        ("failed", ok("x"), Status.OK),
        ("failed", skip("x"), Status.SKIPPED),
        ("warning", ok("x"), Status.OK),
        ("off", fail("x", remedy="y."), Status.SKIPPED),
        ("off", ok("x"), Status.SKIPPED),
    ],
)
def test_severity_acts_on_the_verdict(level: str | None, found: Verdict, status: Status) -> None:
    judged = verdict(level, found)
    assert judged.status is status
    if level == "off":
        assert judged.summary == "switched off by the profile custom"
    else:
        assert judged._replace(status=found.status) == found


def test_a_check_that_is_off_is_not_in_the_verdict_of_the_report(tmp_path: Path) -> None:
    healthy = Path(__file__).parent / "machines" / "gb10-torch-cpu-wheel.tape.json"
    played = Player(json.loads(healthy.read_text()))

    def report(severity: str) -> Report:
        profile = profiles.load(
            written(tmp_path, HEAD + f'extends = "dgx-spark"\n[severity]\ntorch-without-cuda = "{severity}"\n')
        )
        registry = Registry.load()
        return doctor.diagnose(Machine(played, profile), registry, doctor.select(registry, ["torch-without-cuda"]))

    assert [report(level).verdict for level in ("failed", "warning", "off")] == ["failed", "warning", "unknown"]


def test_a_severity_for_no_check_is_an_error_that_suggests_one() -> None:
    with pytest.raises(doctor.UnknownIdError, match="'shm-to-small'; did you mean shm-too-small"):
        doctor.know(Registry.load(), Profile(severity={"shm-to-small": "off"}).severity)


# --- hostile text


KEYS = [
    "schema",
    "name",
    "extends",
    "machine",
    "gpu",
    "torch",
    "severity",
    "memory_gib",
    "driver",
    "failed",
    "x",
    '""',
    '"a.b"',
    "version",
]
VALUES = [
    '"x"',
    "1",
    "-1",
    "true",
    "[]",
    "[1]",
    "{}",
    "nan",
    "inf",
    "1979-05-27",
    '"dgx-spark"',
    '">=2"',
    "'''",
    "[[",
    "9" * 5000,
    '"\\u0000"',
]
LINES = st.one_of(
    st.sampled_from(
        [HEAD.strip(), "# x", "", 'extends = "mine.toml"', 'extends = "/dev/null"', 'extends = "./"', 'extends = ""']
    ),
    st.builds("{} = {}".format, st.sampled_from(KEYS), st.sampled_from(VALUES)),
    st.builds("{}.{} = {}".format, st.sampled_from(KEYS), st.sampled_from(KEYS), st.sampled_from(VALUES)),
    st.builds("[{}]".format, st.sampled_from(KEYS)),
    st.builds("[[{}]]".format, st.sampled_from(KEYS)),
    st.text(max_size=10),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("profiles")


@given(
    st.lists(LINES, max_size=6).map("\n".join) | st.lists(LINES, max_size=6).map(lambda lines: "\n".join([HEAD.strip(), *lines]))
)
@settings(max_examples=400)
def test_any_text_is_a_profile_or_a_profile_error(place: Path, text: str) -> None:
    path = place / "mine.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        profile = profiles.load(str(path))
    except ProfileError as error:
        assert str(error).isprintable(), f"not one printable line: {str(error)!r}"  # noqa: PT017
        assert len(str(error)) < 1000  # noqa: PT017
    else:
        assert isinstance(profile, Profile)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_profile_error(place: Path, raw: bytes) -> None:
    path = place / "mine.toml"
    path.write_bytes(raw)
    with pytest.raises(ProfileError):
        profiles.load(str(path))


@pytest.mark.parametrize(
    "body", ["x = " + "[" * 3_000, "x = " + "{a = " * 3_000, "x" + ".x" * 3_000 + " = 1", "[" + "x." * 3_000 + "x]"]
)
def test_deep_nesting_is_a_profile_error(tmp_path: Path, body: str) -> None:
    refusal(written(tmp_path, HEAD + body))


def test_the_built_in_files_are_plain() -> None:
    place = Path(profiles.__file__).parent
    for name in profiles.builtin():
        document = tomllib.loads((place / f"{name}.toml").read_text())
        assert document["schema"] == profiles.SCHEMA
        assert document["name"] == name
