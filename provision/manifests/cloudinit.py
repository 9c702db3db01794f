"""The user-data and meta-data of a VM: written in place, or taken from a Secret in the same files."""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from provision.manifests import rulebook, userdata
from provision.manifests.documents import Document, Documents
from provision.manifests.references import follow
from provision.manifests.schemas import Secret, VirtualMachine
from provision.manifests.schemas.virtualmachine import InlineOrSecret
from provision.manifests.text import listed
from provision.manifests.tree import Loc
from provision.model import Problem

USER_KEYS = ("userdata", "user-data", "cloud-init", "cloud-config")
META_KEYS = ("metadata", "meta-data", "meta_data")
"""Keys of a Secret that VirtRigaud looks under, in its order."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text for the guest and the place in the documents that it came from."""

    text: str
    document: Document[Any]
    loc: Loc


def user_data(documents: Documents, vm: Document[VirtualMachine]) -> Text | Problem | None:
    """The VM's user-data, or why it cannot be had; None when there is none."""
    assert vm.model is not None
    return _text(documents, vm, ("spec", "userData", "cloudInit"), vm.model.spec.user_data.cloud_init, USER_KEYS)


def meta_data(documents: Documents, vm: Document[VirtualMachine]) -> Text | Problem | None:
    """The VM's meta-data, or why it cannot be had; None when there is none."""
    assert vm.model is not None
    return _text(documents, vm, ("spec", "metaData", "cloudInit"), vm.model.spec.meta_data.cloud_init, META_KEYS)


def check_user_data(found: Text) -> Iterator[Problem]:
    """Every broken rule of user-data, at its line where the text is a literal block."""
    path = found.document.path(*found.loc)
    for rule, line, what in userdata.check(found.text):
        yield rule.broken(found.document.places.line_in(found.loc, line), path, what)


def _text(
    documents: Documents, vm: Document[VirtualMachine], loc: Loc, given: InlineOrSecret | None, keys: tuple[str, ...]
) -> Text | Problem | None:
    if given is None or (given.inline is None and given.secret_ref is None):
        return None
    if given.secret_ref is None:
        return Text(given.inline or "", vm, (*loc, "inline"))
    place = (*loc, "secretRef")
    if given.inline is not None:
        what = "inline and secretRef are both set"
        return rulebook.USERDATA_TWICE.broken(vm.places.place(place), vm.path(*place), what)
    secret = follow(documents, vm, place, given.secret_ref, Secret)
    if isinstance(secret, Problem) or secret.model is None:
        return secret if isinstance(secret, Problem) else None
    for key in keys:
        if key in secret.model.string_data:
            return Text(secret.model.string_data[key].get_secret_value(), secret, ("stringData", key))
        if key in secret.model.data:
            return _decoded(secret, key, secret.model.data[key].get_secret_value())
    what = f"Secret {secret.key} has none of the keys {listed(keys)}"
    return rulebook.NOT_FOUND.broken(vm.at(*place), vm.path(*place), what)


def _decoded(secret: Document[Secret], key: str, value: str) -> Text | Problem:
    loc: Loc = ("data", key)
    try:
        content = base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        return rulebook.SECRET_VALUE.broken(secret.at(*loc), secret.path(*loc), "the value is not base64")
    try:
        return Text(content.decode(), secret, loc)
    except UnicodeDecodeError:
        return rulebook.SECRET_VALUE.broken(secret.at(*loc), secret.path(*loc), "the value is not UTF-8 text")
