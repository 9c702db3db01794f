"""Other names for hosts, VMs, users, addresses and numbers of machines, in every text of a bundle.

First all names are learnt from where they are known to stand, then every text is gone through: by its form what has one
(addresses, UUIDs, keys), by what was learnt all the rest. Words that mean something to everybody (`kvm`, `root`,
`localhost`) stay where they stand in a text, and are replaced only where they are the name of something.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Any

from reports.bundle.aliases import Aliases, Kind

_PUBLIC = """
localhost localdomain local localhost6 ip6-localhost ip6-loopback none null default unknown recorded machine linux
kvm vm vms host guest node server root nobody daemon bin sys sync games man lp mail news uucp proxy www-data backup
list irc sshd messagebus systemd-network systemd-resolve systemd-timesync libvirt libvirt-qemu libvirt-dnsmasq qemu
virtlogin operator users staff wheel video render disk debian ubuntu fedora centos rhel rocky almalinux alpine suse
proxmox pve vsphere esxi vcenter kvm_intel kvm_amd vmx svm intel amd test prod dev main user admin recording report
hypervisor nestproof capture provider domain kernel versions subjects
"""
PUBLIC = frozenset(_PUBLIC.split())
"""Words that say nothing about whose machine it is."""
_WELL_KNOWN = """
kernel.org debian.org ubuntu.com redhat.com fedoraproject.org suse.com libvirt.org qemu.org freedesktop.org w3.org
python.org github.com gitlab.com vmware.com broadcom.com proxmox.com microsoft.com intel.com amd.com cloud-init.io
gnu.org oasis-open.org nestproof.org canonical.com opensuse.org archlinux.org alpinelinux.org rockylinux.org
"""
WELL_KNOWN = frozenset(_WELL_KNOWN.split())
"""Domains of makers and their documentation."""
SYSTEM_UID = 1000
UUID = re.compile(r"(?<![0-9A-Za-z-])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![0-9A-Za-z-])")
ID = re.compile(r"(?<![0-9A-Za-z])[0-9a-fA-F]{32}(?![0-9A-Za-z])")
MAC = re.compile(r"(?<![0-9A-Fa-f:.-])(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}(?![0-9A-Fa-f:])"
                 r"|(?<![0-9A-Fa-f:.-])(?:[0-9a-fA-F]{2}-){5,6}[0-9a-fA-F]{2}(?![0-9A-Fa-f-])")  # fmt: skip
IPV4 = re.compile(r"(?<![\w.-])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w-]|\.[0-9])")
IPV6 = re.compile(
    r"(?<![\w:.])(?=[0-9A-Fa-f]*:[0-9A-Fa-f:]*:)[0-9A-Fa-f:]{2,39}(?:(?:[0-9]{1,3}\.){3}[0-9]{1,3})?(?![\w:])"
)
KEY = re.compile(r"(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-\w+|sk-[\w@.-]+)\s+(AAAA[A-Za-z0-9+/]{20,}={0,2})")
FINGERPRINT = re.compile(r"(?:SHA256:[A-Za-z0-9+/]{43}=?|MD5:(?:[0-9a-f]{2}:){15}[0-9a-f]{2})")
MAIL = re.compile(r"(?<![\w.+-])[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,24}(?![\w-])")
URL_HOST = re.compile(r"://(?:[^@/\s\"'<>]{0,80}@)?([A-Za-z0-9][A-Za-z0-9.-]{1,252})")
HOME = re.compile(r"/home/([A-Za-z_][\w.-]{0,31})")
SERIAL_NAME = re.compile(r"serial|asset_?tag", re.IGNORECASE)
TOKEN = re.compile(r"[^\W_][\w.-]*")
PARTS = re.compile(r"([._-])")
MEMORABLE = 300
"""Characters of a text that is worth remembering: machines say mostly the same."""
MAX_PARTS = 24
"""Parts of a word whose combinations are looked up."""


class Redactor:
    """Learns names, then replaces them. `reserved` are words of the reports' own language."""

    def __init__(self, aliases: Aliases, reserved: Iterable[str] = ()) -> None:
        self.aliases = aliases
        self._public = PUBLIC | {word.lower() for word in reserved}
        self._domains = set(aliases.of_kind(Kind.DOMAIN))
        names = (name for kind in (Kind.HOST, Kind.VM, Kind.USER, Kind.SERIAL) for name in aliases.of_kind(kind))
        self._said: dict[str, str] = {}
        self._phrases = {name for name in names if not TOKEN.fullmatch(name)}

    def learn_host(self, name: str) -> str:
        """A host's name, short or full; returns its alias. A full name teaches its domain and its short name too."""
        name = name.strip().rstrip(".")
        if not name or _address(name):
            return self.text(name)
        alias = self._learn(Kind.HOST, name)
        for part in name.split("/") if "/" in name else ():  # a cluster and the host in it
            if not self._says_nothing(part):
                self._learn(Kind.HOST, part)
        short, dot, domain = name.partition(".")
        if dot and re.fullmatch(r"[\w-]+", short):
            self.aliases.same(Kind.HOST, short, name)
            self._learn_domain(domain.lower())
        return alias

    def learn_vm(self, name: str) -> str:
        """`namespace/name`, or what a provider calls a VM; returns what to call it."""
        parts = [part for part in name.split("/") if part]
        return "/".join(p if self._says_nothing(p) else self._learn(Kind.VM, p) for p in parts)

    def learn_user(self, name: str) -> None:
        """A person's account."""
        if not self._says_nothing(name) and not name.startswith("_"):
            self._learn(Kind.USER, name)

    def learn_serial(self, value: str) -> None:
        """A serial number; what vendors write where they have none is no number."""
        value = value.strip()
        if len(value) >= 4 and any(char.isdigit() for char in value) and len(set(value.lower())) > 2:
            self._learn(Kind.SERIAL, value)

    def learn_text(self, text: str) -> None:
        """The users whose homes a text speaks of, and the hosts of its URLs."""
        for user in HOME.findall(text):
            self.learn_user(user)
        for host in URL_HOST.findall(text):
            name = host.lower().rstrip(".-")
            if "." in name and not name.endswith(tuple(WELL_KNOWN)):
                self.learn_host(name)

    def text(self, text: str) -> str:
        """The text with other names."""
        if (known := self._said.get(text)) is None:
            known = self._replaced(text)
            if len(text) < MEMORABLE:
                self._said[text] = known
        return known

    def _replaced(self, text: str) -> str:
        text = MAIL.sub(lambda m: self._of(Kind.MAIL, m[0]), text)
        text = KEY.sub(lambda m: m[0].replace(m[1], self.aliases.of(Kind.KEY, m[1])), text)
        text = FINGERPRINT.sub(lambda m: self.aliases.of(Kind.KEY, m[0]), text)
        text = UUID.sub(lambda m: self._of(Kind.UUID, m[0]), text)
        text = ID.sub(lambda m: self._of(Kind.ID, m[0]), text)
        text = MAC.sub(lambda m: self._of(Kind.MAC, m[0].replace("-", ":")), text)
        text = IPV6.sub(self._ipv6, text)
        text = IPV4.sub(self._ipv4, text)
        return TOKEN.sub(lambda m: self._token(m[0]), self._of_several_words(text))

    def json(self, value: Any) -> Any:
        """JSON with other names in its texts; keys stay."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.json(each) for each in value]
        if isinstance(value, dict):
            return {key: self.json(each) for key, each in value.items()}
        return value

    def left(self, text: str) -> bool:
        """A name or address that should have been replaced still stands in a text."""
        return self.text(text) != text

    def _learn_domain(self, domain: str) -> None:
        """A domain and those above it, but for the last word, which is nobody's."""
        while domain not in self._public | WELL_KNOWN and self.aliases.get(domain) is None:
            self.aliases.of(Kind.DOMAIN, domain)
            self._said.clear()
            self._domains.add(domain)
            domain = domain.partition(".")[2]
            if "." not in domain:
                return

    def _learn(self, kind: Kind, name: str) -> str:
        self._said.clear()
        if not TOKEN.fullmatch(name) and not self._says_nothing(name):
            self._phrases.add(name.lower())
        return self.aliases.of(kind, name)

    def _of(self, kind: Kind, found: str) -> str:
        if self.aliases.is_alias(found.lower()) or set(found.lower()) <= {"0", "-", ":"} or set(found) <= set("fF-:"):
            return found
        return self.aliases.of(kind, found)

    def _ipv4(self, match: re.Match[str]) -> str:
        address = _address(match[0])
        if address is None or _says_nothing(address) or self.aliases.is_alias(match[0]):
            return match[0]
        return self.aliases.of(Kind.IPV4, match[0])

    def _ipv6(self, match: re.Match[str]) -> str:
        address = _address(match[0])
        if address is None or _says_nothing(address) or self.aliases.is_alias(match[0]):
            return match[0]
        return self.aliases.of(Kind.IPV6, str(address))

    def _of_several_words(self, text: str) -> str:
        """Names that are more than one word, such as those of vSphere's VMs and of people."""
        lower = text.lower()
        for name in sorted((name for name in self._phrases if name in lower), key=len, reverse=True):
            text = re.sub(re.escape(name), str(self.aliases.get(name)), text, flags=re.IGNORECASE)
        return text

    def _token(self, token: str) -> str:
        word = token.rstrip(".-")
        return self._word(word) + token[len(word) :]

    def _word(self, word: str) -> str:
        if self._public_or_alias(word):
            return word
        if (alias := self.aliases.get(word)) is not None:
            return alias
        lower = word.lower()
        for domain in self._domains:
            if lower.endswith("." + domain):
                return self.learn_host(word)
        pieces = PARTS.split(word)
        if len(pieces) == 1 or len(pieces) > 2 * MAX_PARTS:
            return word
        return "".join(self._longest_first(pieces))

    def _longest_first(self, pieces: list[str]) -> Iterator[str]:
        at = 0
        while at < len(pieces):
            for end in range(len(pieces), at, -1):
                part = "".join(pieces[at:end])
                alias = None if self._public_or_alias(part) else self.aliases.get(part)
                if alias is not None:
                    yield alias
                    at = end
                    break
            else:
                yield pieces[at]
                at += 1

    def _public_or_alias(self, word: str) -> bool:
        return self._says_nothing(word) or self.aliases.is_alias(word)

    def _says_nothing(self, word: str) -> bool:
        return len(word) < 3 or word.lower() in self._public or word.isdecimal()


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _says_nothing(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return address.is_loopback or address.is_unspecified or str(address) == "255.255.255.255"
