"""Follows the references between documents, by name and namespace as VirtRigaud does."""

from typing import TypeVar

from provision.manifests import rulebook
from provision.manifests.documents import Document, Documents
from provision.manifests.schemas import Resource
from provision.manifests.schemas.base import LocalRef, Ref
from provision.manifests.text import near, shown
from provision.manifests.tree import Loc
from provision.model import Problem

R = TypeVar("R", bound=Resource)


def follow(
    documents: Documents, source: Document[Resource], loc: Loc, ref: Ref | LocalRef, schema: type[R]
) -> Document[R] | Problem:
    """The document that `ref`, at `loc` of `source`, refers to; else a Problem with where it is, or the nearest."""
    namespace = (ref.namespace if isinstance(ref, Ref) else None) or source.namespace
    found = documents.find(schema, namespace, ref.name)
    if found is not None:
        return found
    kind, place = schema.__name__, (*loc, "name")
    origin, path = source.at(*place), source.path(*place)
    elsewhere = [d for d in documents.of(schema) if d.name == ref.name]
    if elsewhere:
        other = elsewhere[0]
        what = f"{kind} {shown(ref.name)} is in namespace {other.namespace} ({other.origin}), not in {namespace}"
        if isinstance(ref, Ref) and ref.namespace is None:
            return rulebook.OTHER_NAMESPACE.broken(origin, path, what)
        return rulebook.NOT_FOUND.broken(origin, path, what)
    known = [d.name for d in documents.of(schema)]
    guess = near(ref.name, known)
    return rulebook.NOT_FOUND.broken(origin, path, f"there is no {kind} {namespace}/{shown(ref.name)}{guess}")
