"""Every rule of form is broken by some text, and can be explained."""

import pytest
from manifest_texts import CLASS, PROVIDER, read, rules

from provision.manifests.structure import RULES

TEXTS = {
    "file": "",
    "yaml": "a: [",
    "yaml-value": "a: !Ref x",
    "document": "- a",
    "unknown-kind": CLASS.replace("VMClass", "VMKlasse"),
    "kind-passed-over": CLASS.replace("VMClass", "VMSnapshot"),
    "duplicate-object": f"{CLASS}---\n{CLASS}",
    "unknown-field": f"{CLASS}  cpus: 1\n",
    "missing-field": CLASS.replace("  cpu: 8\n", ""),
    "field-value": CLASS.replace("16Gi", "much"),
    "more": CLASS + "".join(f"  x{number}: 1\n" for number in range(120)),
    "kubectl-octal": CLASS.replace("cpu: 8", "cpu: 010"),
    "kubectl-boolean": PROVIDER.replace("spec: {", "spec: {insecureSkipVerify: yes, "),
}


def test_every_rule_is_broken_here() -> None:
    assert TEXTS.keys() == RULES.keys()


@pytest.mark.parametrize("rule", RULES)
def test_the_rule_is_broken(rule: str) -> None:
    found = {problem.rule: problem.severity for problem in read(TEXTS[rule]).problems}
    assert found.get(rule) == RULES[rule].severity, found
    assert set(rules(list(read(TEXTS[rule]).problems))) <= RULES.keys()
