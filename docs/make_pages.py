"""Writes docs/checks.md, fixes.md and signatures.md from the docstrings of what is built in.

python docs/make_pages.py
"""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from textwrap import fill

from sparkdoctor import doctor
from sparkdoctor.check import Described
from sparkdoctor.registry import OURS, Registry
from sparkdoctor.signature import ANYTHING
from sparkdoctor.treatment import ordered

HERE = Path(__file__).parent


def checks() -> str:
    """The page of the checks."""
    registry = Registry.load()
    ours = [check for check in doctor.select(registry) if registry.owners[check.id].distribution == OURS]
    parts = ["# All checks", f"{len(ours)} checks, by layer. `sparkdoctor explain ID` shows the same for one of them."]
    for layer, group in groupby(ours, key=lambda check: check.layer):
        parts.append(f"## {layer}")
        for check in group:
            parts += _described(check, "###")
            if check.depth:
                parts.append(check.depth.replace("--deep", "`--deep`"))
            cures = [fix.id for fix in doctor.fixes_for(registry, check.id) if registry.owners[fix.id].distribution == OURS]
            if cures:
                parts.append(fill(f"Fixed by {_linked('fixes', cures)}.", 120, break_on_hyphens=False))
            parts += _sources(check)
    return "\n\n".join(parts) + "\n"


def fixes() -> str:
    """The page of the fixes."""
    registry = Registry.load()
    ours = ordered(fix for fix in registry.fixes.values() if registry.owners[fix.id].distribution == OURS)
    intro = f"{len(ours)} fixes, each after those that it builds on. `sparkdoctor explain ID` shows the same for one of them; \
how they are used stands in [usage](usage.md#fix)."
    parts = ["# All fixes", fill(intro, 120, break_on_hyphens=False)]
    for fix in ours:
        parts += _described(fix, "##")
        parts.append(fill(f"Cures {_linked('checks', fix.cures)}.", 120, break_on_hyphens=False, break_long_words=False))
        parts += _sources(fix)
    return "\n\n".join(parts) + "\n"


def signatures() -> str:
    """The page of the signatures."""
    registry = Registry.load(signatures=True)
    ours = sorted(name for name in registry.signatures if registry.owners[name].distribution == OURS)
    intro = f"{len(ours)} signatures: what `sparkdoctor triage` knows in a log. `sparkdoctor explain ID` shows one of them."
    parts = ["# All signatures", fill(intro, 120, break_on_hyphens=False)]
    for signature in map(registry.signatures.__getitem__, ours):
        parts += _described(signature, "##")
        parts.append("\n".join(("```text", *(wording.text.strip() for wording in signature.wordings), "```")))
        if signature.checks:
            text = f"Confirmed by {_linked('checks', signature.checks)}."
            parts.append(fill(text, 120, break_on_hyphens=False, break_long_words=False))
        if causes := [name for name in signature.because if name != ANYTHING]:
            text = f"A consequence of {_linked('signatures', causes)}."
            parts.append(fill(text, 120, break_on_hyphens=False, break_long_words=False))
        parts += _sources(signature)
    return "\n\n".join(parts) + "\n"


def _described(one: Described, level: str) -> Iterator[str]:
    yield f"{level} `{one.id}`"
    first, *more = re.split(r"\n\s*\n", one.why)
    yield fill(f"**{one.title}.** {first}".strip(), 120)
    yield from (fill(paragraph, 120) for paragraph in more)


def _sources(one: Described) -> Iterator[str]:
    if one.sources:
        yield "Sources:\n\n" + "\n".join(f"- {source}" for source in one.sources)


def _linked(page: str, ids: Iterable[str]) -> str:
    return ", ".join(f"[`{name}`]({page}.md#{name})" for name in ids)


PAGES = {"checks.md": checks, "fixes.md": fixes, "signatures.md": signatures}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")
