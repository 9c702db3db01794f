"""`nestproof explain`: what a check asks, why, how it is judged, and what mends it."""

import difflib
import textwrap
from typing import TYPE_CHECKING

import click

from commands.failures import Failure

if TYPE_CHECKING:
    from hostcheck.checks import Check
    from hostcheck.told import Told
    from provision.manifests.rulebook import Rule


@click.command()
@click.argument("check", required=False, metavar="[CHECK|RULE]")
def explain(check: str | None) -> None:
    """Say what CHECK asks, why it matters, how it is judged, and how to mend it; or the same of a RULE of lint.

    Without either, list all of them.

    \b
    nestproof explain
    nestproof explain nested.offered
    nestproof explain nested-cpu-size
    """
    from hostcheck.checks import catalogue
    from hostcheck.told import TOLD
    from provision.accounting_rules import RULES as OF_ACCOUNTS
    from provision.manifests import rulebook, structure

    told = {entry.id: entry for entry in TOLD}
    known = {entry.id: entry for entry in catalogue()}
    rules = structure.RULES | rulebook.RULES | {rule.id: rule for rule in OF_ACCOUNTS.values()}
    if check is None:
        for entry in known.values():
            click.echo(f"{entry.id:26} {entry.severity:9} {entry.question}")
        for each in told.values():
            click.echo(f"{each.id:26} {'':9} {each.question}")
        for rule in rules.values():
            click.echo(f"{rule.id:26} {rule.severity:9} {rule.why}")
        return
    if check in rules:
        click.echo("\n".join(_rule_text(rules[check])))
        return
    if check in told:
        click.echo("\n".join(_told_text(told[check])))
        return
    if check not in known:
        near = difflib.get_close_matches(check, [*known, *told, *rules], 1)
        hint = f"did you mean {near[0]}?" if near else "`nestproof explain` lists them all"
        raise Failure(f"there is no check or rule called {check!r}", hint=hint)
    click.echo("\n".join(_text(known[check])))


def _rule_text(rule: "Rule") -> list[str]:
    stops = {"error": "nothing is applied", "warning": "apply goes on", "note": "advice, shown by lint alone"}
    lines = [rule.id, "", *_wrapped(f"A rule of nestproof lint: {rule.severity} ({stops[rule.severity]})."), ""]
    return lines + _named("Why", rule.why) + _named("What to do", rule.change)


def _told_text(entry: "Told") -> list[str]:
    lines = [entry.id, "", *_wrapped(entry.question), "", *_wrapped(entry.why), "", "How it is judged:"]
    return lines + _wrapped(entry.judged, 2)


def _text(entry: "Check") -> list[str]:
    from hostcheck.checks.document import SEVERITIES
    from hostcheck.remedies.book import book
    from hostcheck.remedies.proved import why_not_proved

    lines = [entry.id, "", *_wrapped(entry.question), "", *_wrapped(entry.why), "", "How it is judged:"]
    lines += [*_wrapped(entry.judged, 2), "", *_named("Results", ", ".join(entry.gives))]
    lines += _named("Severity", f"{entry.severity}: {SEVERITIES[entry.severity]}")
    lines += _named("Link of the chain", entry.link.label if entry.link else "")
    lines += _named("Can only hold where these hold", ", ".join(entry.needs))
    lines += _named("Facts needed", ", ".join(entry.facts))
    if entry.remedies:
        lines += ["", "To mend it, what fits the machine of these; words in capitals are filled in:"]
    for name in entry.remedies:
        remedy = book()[name].general
        lines += ["", *_wrapped(f"{name} ({remedy.where}): {remedy.title}", 2), *(f"    {c}" for c in remedy.commands)]
        lines += _named("    then", remedy.then) + _named("    needs", remedy.needs) + _named("    risk", remedy.risk)
        proven = remedy.proved_in or f"by no test: {why_not_proved(name)}"
        lines += _named("    for", remedy.applies) + _named("    proven", proven)
    return lines + (["", "Read on:", *(f"  {link}" for link in entry.links)] if entry.links else [])


def _named(name: str, text: str) -> list[str]:
    """`Name: text`, wrapped below itself; nothing for no text."""
    indent = " " * (len(name) - len(name.lstrip()) + 2)
    return textwrap.wrap(f"{name}: {text}", 100, subsequent_indent=indent, break_on_hyphens=False) if text else []


def _wrapped(text: str, indent: int = 0) -> list[str]:
    space = " " * indent
    return textwrap.wrap(text, 100, initial_indent=space, subsequent_indent=space, break_on_hyphens=False)
