"""`nestproof explain`: what a check asks and why."""

import difflib

import click

from commands.failures import Failure


@click.command()
@click.argument("check", required=False)
def explain(check: str | None) -> None:
    """Say what CHECK asks, why it matters, and which link of the chain it is about; without CHECK, list all."""
    from hostcheck.checks import catalogue

    known = {entry.id: entry for entry in catalogue()}
    if check is None:
        for entry in known.values():
            click.echo(f"{entry.id:24} {entry.question}")
        return
    if check not in known:
        near = difflib.get_close_matches(check, known, 1)
        hint = f"did you mean {near[0]}?" if near else "`nestproof explain` lists them all"
        raise Failure(f"there is no check called {check!r}", hint=hint)
    entry = known[check]
    link = f"\n\nLink of the chain: {entry.link.label}." if entry.link else ""
    needs = f"\nCan only hold where these hold: {', '.join(entry.needs)}." if entry.needs else ""
    click.echo(f"{entry.id}\n\n{entry.question}\n\n{entry.why}{link}{needs}")
