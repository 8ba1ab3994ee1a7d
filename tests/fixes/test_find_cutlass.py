"""CUTLASS, acceptable to each DeepSpeed: from facts by hand, and in real directories."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from by_hand import DEFAULTS, but
from sparkdoctor.facts import Cutlass, CutlassTrees, Deepspeed, EnvironmentFile, Python
from sparkdoctor.facts.cutlass import BINDINGS, IGNORE
from sparkdoctor.facts.cutlass_trees import Tree, parse_version
from sparkdoctor.facts.environment import Export
from sparkdoctor.facts.python import Distribution
from sparkdoctor.machine import Machine
from sparkdoctor.plan import Answer, MakeDirectory, NotNeeded, Plan, Refused, WriteFile
from sparkdoctor.registry import Registry
from standins.hosts import Elsewhere, machine_of
from texts import TEXT, lines_of

FIX = Registry.load().fixes["find-cutlass"]
SOURCE = "/site/cutlass_library/source"
PACKAGE = Tree(SOURCE, (f"{SOURCE}/include", f"{SOURCE}/tools/util/include"), (3, 8), listed=False, packaged=True)
CHECKOUT = Tree("/opt/cutlass", ("/opt/cutlass/include", "/opt/cutlass/tools/util/include"), (3, 6), listed=True)
OURS = "/home/user/.local/share/sparkdoctor/cutlass"
FILE = EnvironmentFile("/home/user/.config/sparkdoctor/environment.sh", None, ("/home/user/.config/sparkdoctor",), "", {})
REFUSAL = "Please specify the CUTLASS repo directory as environment variable $CUTLASS_PATH"
BY_COMPILER = f"{SOURCE}/include:{SOURCE}/tools/util/include"


def answer(version: str, *facts: Any, trees: tuple[Tree, ...] = (PACKAGE,), setting: str | None = None, **changes: Any) -> Answer:
    """What the fix says where a DeepSpeed refuses the CUTLASS that is here."""
    ill = Cutlass(None, REFUSAL, setting)
    own = CutlassTrees(trees, **{"place": OURS, "new": ("/home/user/.local/share/sparkdoctor", OURS), **changes})
    given: dict[Any, Any] = DEFAULTS | {type(fact): fact for fact in (ill, own, FILE, but(Deepspeed, version=version), *facts)}
    found: Answer = FIX.function(**{need.name: given[need.fact] for need in FIX.needs})
    match found:
        case Refused(_, str(command)) | NotNeeded(_, str(command)):
            assert shlex.split(command)
    return found


def planned(found: Answer) -> Plan:
    assert isinstance(found, Plan), found
    return found


def written(plan: Plan, name: str) -> str:
    (text,) = [step.text for step in plan.steps if isinstance(step, WriteFile) and step.path.endswith(name)]
    return text


@pytest.mark.parametrize(
    ("version", "tree", "settings"),
    [
        ("0.15.4", CHECKOUT, {"CUTLASS_PATH": "/opt/cutlass"}),
        ("0.15.4", PACKAGE, {"CUTLASS_PATH": OURS, "CPATH": BY_COMPILER}),
        ("0.18.4", PACKAGE, {"CUTLASS_PATH": OURS, "CPATH": BY_COMPILER}),
        ("0.18.5", PACKAGE, {"CUTLASS_PATH": IGNORE, "CPATH": BY_COMPILER}),
        ("0.18.6", CHECKOUT, {"CUTLASS_PATH": IGNORE, "CPATH": "/opt/cutlass/include:/opt/cutlass/tools/util/include"}),
        ("0.18.7", PACKAGE, {"CUTLASS_PATH": BINDINGS}),
        ("0.19.0", CHECKOUT, {"CUTLASS_PATH": "/opt/cutlass"}),
        ("0.19.8", PACKAGE, {"CUTLASS_PATH": BINDINGS}),
        ("unknown", CHECKOUT, {"CUTLASS_PATH": "/opt/cutlass"}),
    ],
)
def test_each_version_is_led_in_its_own_way(version: str, tree: Tree, settings: Mapping[str, str]) -> None:
    plan = planned(answer(version, trees=(tree,)))
    assert dict(plan.environment) == settings
    text = written(plan, "environment.sh")
    assert [f"export {name}={shlex.quote(value)}  #" in text for name, value in settings.items()] == [True] * len(settings)
    own = [step for step in plan.steps if not str(step[0]).startswith("/home/user/.config")]
    if settings["CUTLASS_PATH"] == OURS:
        assert own[:-1] == [MakeDirectory("/home/user/.local/share/sparkdoctor", 0o700), MakeDirectory(OURS, 0o700)]
        assert "3.1.0" in written(plan, "CHANGELOG.md")
    else:
        assert own == []


def test_what_compilers_search_already_is_kept() -> None:
    plan = planned(answer("0.15.4", searched=f"/mine:{SOURCE}/include::/theirs"))
    assert dict(plan.environment)["CPATH"] == f"{BY_COMPILER}:/mine:/theirs"


def test_what_is_named_first_is_taken_unless_it_is_too_old() -> None:
    assert dict(planned(answer("0.15.4", trees=(CHECKOUT, PACKAGE))).environment) == {"CUTLASS_PATH": "/opt/cutlass"}
    old = Tree("/opt/cutlass", ("/opt/cutlass/include",), (2, 11), listed=False)
    assert dict(planned(answer("0.18.9", trees=(old, PACKAGE))).environment) == {"CUTLASS_PATH": BINDINGS}
    for tree, words in (
        (old, "/opt/cutlass/include is CUTLASS 2.11"),
        (old._replace(version=None), "CUTLASS of unknown version"),
    ):
        found = answer("0.15.4", trees=(tree,))
        assert isinstance(found, Refused)
        assert words in found.reason


def test_nothing_is_installed() -> None:
    found = answer("0.15.4", trees=())
    assert found == Refused(
        "there are no headers of CUTLASS 3.1 or later here; install them, and fix this again",
        "/venv/bin/python -m pip install nvidia-cutlass",
    )
    assert "again" not in str(answer("0.19.8", trees=()))
    old = answer("0.15.4", but(Python, distributions={"openfold3": Distribution("0.4.0", "/x")}), trees=())
    assert isinstance(old, Refused)
    assert old.command == "/venv/bin/python -m pip install 'nvidia-cutlass<4'"


def test_nothing_is_to_be_done() -> None:
    content = answer("0.19.8", Cutlass("/opt/cutlass/include", "", None))
    assert content == NotNeeded("DeepSpeed 0.19.8 takes the CUTLASS in /opt/cutlass/include")
    plan = planned(answer("0.15.4"))
    file = EnvironmentFile(FILE.path, written(plan, "environment.sh"), (), "", {})
    again = answer("0.15.4", file, new=(), changelog=written(plan, "CHANGELOG.md"))
    assert isinstance(again, NotNeeded)
    assert again.command == f". {FILE.path}"


def test_what_is_set_and_does_not_do_is_said() -> None:
    assert f"CUTLASS_PATH=/gone is set here, and does not do: {REFUSAL}" in planned(answer("0.18.9", setting="/gone")).notes


@pytest.mark.parametrize(
    ("facts", "changes", "words"),
    [
        ((EnvironmentFile(FILE.path, None, (), "/home cannot be written by this user", {}),), {}, "/home cannot be written"),
        (
            (EnvironmentFile(FILE.path, "export CPATH=/x\n", (), "", {"CPATH": Export("/x")}),),
            {},
            f"a line of your own in {FILE.path} sets CPATH to /x, where {BY_COMPILER} is needed",
        ),
        ((EnvironmentFile(FILE.path, "", (), "", {"CPATH": Export(None, known=False)}),), {}, "sets CPATH, where"),
        ((), {"obstacle": "/home/user cannot be written by this user"}, "/home/user cannot be written"),
        ((), {"changelog": "mine"}, "CHANGELOG.md was not written by sparkdoctor"),
    ],
)
def test_what_is_refused(facts: tuple[Any, ...], changes: dict[str, Any], words: str) -> None:
    found = answer("0.15.4", *facts, **changes)
    assert isinstance(found, Refused), found
    assert words in found.reason


def test_our_own_line_of_another_time_is_replaced() -> None:
    export = "export CUTLASS_PATH=/gone  # sparkdoctor: x\n"
    file = EnvironmentFile(FILE.path, export, (), "", {"CUTLASS_PATH": Export("/gone", ours=True)})
    text = written(planned(answer("0.18.9", file)), "environment.sh")
    assert f"export CUTLASS_PATH={BINDINGS}  # sparkdoctor:" in text
    assert "/gone" not in text


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("#define CUTLASS_MAJOR 3\n#define CUTLASS_MINOR 8\n#define CUTLASS_PATCH 0\n", (3, 8)),
        ("#define CUTLASS_MAJOR 4\r\n#define CUTLASS_MINOR 2 \n", (4, 2)),
        ("#define CUTLASS_MAJOR 4\n", None),
        ("", None),
    ],
)
def test_the_version_of_headers(text: str, version: tuple[int, int] | None) -> None:
    assert parse_version(text) == version


@given(TEXT | lines_of("#define CUTLASS_MAJOR ", "#define CUTLASS_MINOR ", "3"))
def test_any_header(text: str) -> None:
    found = parse_version(text)
    assert found is None or len(found) == 2


# --- real directories

PYTHON = "/nowhere/bin/python"


def headers(include: Path, major: int = 3, minor: int = 8) -> None:
    (include / "cutlass").mkdir(parents=True)
    (include / "cutlass" / "cutlass.h").write_text("")
    (include / "cutlass" / "version.h").write_text(f"#define CUTLASS_MAJOR {major}\n#define CUTLASS_MINOR {minor}\n")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, in which nothing is set."""
    for name in (
        "CUTLASS_PATH",
        "CUTLASS_ROOT",
        "CUTLASS_HOME",
        "CPATH",
        "CPLUS_INCLUDE_PATH",
        "XDG_DATA_HOME",
        "XDG_CONFIG_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SPARKDOCTOR_PYTHON", PYTHON)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def machine(site: Path, version: str = "0.15.4") -> Machine:
    """This machine with an interpreter that has a DeepSpeed and nvidia-cutlass, without an importable `cutlass`."""
    (site / "deepspeed").mkdir(parents=True, exist_ok=True)
    said = {
        "version": "3.12.3",
        "include": "/usr/include",
        "modules": {"deepspeed": {"origin": f"{site}/deepspeed/__init__.py"}, "torch": None, "triton": None, "openfold3": None},
        "distributions": [
            ["deepspeed", version, f"{site}/deepspeed-{version}.dist-info"],
            ["nvidia_cutlass", "3.8.0.0", f"{site}/nvidia_cutlass-3.8.0.0.dist-info"],
        ],
    }
    stdout = f"sparkdoctor-interpreter:{json.dumps(said)}\n"
    return machine_of(Elsewhere({f"script {PYTHON}": {"code": 0, "stdout": stdout, "stderr": ""}}))


