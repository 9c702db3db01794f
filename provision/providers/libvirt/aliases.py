"""Short names that a user gave to hypervisors in libvirt's own configuration (libvirt.org/uri.html, "URI aliases").

libvirt would look them up itself, but where an endpoint leads has to be known before it is opened.
"""

import re
import string

from hostcheck.paths import libvirt_client_file

ALLOWED = frozenset(string.ascii_letters + string.digits + "_-")
STRING = r"\"[^\"\n]*\"|'[^'\n]*'"
LIST = rf"^[ \t]*uri_aliases[ \t]*=[ \t]*\[((?:[\s,]*(?:{STRING}))*)[\s,]*\]"
"""Compiled where they are used: nearly every endpoint is a URI."""


def uri_of(name: str) -> str | None:
    """The URI that an alias stands for; None for what is none, and where that file cannot be read."""
    if not ALLOWED.issuperset(name):
        return None
    try:
        text = libvirt_client_file().read_text(errors="replace")
    except OSError:
        return None
    return parse(text).get(name)


def parse(text: str) -> dict[str, str]:
    """The aliases in a libvirt.conf; of two lists, or two entries of one name, the first, as libvirt takes it."""
    found = re.search(LIST, text, re.MULTILINE)
    entries = [quoted[1:-1].partition("=") for quoted in re.findall(STRING, found[1])] if found else []
    return {alias: uri for alias, _, uri in reversed(entries) if uri}
