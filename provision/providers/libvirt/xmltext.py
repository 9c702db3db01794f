"""XML as a hypervisor sends it, which is not trusted further than it has to be."""

from xml.etree import ElementTree as ET

LARGEST = 4 * 2**20
"""Characters; domain capabilities have 10 000."""


class XmlError(ValueError):
    """The hypervisor sent something that is not read; the message says why."""


def parse_xml(text: str) -> ET.Element:
    """The document. Raises XmlError for what is too large, declares entities, or is no XML."""
    if len(text) > LARGEST or "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise XmlError("the hypervisor sent XML that is not accepted")
    try:
        return ET.fromstring(text)  # noqa: S314 - no document type, so no entities
    except ET.ParseError as e:
        raise XmlError(f"the hypervisor sent broken XML: {e}") from e
