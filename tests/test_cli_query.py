"""`sparkdoctor check --query FILE`, as the installed command."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from releases import RELEASES, releases

COMMAND = str(Path(sys.executable).with_name("sparkdoctor"))
QUERIES = Path(__file__).parent / "queries"
TAPE = str(Path(__file__).parent / "machines" / "gb10-healthy.tape.json")
PYDANTIC = """
import json
class Wrong(ValueError):
    def errors(self, **_):
        return [{"loc": ("queries",), "msg": "Field required", "type": "missing"}]
class InferenceQuerySet:
    queries = {}
    @classmethod
    def from_json(cls, path):
        with open(path) as file:
            if "queries" not in json.load(file):
                raise Wrong
        return cls()
"""


def check(*args: str, cwd: Path | None = None, **env: str) -> tuple[int, Any, str]:
    command = [COMMAND, "check", "query-invalid", "--format", "json", *args]
    ended = subprocess.run(
        command,
        env={"PATH": "/usr/bin:/bin", "HOME": "/usr", "LANG": "C.UTF-8", **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=cwd,
    )
    assert "Traceback" not in ended.stderr
    results = (
        [result for result in json.loads(ended.stdout)["results"] if result["id"] == "query-invalid"] if ended.stdout else [{}]
    )
    return ended.returncode, results[0], ended.stderr


def test_without_a_query_it_is_skipped() -> None:
    code, result, _ = check()
    assert (code, result["status"]) == (3, "skipped")
    assert "--query FILE" in result["summary"]


def test_a_good_and_a_bad_query_on_a_machine_without_openfold3(tmp_path: Path) -> None:
    shutil.copy(QUERIES / "protein.json", tmp_path / "mine.json")
    code, result, _ = check("--query", "mine.json", cwd=tmp_path)
    assert (code, result["status"]) == (0, "ok")
    code, result, _ = check("--query", str(QUERIES / "type_unknown.json"))
    assert (code, result["status"]) == (1, "failed")
    assert '"prot" stands where protein' in result["summary"]
    code, result, _ = check("--query", str(QUERIES / "seeds.json"), "--fail-on", "warning")
    assert (code, result["status"]) == (1, "warning")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--query", "gone.json"), "--query gone.json: no such file"),
        (("--query", "."), "--query .: a file is due, this is a directory"),
        (("--query", "/dev/null"), "--query /dev/null: not a file"),
        (("--runner-yaml", "gone.yml"), "--runner-yaml gone.yml: no such file"),
        (("--query", str(QUERIES / "protein.json"), "--replay", TAPE), "--query cannot change what is on a tape"),
        (("--runner-yaml", str(QUERIES / "empty.cif"), "--replay", TAPE), "--runner-yaml cannot change what is on a tape"),
    ],
)
def test_wrong_usage_is_told_in_a_line(args: tuple[str, ...], words: str, tmp_path: Path) -> None:
    code, _, said = check(*args, cwd=tmp_path)
    assert code == 2
    assert words in said
    assert len(said.splitlines()) == 1


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "q.json"
    path.touch(mode=0)
    assert "may not be read" in check("--query", str(path))[2]


def installed(tmp_path: Path, schema: str, init: str = "") -> str:
    """A search path with an OpenFold3 0.5.0 of this schema."""
    place = tmp_path / "openfold3/projects/of3_all_atom/config"
    place.mkdir(parents=True)
    for folder in (place, *list(place.parents)[:3]):
        (folder / "__init__.py").touch()
    (tmp_path / "openfold3/__init__.py").write_text(init)
    (place / "inference_query_format.py").write_text(schema)
    (tmp_path / "openfold3-0.5.0.dist-info").mkdir()
    return str(tmp_path)


def asked(tmp_path: Path, name: str, schema: str = PYDANTIC, init: str = "") -> tuple[int, Any, str]:
    path = installed(tmp_path, schema, init)
    return check("--query", str(QUERIES / name), "--python", sys.executable, PYTHONPATH=path)


def test_the_installed_parser_is_asked_without_the_packages_around_it(tmp_path: Path) -> None:
    code, result, _ = asked(tmp_path, "protein.json", init="raise SystemError('this takes ten seconds')")
    assert (code, result["status"]) == (0, "ok")
    assert "OpenFold3 0.5.0's own parser" in result["summary"]


def test_its_refusal_counts(tmp_path: Path) -> None:
    code, result, _ = asked(tmp_path, "alphafold3.json")
    assert code == 1
    assert "refused by OpenFold3 0.5.0's own parser: 1 error" in result["evidence"]


def test_a_schema_that_needs_all_of_openfold3_gets_it(tmp_path: Path) -> None:
    schema = f"import openfold3\nopenfold3.ready\n{PYDANTIC}"
    code, result, _ = asked(tmp_path, "protein.json", schema, "ready = True")
    assert code == 0
    assert "own parser" in result["summary"]


def test_a_parser_that_crashes_leaves_our_reading(tmp_path: Path) -> None:
    code, result, _ = asked(tmp_path, "protein.json", "import os; os.abort()")
    assert code == 0
    assert "our own reading" in result["summary"]
    assert "was killed by SIGABRT" in result["evidence"][0]


@releases(*RELEASES)
def test_with_a_real_openfold3(version: str, openfold3: Callable[[str], Path]) -> None:
    python = ("--python", str(openfold3(version) / "python"))
    code, result, _ = check("--query", str(QUERIES / "ligands.json"), *python)
    assert (code, result["status"]) == (0, "ok")
    assert f"OpenFold3 {version}'s own parser" in result["summary"]
    code, result, _ = check("--query", str(QUERIES / "type_unknown.json"), *python)
    assert code == 1
    assert f"refused by OpenFold3 {version}'s own parser: 1 error" in result["evidence"]
