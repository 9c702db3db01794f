"""Reads the manifests of a user into wanted VMs, with every fault at its line and column: `resolve(load(paths))`."""

from provision.manifests.documents import Document, Documents, load
from provision.manifests.resolve import lint_text, resolve

__all__ = ["Document", "Documents", "lint_text", "load", "resolve"]
