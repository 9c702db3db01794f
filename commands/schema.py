"""`nestproof schema`: the JSON Schema of manifests, for editors and other tools."""

import difflib
import json

import click

from commands.failures import Failure


@click.command()
@click.argument("kind", required=False, metavar="[KIND]")
def schema(kind: str | None) -> None:
    """Print the JSON Schema of KIND, or of every kind of manifest that nestproof reads.

    For editors: they then complete fields, and mark what is misspelt while you type. It says what a document may look
    like; what the documents mean together is for `nestproof lint`.

    \b
    nestproof schema > nestproof.schema.json
    nestproof schema VMClass
    # first line of a manifest, for editors with the YAML language server:
    # yaml-language-server: $schema=nestproof.schema.json
    """
    from provision.manifests.jsonschema import every_kind, of_kind
    from provision.manifests.schemas import KINDS

    if kind is not None and kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, 1, 0.4)
        hint = f"did you mean {near[0]}?" if near else ""
        raise Failure(f"there is no kind {kind!r}; there are {', '.join(KINDS)}", hint=hint)
    click.echo(json.dumps(every_kind() if kind is None else of_kind(kind), indent=2, ensure_ascii=False))
