"""Writes docs/checks.md from the docstrings of the built-in checks.

python docs/make_checks.py
"""

import re
from itertools import groupby
from pathlib import Path
from textwrap import fill

from sparkdoctor import doctor
from sparkdoctor.registry import OURS, Registry

PAGE = Path(__file__).with_name("checks.md")


def page() -> str:
    """The page's text."""
    registry = Registry.load()
    ours = [check for check in doctor.select(registry) if registry.owners[check.id].distribution == OURS]
    parts = ["# All checks", f"{len(ours)} checks, by layer. `sparkdoctor explain ID` shows the same for one of them."]
    for layer, checks in groupby(ours, key=lambda check: check.layer):
        parts.append(f"## {layer}")
        for check in checks:
            parts.append(f"### `{check.id}`")
            first, *more = re.split(r"\n\s*\n", check.why)
            parts += [fill(f"**{check.title}.** {first}".strip(), 120), *(fill(paragraph, 120) for paragraph in more)]
            if check.depth:
                parts.append(check.depth.replace("--deep", "`--deep`"))
            if check.sources:
                parts.append("Sources:\n\n" + "\n".join(f"- {source}" for source in check.sources))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
