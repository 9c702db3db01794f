"""docs/checks.md, written from the catalogue: `python -m hostcheck.checks.document > docs/checks.md`."""

import ast
import inspect
import itertools
import sys
from importlib import import_module

import hostcheck.policy
from hostcheck.checks import TOPICS, Check, catalogue
from hostcheck.model import Remedy, Severity
from hostcheck.policy import THRESHOLDS, Thresholds
from hostcheck.remedies.book import book
from hostcheck.remedies.proved import why_not_proved
from hostcheck.told import TOLD

SEVERITIES = {
    Severity.BLOCKS: "guests do not run, or do not nest; only such a check can fail, and its failure is a verdict",
    Severity.DEGRADES: "guests run, but slowly, unreliably, or not after the next change; it warns at most",
    Severity.ADVISES: "worth knowing before it matters; it warns at most",
}
HEAD = """\
# The checks

Written by `python -m hostcheck.checks.document > docs/checks.md`: do not edit. `nestproof explain ID` shows one.

A check is a pure function from the facts of one report ([report.md](report.md)) to a finding with one of five results:
pass, warn, fail, skip (it does not apply, and says why) and unknown (it could not tell, and says why). A fact that is
missing never fails a check. Which checks make a verdict stands in hostcheck/judge.py; of those that only warn,
`kvm.acceleration`, `cpu.emulated` and `nested.paging` turn PROVEN into DEGRADED, and all others leave it alone.
"""
POLICY = """\
# Policy

`nestproof.toml`, in `$XDG_CONFIG_HOME/nestproof/` or named by `nestproof check --policy FILE`. A key that is not known
is an error.

```toml
[thresholds]
memory-minimum-gib = 4

[[waivers]]
check = "capacity.disk"
reason = "images lie on the SAN"
owner = "storage team"
expires = 2027-01-31
```

## Thresholds
"""
WAIVERS = """\
## Waivers

A waiver names a check or a rule of `nestproof lint`, the reason why its finding is put up with, who answers for that,
and the last day on which it holds. All four are needed. The finding keeps its result and is shown as waived, never as
passed, and no verdict and no exit code of a check changes. When the day has passed, the finding is shown as it is, and
`policy.waivers` warns. A warning or note of lint that is waived is not counted; its errors are never waived.
"""


def markdown() -> str:
    """The whole document."""
    parts = [HEAD, *(f"- **{severity}**: {meaning}" for severity, meaning in SEVERITIES.items()), ""]
    parts += ["| check | severity | question |", "|---|---|---|"]
    parts += [f"| [{c.id}](#{_anchor(c.id)}) | {c.severity} | {c.question} |" for c in catalogue()]
    for topic in TOPICS:
        doc = import_module(f"hostcheck.checks.{topic}").__doc__ or ""
        parts += ["", f"# {doc.strip()}"]
        for entry in catalogue():
            parts += _section(entry) if entry.topic == topic else []
    parts += ["", "# What providers tell", "", "Nothing that a report says: read back from a provider."]
    for told in TOLD:
        parts += ["", f"## {told.id}", "", f"**{told.question}** {told.why}", "", f"- Judged: {told.judged}"]
    parts += ["", "# Remedies", "", "Words in capitals are filled in for the machine."]
    for name, recipe in book().items():
        parts += _remedy(name, recipe.general)
    parts += ["", POLICY, "| name | default | what it is |", "|---|---|---|"]
    meanings = _threshold_docs()
    parts += [f"| `{name}` | {field.default:g} | {meanings[field.name]} |" for name, field in THRESHOLDS.items()]
    return "\n".join([*parts, "", WAIVERS])


def _section(entry: Check) -> list[str]:
    remedies = ", ".join(f"[{name}](#{_anchor(name)})" for name in entry.remedies)
    rows = {
        "Judged": entry.judged,
        "Results": ", ".join(entry.gives),
        "Severity": entry.severity.value,
        "Link of the chain": entry.link.label if entry.link else "",
        "Can only hold where these hold": ", ".join(f"[{need}](#{_anchor(need)})" for need in entry.needs),
        "Facts": ", ".join(f"`{fact}`" for fact in entry.facts),
        "Remedies": remedies,
        "Read on": "; ".join(entry.links),
    }
    listed = [f"- {name}: {text}" for name, text in rows.items() if text]
    return ["", f"## {entry.id}", "", f"**{entry.question}** {entry.why}", "", *listed]


def _remedy(name: str, remedy: Remedy) -> list[str]:
    rows = {
        "Where": remedy.where.value,
        "Then": remedy.then,
        "Needs": remedy.needs.value,
        "Risk": remedy.risk,
        "For": remedy.applies,
        "Proven in": remedy.proved_in or f"none: {why_not_proved(remedy.id)}",
    }
    commands = ["", "```sh", *remedy.commands, "```"] if remedy.commands else []
    listed = [f"- {key}: {text}" for key, text in rows.items() if text]
    return ["", f"## {name}", "", f"{remedy.title[:1].upper()}{remedy.title[1:]}.", *commands, "", *listed]


def _threshold_docs() -> dict[str, str]:
    """What stands below each field of Thresholds in its source."""
    module = ast.parse(inspect.getsource(hostcheck.policy))
    body = next(n.body for n in module.body if isinstance(n, ast.ClassDef) and n.name == Thresholds.__name__)
    found = {}
    for field, doc in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(doc, ast.Expr):
            found[field.target.id] = ast.literal_eval(doc.value)
    return found


def _anchor(heading: str) -> str:
    """As GitHub makes it: dots vanish."""
    return heading.lower().replace(".", "")


if __name__ == "__main__":
    sys.stdout.write(markdown())
