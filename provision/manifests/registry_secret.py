"""What a pullSecretRef leads to: the login for one registry in a Secret of type kubernetes.io/dockerconfigjson."""

import base64
import binascii
from collections.abc import Mapping

import msgspec

from provision.manifests import rulebook, secrets
from provision.manifests.documents import Document, Documents
from provision.manifests.schemas import VMImage
from provision.manifests.schemas.vmimage import RegistrySource
from provision.manifests.text import listed, shown
from provision.manifests.tree import Loc
from provision.model import HttpRequest, Problem
from provision.registry_name import HUB, HUB_API, parse

KEY = ".dockerconfigjson"
_LOC: Loc = ("spec", "source", "registry", "pullSecretRef")
_HUB_NAMES = (HUB, HUB_API, "index.docker.io")


class _Login(msgspec.Struct):
    username: str = ""
    password: str = ""
    auth: str = ""
    registry_token: str = msgspec.field(default="", name="registrytoken")


class _Config(msgspec.Struct):
    auths: dict[str, _Login] = {}


def login(
    documents: Documents, image: Document[VMImage], source: RegistrySource, environment: Mapping[str, str]
) -> HttpRequest | Problem | None:
    """None when no Secret is named; a Problem when it has no login for that registry."""
    if source.pull_secret_ref is None:
        return None
    found = secrets.entries(documents, image, _LOC, source.pull_secret_ref, environment)
    if isinstance(found, Problem):
        return found
    value = found.first(KEY)
    if value is None or isinstance(value, Problem):
        return value or secrets.missing(image, _LOC, found, (KEY,))
    try:
        return _of_config(value.text, parse(source.image).registry)
    except ValueError as e:
        what = f"{found.source}: {e}"
        return rulebook.SECRET_VALUE.broken(image.at(*_LOC), image.path(*_LOC), what)


def _of_config(text: str, registry: str) -> HttpRequest:
    """Raises ValueError with words that show no value."""
    try:
        config = msgspec.json.decode(text, type=_Config)
    except (msgspec.MsgspecError, RecursionError):
        raise ValueError(f"{KEY} is not what `kubectl create secret docker-registry` makes") from None
    logins = {_host(key): entry for key, entry in config.auths.items()}
    entry = logins.get(registry)
    if entry is None:
        there = shown(listed(sorted(logins) or ["none"], "and"), 200)
        raise ValueError(f"{KEY} has no login for {registry}; it has {there}")
    if entry.registry_token:
        return HttpRequest(token=entry.registry_token)
    if entry.username:
        return HttpRequest(username=entry.username, password=entry.password)
    try:
        user, colon, password = base64.b64decode(entry.auth, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        user = colon = password = ""
    if not colon:
        raise ValueError(f"{KEY} has neither a username nor a readable auth for {registry}")
    return HttpRequest(username=user, password=password)


def _host(key: str) -> str:
    """Docker's own tools write a URL for Docker Hub, and a plain host for others."""
    host = (key.partition("://")[2] or key).partition("/")[0]
    return HUB if host in _HUB_NAMES else host
