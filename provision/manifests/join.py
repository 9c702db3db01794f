"""One VirtualMachine on its way to a wanted VM: what it refers to is followed, and problems gather."""

from collections.abc import Mapping
from typing import Any, TypeVar

from provision.manifests import secrets
from provision.manifests.documents import Document, Documents
from provision.manifests.origins import Origins
from provision.manifests.references import follow
from provision.manifests.rulebook import Rule
from provision.manifests.schemas import Resource, VirtualMachine
from provision.manifests.schemas.base import Ref
from provision.manifests.tree import Loc
from provision.model import Problem, SetField, Severity

R = TypeVar("R", bound=Resource)
T = TypeVar("T")


class Join:
    """The joining of one VirtualMachine with what it refers to."""

    def __init__(
        self, documents: Documents, document: Document[VirtualMachine], model: VirtualMachine, connect: str | None,
        environment: Mapping[str, str],
    ) -> None:  # fmt: skip
        self.documents = documents
        self.document = document
        self.spec = model.spec
        self.annotations = model.metadata.annotations
        self.connect = connect
        self.environment = environment
        self.problems: list[Problem] = []
        self.used: list[Document[Any]] = [document]

    def text(self, found: secrets.Text | Problem | None) -> secrets.Text | None:
        text = self.taken(found)
        if text is not None:
            self.use(text.document)
        return text

    def use(self, document: Document[Any]) -> None:
        if all(document is not known for known in self.used):
            self.used.append(document)

    def follow(self, loc: Loc, ref: Ref, schema: type[R]) -> Document[R] | None:
        found = self.taken(follow(self.documents, self.document, loc, ref, schema))
        if found is not None:
            self.use(found)
        return found

    def taken(self, result: T | Problem) -> T | None:
        """The result, or None when it is a problem, which is kept."""
        if isinstance(result, Problem):
            self.problems.append(result)
            return None
        return result

    def broken(self, rule: Rule, loc: Loc, what: str) -> None:
        self.problems.append(rule.broken(self.document.places.place(loc), self.document.path(*loc), what))

    def has_error(self) -> bool:
        return any(problem.severity is Severity.ERROR for problem in self.problems)

    def fields(self) -> tuple[SetField, ...]:
        return tuple(field for document in self.used for field in document.fields())

    def origins(self) -> Origins:
        return Origins(self.document.origin, {document.kind: document.places for document in self.used})