def asked(site: Path, version: str = "0.15.4") -> Answer:
    looked = machine(site, version)
    facts = {need.name: looked.get(need.fact) for need in FIX.needs if need.fact}
    found: Answer = FIX.function(**facts)
    return found


def trees_of(site: Path) -> CutlassTrees:
    found = machine(site).get(CutlassTrees)
    assert isinstance(found, CutlassTrees), found
    return found


def test_where_headers_are_looked_for(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site, source = tmp_path / "site", tmp_path / "site" / "cutlass_library" / "source"
    headers(source / "include")
    headers(home / "cutlass" / "include", 4, 2)
    (home / "cutlass" / "CHANGELOG.md").write_text("## 3.1.0\n")
    (home / "cutlass" / "tools" / "util" / "include").mkdir(parents=True)
    package, checkout, *_ = trees_of(site).trees
    assert package == Tree(str(source), (f"{source}/include",), (3, 8), listed=False, packaged=True)
    assert checkout == Tree(
        f"{home}/cutlass", (f"{home}/cutlass/include", f"{home}/cutlass/tools/util/include"), (4, 2), listed=True
    )
    monkeypatch.setenv("CUTLASS_PATH", f"{home}/cutlass/include/")
    named, *_ = trees_of(site).trees
    assert (named.root, named.includes) == (f"{home}/cutlass/include", checkout.includes)
    assert not named.listed


def test_our_own_directory(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = trees_of(tmp_path / "site")
    assert found.place == f"{home}/.local/share/sparkdoctor/cutlass"
    assert found.new == tuple(
        f"{home}/{path}" for path in (".local", ".local/share", ".local/share/sparkdoctor", ".local/share/sparkdoctor/cutlass")
    )
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    place = tmp_path / "data" / "sparkdoctor" / "cutlass"
    place.mkdir(parents=True)
    (place / "CHANGELOG.md").write_text("x")
    again = trees_of(tmp_path / "site")
    assert (again.place, again.new, again.changelog, again.obstacle) == (str(place), (), "x", "")
    (place / "CHANGELOG.md").unlink()
    (place / "CHANGELOG.md").symlink_to(tmp_path / "else")
    (tmp_path / "else").write_text("y")
    assert trees_of(tmp_path / "site").obstacle == f"{place}/CHANGELOG.md is a symbolic link"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("HOME", "")
    assert "HOME is not set" in trees_of(tmp_path / "site").obstacle


def test_it_is_found_by_who_has_read_the_file(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    headers(site / "cutlass_library" / "source" / "include")
    for path in (home / ".local" / "share" / "sparkdoctor", home / ".config" / "sparkdoctor"):
        path.mkdir(parents=True)
    plan = planned(asked(site))
    for step in plan.steps:
        match step:
            case MakeDirectory(place, mode):
                Path(place).mkdir(mode)
            case WriteFile(file, text, None):
                Path(file).write_text(text)
    assert isinstance(asked(site), NotNeeded)  # the shell has not read it
    for name, value in plan.environment:
        monkeypatch.setenv(name, str(value))
    found = machine(site).get(Cutlass)
    assert isinstance(found, Cutlass)
    assert (found.refusal, found.headers) == ("", f"{site}/cutlass_library/source/include")
