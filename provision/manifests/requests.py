"""What the download of a VMImage's spec.source.http needs besides its URL: headers, and credentials from Secrets."""

from collections.abc import Mapping

from provision.manifests import secrets
from provision.manifests.documents import Document, Documents
from provision.manifests.schemas import VMImage
from provision.manifests.schemas.vmimage import HttpSource
from provision.manifests.tree import Loc
from provision.model import HttpRequest, Problem

_AUTHENTICATION: Loc = ("spec", "source", "http", "authentication")


def request(
    documents: Documents, image: Document[VMImage], http: HttpSource, environment: Mapping[str, str]
) -> HttpRequest | Problem | None:
    """The request; None when there is nothing to say, a Problem when a Secret cannot be had."""
    given = http.authentication
    values: dict[str, str] = {}
    parts = (
        ("basicAuth", given and given.basic_auth, (("username", "username_key"), ("password", "password_key"))),
        ("bearer", given and given.bearer, (("token", "token_key"),)),
        ("clientCert", given and given.client_cert, (("certificate", "cert_key"), ("private_key", "key_key"))),
    )
    for name, part, wanted in parts:
        if not part:
            continue
        loc = (*_AUTHENTICATION, name, "secretRef")
        found = secrets.entries(documents, image, loc, part.secret_ref, environment)
        if isinstance(found, Problem):
            return found
        for field, key_field in wanted:
            key: str = getattr(part, key_field)
            value = found.first(key)
            if value is None or isinstance(value, Problem):
                return value or secrets.missing(image, loc, found, (key,))
            values[field] = value.text
    return HttpRequest(http.headers, **values) if values or http.headers else None
