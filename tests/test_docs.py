"""What stands in the documentation is what the code says."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from click import Context
from click.testing import CliRunner

from sparkdoctor import profiles
from sparkdoctor.check import Check, Described
from sparkdoctor.cli import group
from sparkdoctor.fix import Fix
from sparkdoctor.plan import NotNeeded, Plan, Refused
from sparkdoctor.registry import Registry
from sparkdoctor.signature import Found, Signature

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["checks.md", "fixes.md", "signatures.md"])
def test_the_pages_of_what_is_built_in_are_made_from_their_docstrings(name: str) -> None:
    page = runpy.run_path(str(ROOT / "docs" / "make_pages.py"))["PAGES"][name]()
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == page, "python docs/make_pages.py"
    others = {one.name: one.read_text(encoding="utf-8") for one in (ROOT / "docs").glob("*.md")}
    for target, anchor in re.findall(r"\]\((\w+\.md)#([\w-]+)\)", page):
        assert re.search(rf"(?mi)^#+ `?{anchor}`?$", others[target]), f"{target}#{anchor}"


def test_the_example_profile_is_one(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "profiles.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "rack.toml").write_text(example, encoding="utf-8")
    profile = profiles.load(str(tmp_path / "rack.toml"))
    assert profile.memory_gib == profiles.Severity(32, 16)
    assert profile.shm_gib.failed == 16
    assert set(profile.severity) <= set(Registry.load().checks)


def test_the_examples_of_checks_and_fixes_are_ones() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    module: dict[str, Any] = {"__name__": "example.checks.layer"}
    for block in blocks:
        exec(compile(block, "CONTRIBUTING.md", "exec"), module)
    described = [value for value in module.values() if isinstance(value, Described)]
    assert [type(one) for one in described] == [Check, Signature, Check, Fix]
    assert all(one.needs for one in described if not isinstance(one, Signature))
    fan, answer = module["Fan"], described[3].function
    assert isinstance(answer(fan=fan(0, "duty = 0\n")), Plan)
    assert isinstance(answer(fan=fan(0, "duty = full\n")), Refused)
    assert isinstance(answer(fan=fan(900, "duty = 0\n")), NotNeeded)
    log = described[1]
    assert isinstance(log, Signature)
    held = log.wordings[0].fit(" controller: fatal: fan 3 of rack r-7 stands still ")
    assert held == {"fan": "3", "rack": "r-7"}
    assert log.function(Found("", held)).summary == "fan 3 stands still"


def test_every_command_and_option_of_the_readme_exists() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8") + (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - {
        "--cpus",
        "--gpus",
        "--init",
        "--ipc",
        "--shm-size",
        "--output-format",
        "--runs",
        "--size",
        "--ulimit",
    }
    known = "".join(CliRunner().invoke(group, [command, "--help"]).output for command in group.list_commands(Context(group)))
    assert [option for option in options if option not in known] == []


def test_files_that_the_documents_link_to_exist() -> None:
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text(encoding="utf-8")):
            assert (document.parent / link).exists(), f"{document.name}: {link}"
