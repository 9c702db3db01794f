"""The provider that a VM goes to: its document, its credentials, and what the environment adds."""

import msgspec

from provision.manifests import access, rulebook, secrets
from provision.manifests.join import Join
from provision.manifests.leaves import hide_password
from provision.manifests.schemas import Provider
from provision.manifests.schemas.provider import Defaults
from provision.manifests.schemas.virtualmachine import Placement as VmPlacement
from provision.manifests.text import shown
from provision.model import Placement, Problem, ProviderSpec

DEFAULT_URI = "LIBVIRT_DEFAULT_URI"


def wanted_provider(join: Join) -> ProviderSpec | None:
    name = join.spec.provider_ref.name
    if join.connect is not None:
        stated = join.documents.find(Provider, join.document.namespace, name)
        otherwise = stated.model.spec.type if stated and stated.model else "libvirt"
        return _reached(join, ProviderSpec(name, access.type_of(join.connect, otherwise), join.connect, None))
    default = join.environment.get(DEFAULT_URI)
    if default and not join.documents.of(Provider):
        said = f"{DEFAULT_URI} is {shown(hide_password(default))}"
        join.broken(rulebook.PROVIDER_FROM_ENVIRONMENT, ("spec", "providerRef", "name"), said)
        return _reached(join, ProviderSpec(name, "libvirt", default, None))
    found = join.follow(("spec", "providerRef"), join.spec.provider_ref, Provider)
    if found is None or found.model is None:
        return None
    spec = found.model.spec
    provider = ProviderSpec(
        name, spec.type, spec.endpoint, found.origin,
        insecure=spec.insecure_skip_verify, defaults=placement(spec.defaults),
    )  # fmt: skip
    if spec.credential_secret_ref is None:
        return _reached(join, provider)
    loc = ("spec", "credentialSecretRef")
    secret = secrets.entries(join.documents, found, loc, spec.credential_secret_ref, join.environment)
    if isinstance(secret, Problem):
        # It may be in a cluster only; who needs it and has none in the environment either is told below.
        return _reached(join, provider)
    if secret.document is not None:
        join.use(secret.document)
    ca = join.taken(secret.first(*access.CA_KEYS))
    provider = msgspec.structs.replace(
        provider, credentials=join.taken(access.from_secret(secret)), ca=ca.text if ca else None
    )
    return _reached(join, provider)


def _reached(join: Join, provider: ProviderSpec) -> ProviderSpec:
    """The provider with what the environment adds to what the manifest says."""
    kind, endpoint, environment = provider.type, provider.endpoint, join.environment
    try:
        ca = provider.ca or access.trusted(kind, environment)
    except (OSError, ValueError) as e:
        why = getattr(e, "strerror", None) or "it is not PEM text"
        join.broken(rulebook.CA_UNREADABLE, ("spec", "providerRef"), f"the CA file of the environment: {why}")
        ca = None
    credentials = provider.credentials or access.from_environment(kind, endpoint, environment)
    if credentials is None and kind in access.NEED_CREDENTIALS:
        join.broken(rulebook.NO_CREDENTIALS, ("spec", "providerRef"), f"{kind} needs credentials, there are none")
    return msgspec.structs.replace(
        provider,
        credentials=credentials,
        insecure=provider.insecure or access.insecure(kind, environment),
        ca=ca,
        defaults=provider.defaults.over(access.places(kind, endpoint, environment)),
    )


def placement(given: Defaults | VmPlacement | None) -> Placement:
    """What a Provider's defaults and a VM's placement have in common; only a VM names a host."""
    if given is None:
        return Placement()
    return Placement(
        cluster=given.cluster,
        host=given.host if isinstance(given, VmPlacement) else None,
        datastore=given.datastore,
        storage_pod=given.storage_pod,
        folder=given.folder,
        resource_pool=given.resource_pool,
    )
