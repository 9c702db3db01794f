"""Manifest files to checked documents: every kind known, every field checked, every fault at its line and column."""

import sys
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar, cast

import msgspec

from provision.guarded import Guarded
from provision.manifests import sources, syntax
from provision.manifests.checking import BOOLEANS, checked
from provision.manifests.leaves import Leaf, set_leaves
from provision.manifests.schemas import KINDS, PASSED_OVER, VIRTRIGAUD, Resource
from provision.manifests.sources import Source
from provision.manifests.text import listed, near, shown
from provision.manifests.tree import Loc, Tree, dotted
from provision.model import Origin, Problem, SetField, Severity

PROBLEM_LIMIT = 200
"""Problems shown of one file; a file with more is no manifest."""

PLAN = "nestproof.plan/"
"""What the schema of a saved plan begins with."""

R = TypeVar("R", bound=Resource)
R_co = TypeVar("R_co", bound=Resource, covariant=True)


class Document(Guarded, Generic[R_co], frozen=True):
    """One document of a known kind."""

    kept_back = frozenset({"places"})

    kind: str
    namespace: str
    name: str
    model: R_co | None
    """None when the schema was violated: it is still there to be referred to."""
    directory: Path
    """What relative paths in it start from."""
    places: Tree

    @property
    def origin(self) -> Origin:
        return self.places.start

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    def at(self, *loc: str | int) -> Origin:
        """Where the value at a path stands, or the nearest thing around it."""
        return self.places.at(loc)

    def has(self, *loc: str | int) -> bool:
        """The user set it, whatever the value."""
        return loc in self.places.values

    def path(self, *loc: str | int) -> str:
        """Kind and dotted path, as problems and accounts name a field."""
        return f"{self.kind} {dotted(loc)}"

    def fields(self) -> Iterator[SetField]:
        """Every leaf field that the user set, in the order of the file."""
        leaves: Iterable[Leaf] = set_leaves(self.model, self.places.value) if self.model else ()
        for leaf in sorted(leaves, key=lambda leaf: self.places.at(leaf.loc)):
            path, schema = self.path(*leaf.loc), f"{self.kind} {leaf.schema}"
            yield SetField(path, schema, leaf.value, leaf.is_default, self.places.place(leaf.loc))


class Documents(msgspec.Struct, frozen=True, dict=True):
    """What stands in the files given, and what is wrong with it taken one document at a time."""

    items: tuple[Document[Resource], ...]
    problems: tuple[Problem, ...]

    def of(self, schema: type[R]) -> list[Document[R]]:
        """All documents of one kind, in the order of the files; those that violate their schema too."""
        return cast(list[Document[R]], self._by_kind.get(schema.__name__, []))

    def find(self, schema: type[R], namespace: str, name: str) -> Document[R] | None:
        """The document with this name; the first one given where there are several."""
        return cast(Document[R] | None, self._by_key.get((schema.__name__, namespace, name)))

    @cached_property
    def _by_kind(self) -> dict[str, list[Document[Resource]]]:
        found: dict[str, list[Document[Resource]]] = {}
        for document in self.items:
            found.setdefault(document.kind, []).append(document)
        return found

    @cached_property
    def _by_key(self) -> dict[tuple[str, str, str], Document[Resource]]:
        return {(d.kind, d.namespace, d.name): d for d in reversed(self.items)}


def load(paths: Iterable[str | Path], stdin: BinaryIO | None = None) -> Documents:
    """Read manifests from files, directories and `-` (standard input). Never raises for what stands in them."""
    items: list[Document[Resource] | Problem] = []
    for source in sources.read(paths, stdin or sys.stdin.buffer):
        if isinstance(source, Problem):
            items.append(source)
            continue
        items.extend(_documents(source))
    documents = tuple(item for item in items if isinstance(item, Document))
    problems = tuple(item for item in items if isinstance(item, Problem))
    return Documents(documents, (*problems, *_duplicates(documents)))


def _documents(source: Source) -> Iterator[Document[Resource] | Problem]:
    """The documents of one file and what is wrong with them, up to a limit."""
    empty, faults = True, 0
    for parsed in syntax.parse(source):
        empty = False
        for item in [parsed] if isinstance(parsed, Problem) else _objects(source, parsed):
            yield item
            faults += isinstance(item, Problem)
            if faults > PROBLEM_LIMIT:
                yield sources.problem(source.name, f"has more than {PROBLEM_LIMIT} problems; the rest was not read")
                return
    if empty:
        yield sources.problem(source.name, "holds no document")


def _objects(source: Source, places: Tree) -> Iterator[Document[Resource] | Problem]:
    """A document, or those of a List, as `kubectl get -o yaml` prints several objects."""
    value = places.value
    if isinstance(value, dict) and value.get("kind") == "List" and isinstance(value.get("items"), list):
        for entry in places.entries("items"):
            yield from _document(source, entry)
    else:
        yield from _document(source, places)


