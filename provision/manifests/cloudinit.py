"""The user-data, meta-data and Ignition of a VM: written in place, or taken from a Secret."""

import json
from collections.abc import Iterator, Mapping

from provision.manifests import rulebook, secrets, userdata
from provision.manifests.documents import Document, Documents
from provision.manifests.schemas import VirtualMachine
from provision.manifests.schemas.virtualmachine import InlineOrSecret
from provision.manifests.secrets import Text
from provision.manifests.tree import Loc
from provision.model import Problem

USER_KEYS = ("userdata", "user-data", "cloud-init", "cloud-config")
META_KEYS = ("metadata", "meta-data", "meta_data")
IGNITION_KEYS = ("ignition", "config.ign", *USER_KEYS[:2])
"""Keys of a Secret that VirtRigaud looks under, in its order; for Ignition it has none."""


class GuestTexts:
    """What one VM hands to its guest, each as Text, as the Problem why it cannot be had, or None."""

    def __init__(self, documents: Documents, vm: Document[VirtualMachine], environment: Mapping[str, str]) -> None:
        self._documents, self._vm, self._environment = documents, vm, environment

    def user_data(self) -> Text | Problem | None:
        assert self._vm.model is not None
        return self._text(("spec", "userData", "cloudInit"), self._vm.model.spec.user_data.cloud_init, USER_KEYS)

    def meta_data(self) -> Text | Problem | None:
        assert self._vm.model is not None
        return self._text(("spec", "metaData", "cloudInit"), self._vm.model.spec.meta_data.cloud_init, META_KEYS)

    def ignition(self) -> Text | Problem | None:
        assert self._vm.model is not None
        return self._text(("spec", "userData", "ignition"), self._vm.model.spec.user_data.ignition, IGNITION_KEYS)

    def _text(self, loc: Loc, given: InlineOrSecret | None, keys: tuple[str, ...]) -> Text | Problem | None:
        if given is None or (given.inline is None and given.secret_ref is None):
            return None
        if given.secret_ref is None:
            return Text(given.inline or "", self._vm, (*loc, "inline"))
        place = (*loc, "secretRef")
        if given.inline is not None:
            what = "inline and secretRef are both set"
            return rulebook.USERDATA_TWICE.broken(self._vm.places.place(place), self._vm.path(*place), what)
        found = secrets.entries(self._documents, self._vm, place, given.secret_ref, self._environment)
        if isinstance(found, Problem):
            return found
        return found.first(*keys) or secrets.missing(self._vm, place, found, keys)


def check_user_data(found: Text) -> Iterator[Problem]:
    """Every broken rule of user-data, at its line where the text is a literal block."""
    path = found.document.path(*found.loc)
    for rule, line, what in userdata.check(found.text):
        yield rule.broken(found.document.places.line_in(found.loc, line), path, what)


def check_purpose(found: Text) -> Iterator[Problem]:
    """Of a VM that cannot run VMs as its class is: is it meant to?"""
    if told := userdata.hypervisor(found.text):
        line, word = told
        origin, path = found.document.places.line_in(found.loc, line), found.document.path(*found.loc)
        yield rulebook.NESTED_NOT_ASKED.broken(origin, path, f"it is given {word}, and its class is not nested")


def check_ignition(found: Text) -> Iterator[Problem]:
    """Ignition is JSON with a version; Butane's YAML has to be translated first."""
    fault = ""
    line = 1
    try:
        config = json.loads(found.text)
        ignition = config.get("ignition") if isinstance(config, dict) else None
        if not isinstance(ignition, dict) or not isinstance(ignition.get("version"), str):
            fault = "has no ignition.version"
        elif not ignition["version"].startswith("3."):
            fault = "is of a version that is not 3.x"
        elif isinstance(around := ignition.get("config"), dict) and around.get("replace"):
            path = found.document.path(*found.loc)
            what = "ignition.config.replace is set"
            yield rulebook.IGNITION_REPLACED.broken(found.document.places.place(found.loc), path, what)
    except (json.JSONDecodeError, RecursionError) as e:
        line = getattr(e, "lineno", 1)
        fault = f"is not JSON: {getattr(e, 'msg', 'nested too deep')}"
    if fault:
        origin = found.document.places.line_in(found.loc, line)
        yield rulebook.IGNITION.broken(origin, found.document.path(*found.loc), f"the Ignition config {fault}")
