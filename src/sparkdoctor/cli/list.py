"""`sparkdoctor list`."""

from itertools import groupby

import click

from sparkdoctor import doctor
from sparkdoctor.cli import emit
from sparkdoctor.registry import OURS, Registry


@click.command("list", epilog="Example: sparkdoctor list | grep memory")
def command() -> int:
    """List all checks by layer, all fixes, and all signatures of logs, with the plugin that each comes from."""
    registry = Registry.load(signatures=True)
    lines = []
    for layer, checks in groupby(doctor.select(registry), key=lambda check: check.layer):
        lines.append(f"{layer}\n")
        for check in checks:
            owner = registry.owners[check.id].distribution
            marks = ", ".join(mark for mark in ("deep" if check.deep else "", "" if owner == OURS else owner) if mark)
            lines.append(f"  {check.id:<30} {check.title}" + (f" [{marks}]" if marks else "") + "\n")
    for title, found in (("fixes", registry.fixes.values()), ("signatures", registry.signatures.values())):
        lines += [f"{title}\n"] if found else []
        for one in sorted(found, key=lambda one: one.id):
            owner = registry.owners[one.id].distribution
            lines.append(f"  {one.id:<30} {one.title}" + ("" if owner == OURS else f" [{owner}]") + "\n")
    lines += [f"! {problem.verdict.summary}\n" for problem in registry.problems]
    emit("".join(lines))
    return 0
