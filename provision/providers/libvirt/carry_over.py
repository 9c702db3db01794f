"""What a domain that is defined anew keeps of the one before it. Pure."""

import copy
from xml.etree import ElementTree as ET

from provision.providers.libvirt.record import is_record

WORDS = ("title", "description")


def carry_over(before: ET.Element, domain: ET.Element) -> None:
    """Add to `domain` what people and other programs wrote, and the MACs, by which guests know their NICs again.

    libvirt thinks of a new MAC whenever a NIC comes without one.
    """
    for word in WORDS:
        domain.extend(copy.deepcopy(before.findall(word)))
    for metadata in domain.findall("metadata"):
        metadata.extend(copy.deepcopy([each for each in before.findall("metadata/*") if not is_record(each)]))
    had = before.findall("devices/interface")
    for nic, old in zip(domain.findall("devices/interface"), had, strict=False):
        mac = old.find("mac")
        if mac is not None and nic.find("mac") is None:
            nic.insert(0, copy.deepcopy(mac))
