"""`sparkdoctor explain`."""

import textwrap

import click

from sparkdoctor import doctor
from sparkdoctor.check import Check, Described
from sparkdoctor.cli import emit
from sparkdoctor.fix import Fix
from sparkdoctor.registry import Registry
from sparkdoctor.signature import ANYTHING, Signature


def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    """Shell completion: the ids of all checks, fixes and signatures."""
    return [name for name in Registry.load(signatures=True).owners if name.startswith(incomplete)]


@click.command("explain", epilog="Example: sparkdoctor explain torch-lacks-kernels")
@click.argument("id", metavar="ID", shell_complete=complete)
def command(id: str) -> int:  # noqa: A002 (it is the word of the reports)
    """Explain one check, fix or signature: what it is for, why, and on whose word."""
    registry = Registry.load(signatures=True)
    found: Described | None = registry.fixes.get(id) or registry.signatures.get(id)
    if found is None:
        try:
            (found,) = doctor.select(registry, (id,))
        except doctor.UnknownIdError as error:
            raise click.ClickException(str(error)) from None
    emit(explain(found, registry))
    return 0


def explain(found: Described, registry: Registry) -> str:
    """The text about one of them, wrapped for 80 columns."""
    parts = [textwrap.fill(f"{found.id}: {found.title}.", 80, break_on_hyphens=False)]
    parts += [textwrap.fill(" ".join(paragraph.split()), 80) for paragraph in found.why.split("\n\n") if paragraph.strip()]
    if found.sources:
        parts.append(
            "Sources:\n"
            + "\n".join(textwrap.fill(source, 80, initial_indent="  ", subsequent_indent="    ") for source in found.sources)
        )
    if isinstance(found, Signature):
        parts.append(
            "Looks for:\n" + "\n".join(f"  {wording.text.strip()}" for wording in found.wordings)
        )  # there to be read whole
    parts.append(textwrap.fill(_about(found, registry), 80, break_on_hyphens=False))  # ids are there to be copied
    return "\n\n".join(parts) + "\n"


def _about(found: Described, registry: Registry) -> str:
    plugin = f"Plugin: {registry.owners[found.id].distribution}."
    facts = ", ".join(need.fact.__name__ for need in found.needs if need.fact is not None) or "none"
    match found:
        case Check():
            fixes = ", ".join(fix.id for fix in doctor.fixes_for(registry, found.id)) or "none"
            return f"Layer: {found.layer}. {plugin} Facts: {facts}. Fixes: {fixes}. {found.depth}".strip()
        case Fix():
            after = f" Comes after: {', '.join(found.after)}." if found.after else ""
            return f"A fix. {plugin} Facts: {facts}. Cures: {', '.join(found.cures)}.{after}"
        case Signature():
            causes = ", ".join("anything" if name == ANYTHING else name for name in found.because)
            because = f" A consequence of: {causes}." if causes else ""
            return f"A signature of logs. {plugin} Checks: {', '.join(found.checks) or 'none'}.{because}"
    return plugin
