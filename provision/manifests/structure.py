"""The rules of form: can a file be read, is a document one of a known kind, does each field take its value.

What was found is worded where it is found; here stands, for `nestproof explain`, why it matters and what to do.
"""

from provision.manifests.rulebook import Rule
from provision.model import Severity

_ERROR, _WARNING = Severity.ERROR, Severity.WARNING

RULES: dict[str, Rule] = {
    rule.id: rule
    for rule in (
        Rule("file", _ERROR, "what cannot be read says nothing", "name a YAML file in UTF-8, a directory, or -"),
        Rule("yaml", _ERROR, "a file that is no YAML holds no documents from there on", "correct the place it names"),
        Rule(
            "yaml-value",
            _ERROR,
            "YAML can say it, a manifest cannot hold it: kubectl refuses it or reads something else",
            "write a plain value; put in quotes what is meant as text",
        ),
        Rule(
            "document", _ERROR, "only a mapping with apiVersion and kind is a manifest", "remove it, or mend its head"
        ),
        Rule("unknown-kind", _ERROR, "it would be passed over in silence", "correct kind or apiVersion"),
        Rule(
            "kind-passed-over",
            _WARNING,
            "it is of another program, or VirtRigaud knows it and nestproof has no use for it",
            "nothing, or keep it in another file",
        ),
        Rule("duplicate-object", _ERROR, "the later document would replace the earlier", "rename or remove one"),
        Rule("unknown-field", _ERROR, "a field that no schema has would be dropped in silence", "correct its name"),
        Rule("missing-field", _ERROR, "the API server refuses the document without it", "add the field"),
        Rule("field-value", _ERROR, "the field does not take this value", "write what the message expects"),
        Rule("more", _ERROR, "so many faults are one fault, further up", "mend the first ones and look again"),
        Rule(
            "kubectl-boolean",
            _WARNING,
            "kubectl reads YAML 1.1, where unquoted on, off, yes, no, y and n are booleans; newer readers see words",
            "put the word in quotes, or write true or false",
        ),
        Rule(
            "kubectl-octal",
            _WARNING,
            "kubectl reads YAML 1.1, where a number that begins with 0 is octal; for newer readers it is decimal",
            "write the number that is meant, without the 0 in front",
        ),
    )
}
"""Every rule by its id."""
