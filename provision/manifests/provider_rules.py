"""The meaning of a Provider: can it be connected to, and would VirtRigaud take the same document."""

import re
from collections.abc import Iterator

from provision.manifests import rulebook
from provision.manifests.documents import Document
from provision.manifests.leaves import hide_password
from provision.manifests.schemas import Provider
from provision.manifests.schemas.provider import CRD_ENDPOINT
from provision.manifests.text import shown
from provision.model import Problem

DRIVEN = ("libvirt", "vsphere", "proxmox")
"""Provider types that nestproof knows how to drive."""

_ENDPOINT = ("spec", "endpoint")
_WEB = ("http://", "https://")
_SERVED = ("tcp://", "grpc://")
"""Of a process of VirtRigaud's, not of a hypervisor."""


def check(document: Document[Provider]) -> Iterator[Problem]:
    """Every broken rule of one provider."""
    if document.model is None:
        return
    spec = document.model.spec
    for field, value in (("credentialSecretRef", spec.credential_secret_ref), ("runtime", spec.runtime)):
        if value is None:
            path = document.path("spec", field)
            yield rulebook.KUBECTL_REQUIRED.broken(document.places.place(("spec",)), path, f"{field} is not set")
    if spec.runtime is not None and spec.runtime.image is None:
        loc = ("spec", "runtime")
        path = document.path(*loc, "image")
        yield rulebook.KUBECTL_REQUIRED.broken(document.places.place(loc), path, "runtime.image is not set")
    if spec.type not in DRIVEN:
        loc = ("spec", "type")
        yield rulebook.PROVIDER_TYPE.broken(document.at(*loc), document.path(*loc), f"{spec.type} cannot be driven")
    endpoint = shown(hide_password(spec.endpoint))
    web = spec.endpoint.startswith(_WEB)
    fits = not web and not spec.endpoint.startswith(_SERVED) if spec.type == "libvirt" else web
    if spec.type in DRIVEN and not fits:
        what = f"the type is {spec.type}, the endpoint {endpoint}"
        yield rulebook.ENDPOINT_TYPE.broken(document.at(*_ENDPOINT), document.path(*_ENDPOINT), what)
    elif not re.fullmatch(CRD_ENDPOINT, spec.endpoint):
        what = f"{endpoint} does not fit the custom resource definition"
        yield rulebook.KUBECTL_ENDPOINT.broken(document.at(*_ENDPOINT), document.path(*_ENDPOINT), what)
    if hide_password(spec.endpoint) != spec.endpoint:
        path = document.path(*_ENDPOINT)
        yield rulebook.URL_PASSWORD.broken(document.at(*_ENDPOINT), path, "the endpoint carries a password")
    if spec.insecure_skip_verify:
        loc = ("spec", "insecureSkipVerify")
        yield rulebook.INSECURE_TLS.broken(document.at(*loc), document.path(*loc), "TLS certificates are not verified")
