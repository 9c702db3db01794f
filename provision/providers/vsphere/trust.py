"""Which certificate a vCenter may show: a signed one, the one that was pinned, or any when the user says so."""

import hashlib
import socket
import ssl

from provision.provider import ProviderError
from provision.providers.vsphere.endpoint import LENGTHS, Endpoint

PATIENCE = 30.0
"""Seconds for one answer of the network."""

NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""X509_V_FLAG_NO_CHECK_TIME, which Python does not name: who pins a certificate means it, also after its last day."""


def tls_context(endpoint: Endpoint, ca: str | None, *, insecure: bool) -> ssl.SSLContext:
    """The context for all connections to an endpoint. Raises ProviderError, also for a certificate that is not pinned.

    A pinned certificate is looked at before anything secret is sent, and is then the only one that is trusted.
    """
    if endpoint.thumbprint:
        return _pinned(endpoint)
    try:
        context = ssl.create_default_context(cadata=ca)
    except ssl.SSLError as e:
        raise ProviderError(f"{endpoint.shown}: the CA that was given is no certificate: {e.reason}") from e
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _pinned(endpoint: Endpoint) -> ssl.SSLContext:
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname = False
    anyone.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((endpoint.host, endpoint.port), timeout=PATIENCE) as plain,
        anyone.wrap_socket(plain, server_hostname=endpoint.host) as secure,
    ):
        shown = secure.getpeercert(binary_form=True) or b""
    digest = hashlib.new(LENGTHS[len(endpoint.thumbprint)], shown, usedforsecurity=False).hexdigest()
    if digest != endpoint.thumbprint:
        raise ProviderError(
            f"{endpoint.shown}: its certificate has the thumbprint {_colons(digest)}, "
            f"not {_colons(endpoint.thumbprint)}",
            hint="if its certificate was renewed, pin the new one; if not, somebody else answers there",
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # this certificate and no other
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | NO_CHECK_TIME
    context.load_verify_locations(cadata=ssl.DER_cert_to_PEM_cert(shown))
    return context


def _colons(digits: str) -> str:
    return ":".join(digits[n : n + 2] for n in range(0, len(digits), 2)).upper()
