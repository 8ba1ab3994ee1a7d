"""`sparkdoctor explain`."""

import textwrap

import click

from sparkdoctor import doctor
from sparkdoctor.check import Check
from sparkdoctor.cli import emit
from sparkdoctor.cli.options import complete_ids
from sparkdoctor.registry import Registry


@click.command("explain", epilog="Example: sparkdoctor explain torch-lacks-kernels")
@click.argument("id", metavar="ID", shell_complete=complete_ids)
def command(id: str) -> int:  # noqa: A002 (it is the word of the reports)
    """Explain one check: the norm, why it matters, and on whose word."""
    registry = Registry.load()
    try:
        (check,) = doctor.select(registry, (id,))
    except doctor.UnknownIdError as error:
        raise click.ClickException(str(error)) from None
    emit(explain(check, registry.owners[check.id].distribution))
    return 0


def explain(check: Check, owner: str) -> str:
    """The text about one check, wrapped for 80 columns."""
    facts = ", ".join(need.fact.__name__ for need in check.needs if need.fact is not None)
    parts = [f"{check.id}: {check.title}."]
    parts += [textwrap.fill(" ".join(paragraph.split()), 80) for paragraph in check.why.split("\n\n") if paragraph.strip()]
    if check.sources:
        parts.append(
            "Sources:\n"
            + "\n".join(textwrap.fill(source, 80, initial_indent="  ", subsequent_indent="    ") for source in check.sources)
        )
    origin = f"Layer: {check.layer}. Plugin: {owner}. Facts: {facts or 'none'}. Fixes: none."
    parts.append(textwrap.fill(origin + (" Runs with --deep." if check.deep else ""), 80))
    return "\n\n".join(parts) + "\n"
