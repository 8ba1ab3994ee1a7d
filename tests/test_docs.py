"""What stands in the documentation is what the code says."""

import re
import runpy
from pathlib import Path

from click.testing import CliRunner

from sparkdoctor import profiles
from sparkdoctor.cli import group
from sparkdoctor.registry import Registry

ROOT = Path(__file__).parents[1]


def test_the_page_of_checks_is_made_from_their_docstrings() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "make_checks.py"))["page"]()
    assert (ROOT / "docs" / "checks.md").read_text(encoding="utf-8") == page, "python docs/make_checks.py"


def test_the_example_profile_is_one(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "profiles.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "rack.toml").write_text(example, encoding="utf-8")
    profile = profiles.load(str(tmp_path / "rack.toml"))
    assert profile.memory_gib == profiles.Severity(32, 16)
    assert profile.shm_gib.failed == 16
    assert set(profile.severity) <= set(Registry.load().checks)


def test_the_example_checks_are_ones() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 2
    for number, block in enumerate(blocks):
        module = {"__name__": f"example{number}.checks.layer"}
        exec(compile(block, "CONTRIBUTING.md", "exec"), module)
        (check,) = (value for value in module.values() if type(value).__name__ == "Check")
        assert check.needs  # type: ignore[attr-defined]


def test_every_command_and_option_of_the_readme_exists() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8") + (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - {"--gpus", "--ipc", "--shm-size", "--output-format", "--runs"}
    known = "".join(CliRunner().invoke(group, [command, "--help"]).output for command in ("check", "record", "list", "explain"))
    assert [option for option in options if option not in known] == []


def test_files_that_the_documents_link_to_exist() -> None:
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text(encoding="utf-8")):
            assert (document.parent / link).exists(), f"{document.name}: {link}"
