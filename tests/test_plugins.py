"""Distributions of other people: built, installed and found; and those that cannot be used, which harm nobody else."""

import importlib.util
import json
import os
import resource
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sparkdoctor.registry import Registry
from standins.hosts import Witness

COMMAND = str(Path(sys.executable).with_name("sparkdoctor"))
BUILT_IN = sorted(name for name, check in Registry.load().checks.items() if not check.deep)

GOOD = '''
"""A plugin with facts of its own."""

from dataclasses import dataclass
from typing import Self

from sparkdoctor.plugin import Broken, Fact, Machine, Missing, Verdict, check, fail, ok


class Coffee(Fact):
    """Cups in the pot, of this environment; written as a plain subclass."""

    cups: int
    roast: str = "dark"

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        told = machine.env("EXAMPLE_COFFEE")
        if told is None:
            return Missing("nobody told how much coffee there is")
        return cls(int(told)) if told.isdigit() else Broken(f"coffee makes no sense: {told}")


@dataclass(frozen=True)
class Cake(Fact):
    """Slices of cake in a file; written as a dataclass."""

    slices: int
    kind: str

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        text = machine.read(machine.env("EXAMPLE_CAKE") or "/nowhere/cake")
        if isinstance(text, Missing):
            return text
        number, kind = text.split()
        return cls(int(number), kind)


@check(layer="kitchen")
def coffee_low(coffee: Coffee) -> Verdict:
    """There is coffee.

    Nothing is predicted without it.

    Sources:
        everybody
    """
    if coffee.cups < 2:
        return fail(f"{coffee.cups} cups of {coffee.roast} coffee", remedy="Brew.", command="brew --now", expected=">=2")
    return ok(f"{coffee.cups} cups of {coffee.roast} coffee")


@check(layer="kitchen")
def cake_gone(cake: Cake | Missing) -> Verdict:
    """There is cake."""
    if isinstance(cake, Missing):
        return fail(f"no cake: {cake.reason}", remedy="Bake.")
    return ok(f"{cake.slices} slices of {cake.kind} cake")
'''

PROJECTS = {
    "hatchling": """
        [build-system]
        requires = ["hatchling"]
        build-backend = "hatchling.build"
        [project]
        name = "sparkdoctor-example"
        version = "1.2"
        [project.entry-points."sparkdoctor.plugins"]
        kitchen = "example_checks"
        [tool.hatch.build.targets.wheel]
        packages = ["example_checks"]
        """,
    "setuptools": """
        [build-system]
        requires = ["setuptools"]
        build-backend = "setuptools.build_meta"
        [project]
        name = "sparkdoctor-example"
        version = "1.2"
        [project.entry-points."sparkdoctor.plugins"]
        kitchen = "example_checks"
        [tool.setuptools]
        packages = ["example_checks"]
        """,
}


class Ended(NamedTuple):
    code: int
    out: str
    err: str
    seconds: float

    @property
    def results(self) -> dict[str, dict[str, Any]]:
        found = json.loads(self.out)["results"]
        assert len({result["id"] for result in found}) == len(found)
        return {result["id"]: result for result in found}

    @property
    def problems(self) -> list[str]:
        """What is said of plugins that cannot be used, each as a crashed result."""
        found = [result for result in self.results.values() if result["layer"] == "plugins"]
        assert {result["status"] for result in found} <= {"crashed"}
        return [result["summary"] for result in found]


def run(place: Path, *args: str, python_path: str | None = None, **variables: str) -> Ended:
    env = {"PATH": "/usr/bin:/bin", "HOME": str(place), "LANG": "C.UTF-8", "PYTHONPATH": python_path or str(place / "installed")}
    env |= {name: os.environ[name] for name in ("SPARKDOCTOR_TEST_WITNESS",) if name in os.environ}
    started = time.monotonic()
    ended = subprocess.run(
        [COMMAND, *args], env=env | variables, capture_output=True, text=True, timeout=20, check=False, cwd=place
    )
    assert ended.returncode in {0, 1, 2, 3}, ended
    assert "Traceback" not in ended.stdout + ended.stderr
    assert "sparkdoctor broke" not in ended.stderr, ended.stderr
    return Ended(ended.returncode, ended.stdout, ended.stderr, time.monotonic() - started)


def install(place: Path, modules: Mapping[str, str], *, distribution: str = "stranger", value: str | None = None) -> None:
    """The installed form of a distribution, written by hand."""
    target = place / "installed"
    for name, text in modules.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    metadata = target / f"{distribution.replace('-', '_')}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    entry = value or next(iter(modules)).partition("/")[0].removesuffix(".py")
    (metadata / "entry_points.txt").write_text(
        f"[console_scripts]\nx = y:z\n\n[sparkdoctor.plugins]\nplugin = {entry}\n\n[other]\na = b\n"
    )