def _document(source: Source, places: Tree) -> Iterator[Document[Resource] | Problem]:
    value = places.value
    if not isinstance(value, dict):
        message = f"expected a mapping with apiVersion, kind, metadata and spec, got a {_type_name(value)}"
        yield Problem(places.start, Severity.ERROR, "", message, "document")
        return
    kind = value.get("kind")
    given = value.get("apiVersion")
    if _is_foreign(kind, given):
        yield _passed_over(places, f"{shown(str(kind))} of {shown(str(given))}")
        return
    if not isinstance(kind, str) or kind not in KINDS:
        yield _plan(places) if str(value.get("schema")).startswith(PLAN) else _unknown_kind(places, kind)
        return
    version, schema = KINDS[kind]
    if given != version:
        yield _wrong_version(places, kind, given, version)
        return
    model, violations = checked(schema, value)
    if violations:
        from provision.manifests import words

        yield from words.problems(kind, schema, places, violations)
    metadata = value.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name, namespace = metadata.get("name"), metadata.get("namespace", "default")
    if isinstance(name, str) and isinstance(namespace, str):
        yield Document(kind, namespace, name, model, source.directory, places)
    if model is not None:
        yield from _kubectl_words(kind, model, places)


def _plan(places: Tree) -> Problem:
    message = "this is a plan of nestproof: `nestproof apply` takes it, alone; all else takes its manifests"
    return Problem(places.start, Severity.ERROR, "", message, "document")


def _unknown_kind(places: Tree, kind: object) -> Problem:
    known = listed(KINDS)
    if kind is None:
        return Problem(places.start, Severity.ERROR, "kind", f"is missing; the known kinds are {known}", "unknown-kind")
    origin = places.at(("kind",))
    text = shown(str(kind))
    if text in PASSED_OVER:
        return _passed_over(places, text)
    message = f"unknown kind {text}{near(text, KINDS)}; the known kinds are {known}"
    return Problem(origin, Severity.ERROR, "kind", message, "unknown-kind")


def _is_foreign(kind: object, version: object) -> bool:
    """Of another API group, such as a Deployment or a VirtualMachine of KubeVirt, or a kind of Kubernetes' own."""
    if not isinstance(kind, str) or not isinstance(version, str):
        return False
    group, slash, _ = version.partition("/")
    if slash:
        return not near(group, [VIRTRIGAUD.partition("/")[0]])
    return version == "v1" and kind not in KINDS and not near(kind, KINDS, 0.8)


def _passed_over(places: Tree, what: str) -> Problem:
    message = f"{what} is passed over: nestproof reads {listed(KINDS, 'and')}"
    return Problem(places.at(("kind",)), Severity.WARNING, "kind", message, "kind-passed-over")


def _wrong_version(places: Tree, kind: str, given: object, version: str) -> Problem:
    if given is None:
        message = f"is missing; a {kind} is {version}"
    else:
        message = f"unknown apiVersion {shown(str(given))} for a {kind}; expected {version}"
    return Problem(places.at(("apiVersion",)), Severity.ERROR, "apiVersion", message, "unknown-kind")


def _kubectl_words(kind: str, model: Resource, places: Tree) -> Iterator[Problem]:
    """What kubectl, which reads YAML 1.1, makes something else of: unquoted words for booleans, and 010."""
    for leaf in set_leaves(model, places.value):
        word, path = places.plain_words.get(leaf.loc), f"{kind} {dotted(leaf.loc)}"
        given = places.value_at(leaf.loc)
        if word is None:
            if isinstance(given, str) and given != leaf.value in ("true", "false") and given.lower() in BOOLEANS:
                message = f'kubectl reads "{given}" in quotes as a string and refuses it; write {leaf.value}'
                yield Problem(places.at(leaf.loc), Severity.ERROR, path, message, "field-value")
            continue
        if not isinstance(given, str):
            octal = int(word.replace("_", ""), 8)
            message = f"kubectl reads {word} as the octal number {octal}, newer YAML readers as {given}; write {given}"
            yield Problem(places.at(leaf.loc), Severity.WARNING, path, message, "kubectl-octal")
            continue
        boolean = str(BOOLEANS[word.lower()]).lower()
        if leaf.value == boolean:
            message = f"{word} is a boolean for kubectl and a string for newer YAML readers; write {boolean}"
        else:
            message = f'kubectl reads the unquoted {word} as {boolean} and refuses it; write "{word}" in quotes'
        yield Problem(places.at(leaf.loc), Severity.WARNING, path, message, "kubectl-boolean")


def _duplicates(documents: Iterable[Document[Resource]]) -> Iterator[Problem]:
    first: dict[tuple[str, str], Document[Resource]] = {}
    for document in documents:
        earlier = first.setdefault((document.kind, document.key), document)
        if earlier is not document:
            loc: Loc = ("metadata", "name")
            message = f"a {document.kind} {document.key} stands at {earlier.origin} already; rename or remove one"
            yield Problem(document.places.at(loc), Severity.ERROR, document.path(*loc), message, "duplicate-object")


def _type_name(value: object) -> str:
    return {str: "string", bool: "boolean", list: "list", type(None): "null"}.get(type(value), "number")
