"""URLs as they may be shown."""

from urllib.parse import urlsplit


def shown(url: str) -> str:
    """The URL without user, password and query, which may hold secrets."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def unfetchable(url: str) -> str:
    """Why nothing can be downloaded from there, whatever answers; empty when it can. Never shows the URL."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as e:
        return f"its URL is none: {e}"
    if parts.scheme not in ("http", "https"):
        return f"only http and https can be downloaded, not {parts.scheme!r}"
    return "" if host else "its URL names no host"