@pytest.fixture(scope="module", params=["hatchling", "setuptools", "by hand"])
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The place where the good plugin is installed, built by each backend that is here."""
    place = tmp_path_factory.mktemp("example")
    if request.param == "by hand":
        install(place, {"example_checks/__init__.py": "", "example_checks/kitchen.py": GOOD}, distribution="sparkdoctor-example")
        return place
    if importlib.util.find_spec(request.param) is None or importlib.util.find_spec("pip") is None:
        pytest.skip(f"{request.param} or pip is not installed here")
    if (
        request.param == "setuptools"
        and int(version("setuptools").partition(".")[0]) < 71
        and importlib.util.find_spec("wheel") is None
    ):
        pytest.skip("this setuptools builds wheels with the package wheel, which is not installed here")
    project = place / "project"
    (project / "example_checks").mkdir(parents=True)
    (project / "pyproject.toml").write_text(textwrap.dedent(PROJECTS[request.param]))
    (project / "example_checks" / "__init__.py").touch()
    (project / "example_checks" / "kitchen.py").write_text(GOOD)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "-q"]
    subprocess.run([*pip, "wheel", *offline, "-w", place / "wheels", project], check=True, capture_output=True)
    (wheel,) = (place / "wheels").glob("*.whl")
    subprocess.run([*pip, "install", *offline, "--target", place / "installed", wheel], check=True, capture_output=True)
    return place


# --- a plugin that works


def test_it_is_listed_and_explained(example: Path) -> None:
    listed = run(example, "list").out
    assert "  coffee-low                     There is coffee [sparkdoctor-example]\n" in listed
    assert "kitchen\n" in listed
    explained = run(example, "explain", "coffee-low").out
    for words in (
        "coffee-low: There is coffee.",
        "Nothing is predicted",
        "everybody",
        "Plugin: sparkdoctor-example.",
        "Facts: Coffee.",
    ):
        assert words in explained
    assert "Plugin: sparkdoctor." in run(example, "explain", "disk-low").out


def test_its_checks_run_on_its_own_facts(example: Path, tmp_path: Path) -> None:
    (tmp_path / "cake").write_text("3 lemon")
    ended = run(example, "check", "--format", "json", EXAMPLE_COFFEE="1", EXAMPLE_CAKE=f"{tmp_path}/cake")
    assert ended.code == 1
    coffee, cake = ended.results["coffee-low"], ended.results["cake-gone"]
    assert (coffee["status"], coffee["summary"], coffee["layer"]) == ("failed", "1 cups of dark coffee", "kitchen")
    assert coffee["remedy"]["command"] == "brew --now"
    assert (cake["status"], cake["summary"]) == ("ok", "3 slices of lemon cake")
    assert set(BUILT_IN) <= set(ended.results)
    assert ended.problems == []
    assert "coffee-low" in run(example, "check", "coffee-low", EXAMPLE_COFFEE="1").out


@pytest.mark.parametrize(("told", "status"), [("7", "ok"), ("0", "failed"), (None, "skipped"), ("much", "crashed")])
def test_a_fact_that_is_there_missing_or_broken(example: Path, told: str | None, status: str) -> None:
    ended = run(example, "check", "coffee-low", "--format", "json", **({"EXAMPLE_COFFEE": told} if told else {}))
    assert ended.results["coffee-low"]["status"] == status
    assert ended.code == {"ok": 0, "failed": 1}.get(status, 3)


def test_it_is_recorded_and_replayed(example: Path, tmp_path: Path) -> None:
    (tmp_path / "cake").write_text("3 lemon")
    tape = str(tmp_path / "tape.json")
    assert run(example, "record", tape, EXAMPLE_COFFEE="5", EXAMPLE_CAKE=f"{tmp_path}/cake").code == 0
    (tmp_path / "cake").unlink()
    replayed = run(example, "check", "--replay", tape, "--format", "json").results
    assert (replayed["coffee-low"]["status"], replayed["coffee-low"]["summary"]) == ("ok", "5 cups of dark coffee")
    assert replayed["cake-gone"]["summary"] == "3 slices of lemon cake"
    # Without the plugin the tape is as good as ever.
    assert sorted(run(example, "check", "--replay", tape, "--format", "json", python_path="/nowhere").results) == BUILT_IN
    # A tape that was made without the plugin gives skips, never verdicts.
    run(example, "record", tape, python_path="/nowhere")
    assert run(example, "check", "coffee-low", "--replay", tape, "--format", "json").results["coffee-low"]["status"] == "skipped"


def test_its_ids_can_be_ignored_and_completed(example: Path) -> None:
    assert "coffee-low" not in run(example, "check", "--ignore", "coffee-low", "--format", "json").results
    words = {"_SPARKDOCTOR_COMPLETE": "bash_complete", "COMP_WORDS": "sparkdoctor check coff", "COMP_CWORD": "2"}
    assert "coffee-low" in run(example, **words).out


# --- plugins that cannot be used

HEAD = """
from typing import Self
from sparkdoctor.plugin import Broken, Fact, Machine, Missing, Verdict, check, fail, ok
"""
FINE = (
    HEAD
    + '''
@check(layer="kitchen")
def all_well() -> Verdict:
    """All is well."""
    return ok("well")
'''
)

UNUSABLE = {
    "ImportError": ("import nowhere_to_be_found", "ModuleNotFoundError"),
    "SyntaxError": ("def (", "SyntaxError"),
    "SystemExit": ("raise SystemExit(0)", "SystemExit"),
    "BaseException": ("class E(BaseException): ...\nraise E('own')", "own"),
    "recursion": ("def f(): return f()\nf()", "RecursionError"),
    "NUL": ("x = '\0'", "null bytes"),
    "signature": (HEAD + "@check\ndef bad(x: int) -> Verdict:\n    'Bad.'\n", "parameter 'x' is neither"),
    "annotation": (HEAD + "@check\ndef bad(x: 'Nowhere') -> Verdict:\n    'Bad.'\n", "Nowhere"),
    "no annotation": (HEAD + "@check\ndef bad(x):\n    'Bad.'\n", "x"),
    "two facts": (HEAD + "@check\ndef bad(x: list[int] | dict[str, int]) -> Verdict:\n    'Bad.'\n", "parameter 'x' is neither"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_module_that_cannot_be_used(tmp_path: Path, kind: str) -> None:
    text, words = UNUSABLE[kind]
    install(tmp_path, {"odd/__init__.py": "", "odd/bad.py": text, "odd/well.py": FINE})
    ended = run(tmp_path, "check", "--format", "json")
    (problem,) = ended.problems
    assert "distribution stranger" in problem
    assert words in problem
    assert ended.results["all-well"]["status"] == "ok"
    unaffected(ended)
    if kind == "ImportError":
        assert "distribution stranger" in run(tmp_path, "list").out
        assert "distribution stranger" in run(tmp_path, "check").out.replace("\n", " ")


def unaffected(ended: Ended) -> None:
    """The built-in checks are all there, and the exit code is theirs."""
    results = ended.results
    assert set(BUILT_IN) <= set(results)
    assert ended.code == int("failed" in {results[name]["status"] for name in BUILT_IN})
    assert not {name for name in BUILT_IN if results[name]["status"] == "crashed"}


def in_time(ended: Ended, timeout: float) -> None:
    """The report was due at the timeout, and the whole process, however busy this machine, before a second one would end."""
    assert json.loads(ended.out)["seconds"] < timeout + 1
    assert ended.seconds < 2 * timeout


@pytest.mark.parametrize("value", ["nowhere_to_be_found", "os.path.nowhere", "", "not a name", "...", "os:path", "a" * 10_000])
def test_an_entry_point_that_names_nothing(tmp_path: Path, value: str) -> None:
    install(tmp_path, {"odd.py": ""}, value=value or " ")
    ended = run(tmp_path, "check", "--format", "json")
    unaffected(ended)
    assert [problem for problem in ended.problems if "distribution stranger" in problem] or value == "os:path"


@pytest.mark.parametrize(
    "text",
    [b"", b"\xff\xfe[sparkdoctor.plugins]\n", b"[sparkdoctor.plugins]\n= x\ny\n#z = a\n", b"[sparkdoctor.plugins"],
    ids=range(4),
)
def test_entry_points_of_nonsense(tmp_path: Path, text: bytes) -> None:
    install(tmp_path, {"odd.py": ""})
    (tmp_path / "installed" / "stranger-1.0.dist-info" / "entry_points.txt").write_bytes(text)
    unaffected(run(tmp_path, "check", "--format", "json"))


@pytest.mark.parametrize("kind", ["directory", "fifo", "loop", "gone"])
def test_entry_points_that_cannot_be_read(tmp_path: Path, kind: str) -> None:
    install(tmp_path, {"odd.py": ""})
    path = tmp_path / "installed" / "stranger-1.0.dist-info" / "entry_points.txt"
    path.unlink()
    match kind:
        case "directory":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "loop":
            path.symlink_to(path)
    ended = run(tmp_path, "check", "--format", "json", "--timeout", "5")
    assert ended.seconds < 5  # nobody waited until time was up
    unaffected(ended)


def test_a_check_that_is_registered_twice(tmp_path: Path) -> None:
    install(tmp_path, {"odd/__init__.py": "", "odd/one.py": FINE, "odd/two.py": FINE})
    ended = run(tmp_path, "check", "--format", "json")
    assert [problem for problem in ended.problems if "all-well is registered twice" in problem]
    assert ended.results["all-well"]["status"] == "ok"
    unaffected(ended)


@pytest.mark.parametrize("distribution", ["aaa", "zzz"])
def test_a_clash_with_a_built_in_check(tmp_path: Path, distribution: str) -> None:
    """Whatever the order of names and of sys.path, and the plugin stands first there: the built-in check stays."""
    text = FINE.replace("def all_well", "def disk_low").replace('ok("well")', 'fail("stolen", remedy="none")')
    install(tmp_path, {f"{distribution}.py": text + FINE}, distribution=distribution)
    ended = run(tmp_path, "check", "--format", "json")
    assert ended.results["disk-low"]["summary"] != "stolen"
    (problem,) = ended.problems
    assert f"distribution {distribution}" in problem
    assert "disk-low is registered by sparkdoctor already" in problem
    assert ended.results["all-well"]["status"] == "ok"
    unaffected(ended)
    assert "Plugin: sparkdoctor." in run(tmp_path, "explain", "disk-low").out


def test_a_clash_of_two_plugins_does_not_depend_on_their_order(tmp_path: Path) -> None:
    said = []
    for order in (("first", "second"), ("second", "first")):
        place = tmp_path / order[0]
        place.mkdir()
        for number, name in enumerate(order):
            text = FINE.replace('"well"', f'"{name}"')
            (place / str(number)).mkdir()
            install(place / str(number), {f"odd_{name}.py": text}, distribution=name)
        path = os.pathsep.join(str(place / str(number) / "installed") for number in (0, 1))
        ended = run(place, "check", "--format", "json", python_path=path)
        said.append((ended.results["all-well"]["summary"], ended.problems))
    assert said[0] == said[1]
    assert "second" in said[0][1][0]


BAD_CHECKS = {
    "raises": ('raise ValueError("odd " * 10)', "ValueError"),
    "raises without words": ("raise AssertionError", "AssertionError"),
    "exits": ("raise SystemExit(0)", "SystemExit"),
    "interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "returns None": ("return None", "NoneType"),
    "returns another": ('return ("ok", "well", None, None, (), None)', "tuple"),
    "recurses": ("return strange()", "RecursionError"),
    "recurses in words": ("class E(Exception):\n        def __str__(self) -> str: raise self\n    raise E", "E"),
}


@pytest.mark.parametrize("kind", BAD_CHECKS)
def test_a_check_that_fails_to_judge(tmp_path: Path, kind: str) -> None:
    code, words = BAD_CHECKS[kind]
    text = (
        FINE
        + "\ndef strange():\n    return strange()\n"
        + f'\n@check(layer="kitchen")\ndef a_bad_one() -> Verdict:\n    """Bad."""\n    {code}\n'
    )
    install(tmp_path, {"odd.py": text})
    ended = run(tmp_path, "check", "--format", "json")
    result = ended.results["a-bad-one"]
    assert result["status"] == "crashed"
    assert words in result["summary"]
    assert ended.results["all-well"]["status"] == "ok"
    unaffected(ended)


def test_a_verdict_of_nonsense(tmp_path: Path) -> None:
    """A verdict whose parts are of other types must not break the report of all."""
    text = (
        FINE
        + '\n@check(layer="kitchen")\ndef odd_words() -> Verdict:\n    """Odd."""\n'
        + '    return ok(7, evidence=(object(),), observed=b"x")\n'
    )
    install(tmp_path, {"odd.py": text})
    for form in ("json", "terminal", "junit", "markdown"):
        ended = run(tmp_path, "check", "-v", "--format", form)
        assert ended.out
    unaffected(run(tmp_path, "check", "--format", "json"))


LOOPS = {
    "loops": "while True: pass",
    "sleeps": "import time; time.sleep(3600)",
    "will not be stopped": "\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass",
}


@pytest.mark.waits
@pytest.mark.parametrize("kind", LOOPS)
def test_a_check_that_never_ends(tmp_path: Path, kind: str) -> None:
    text = FINE + f'\n@check(layer="aaa")\ndef a_bad_one() -> Verdict:\n    """Bad."""\n    {LOOPS[kind].strip()}\n'
    install(tmp_path, {"odd.py": text})
    ended = run(tmp_path, "check", "--format", "json", "--timeout", "2")
    in_time(ended, 2)
    assert ended.results["a-bad-one"]["status"] == "crashed"
    assert "did not come to an end" in ended.results["a-bad-one"]["summary"]
    assert ended.results["all-well"]["status"] == "ok"
    unaffected(ended)


@pytest.mark.waits
def test_checks_that_never_end_are_given_up_together(tmp_path: Path) -> None:
    """Five that hang must not take five times as long."""
    text = HEAD
    for number in range(5):
        text += f'\n@check(layer="aaa")\ndef bad_{number}() -> Verdict:\n    """Bad."""\n    import time; time.sleep(3600)\n'
    install(tmp_path, {"odd.py": text})
    ended = run(tmp_path, "check", "--format", "json", "--timeout", "2")
    in_time(ended, 2)
    assert {ended.results[f"bad-{number}"]["status"] for number in range(5)} == {"crashed"}
    unaffected(ended)


BAD_FACTS = {
    "raises": ("raise ValueError('odd')", "ValueError"),
    "exits": ("raise SystemExit(0)", "SystemExit"),
    "recurses": ("return cls.probe(machine)", "RecursionError"),
    "needs itself": ("return machine.need(cls)", "needs itself"),
    "returns None": ("return None", ""),
    "asks nonsense": ("return machine.run()", ""),
    "asks for a NUL": ("return machine.read('a\\0b')", ""),
    "runs nothing": ("return machine.run('/nowhere/x')", ""),
}


def bad_fact(code: str) -> str:
    return (
        FINE
        + f'''
class Bad(Fact):
    """Bad."""

    value: int = 0

    @classmethod
    def probe(cls, machine: Machine) -> Self | Missing:
        {code}


@check(layer="kitchen")
def a_bad_fact(bad: Bad) -> Verdict:
    """Bad."""
    return ok(str(bad.value))
'''
    )


@pytest.mark.parametrize("kind", BAD_FACTS)
def test_a_probe_that_fails(tmp_path: Path, kind: str) -> None:
    code, words = BAD_FACTS[kind]
    install(tmp_path, {"odd.py": bad_fact(code)})
    ended = run(tmp_path, "check", "--format", "json", "--timeout", "5")
    assert ended.seconds < 5  # nobody waited until time was up
    assert ended.results["a-bad-fact"]["status"] == ("skipped" if kind == "runs nothing" else "crashed")
    assert words in ended.results["a-bad-fact"]["summary"]
    assert ended.results["all-well"]["status"] == "ok"
    assert ended.err == ""
    unaffected(ended)


@pytest.mark.waits
@pytest.mark.parametrize(
    "code", ["while True: pass", "import time; time.sleep(3600)", "machine.run('sleep', '3600', timeout=3600)"]
)
def test_a_probe_that_hangs(tmp_path: Path, witness: Witness, code: str) -> None:
    install(tmp_path, {"odd.py": bad_fact(code)})
    ended = run(tmp_path, "check", "--format", "json", "--timeout", "2")
    in_time(ended, 2)
    assert ended.results["a-bad-fact"]["status"] == "crashed"
    assert ended.results["all-well"]["status"] == "ok"
    unaffected(ended)
    assert witness.alive() == []


@pytest.mark.waits
def test_a_thousand_checks_cost_little(tmp_path: Path) -> None:
    """Less than 0.3 s of processor time, at the best of five runs each."""
    modules = {"many/__init__.py": ""}
    for number in range(10):
        text = FINE.replace("def all_well", f"def well_{number}")
        for other in range(99):
            text += (
                f'\n@check(layer="kitchen")\ndef well_{number}_{other}() -> Verdict:\n    """All is well."""\n    '
                f'return ok("well")\n'
            )
        modules[f"many/part_{number}.py"] = text
    install(tmp_path, modules)
    assert sum(name.startswith("well-") for name in run(tmp_path, "check", "--format", "json").results) == 1000
    costs: dict[str, list[float]] = {str(tmp_path / "installed"): [], "/nowhere": []}
    for _ in range(5):
        for path, seconds in costs.items():
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            run(tmp_path, "check", python_path=path)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    with_them, without = (min(seconds) for seconds in costs.values())
    assert with_them - without < 0.3
