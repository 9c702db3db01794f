"""What every provider makes of a field: what is for people or Kubernetes, references, and what nestproof never does."""

from collections.abc import Mapping

from provision.model import Handling

_HONOURED, _UNSUPPORTED = Handling.HONOURED, Handling.UNSUPPORTED
_REFUSED, _INFORMATIVE = Handling.REFUSED, Handling.INFORMATIVE

REFERENCE = (_HONOURED, "followed to the document it names")
FOR_PEOPLE = (_INFORMATIVE, "for people: changes nothing on a VM")
FOR_KUBERNETES = (_INFORMATIVE, "for Kubernetes: nestproof runs no pod")
_IDENTITY = (_HONOURED, "names the object; VMs are told apart by namespace and name")
_OF_KUBERNETES = (_INFORMATIVE, "written by or for Kubernetes: changes nothing on a VM")
_HANDED_OVER = (_HONOURED, "handed over where a secretRef asks for this key")
_ARCHITECTURE = "nestproof makes x86_64 VMs"

CHECKED = (
    "a checksum that is given is always compared, or nothing would tell an image that came whole from another one: "
    "leave the checksum out to have none"
)
AS_PUBLISHED = (
    "the image is used as it was published, so that what a VM reads is what the checksum says; it is a layer below the "
    "VM's disk, or is copied, and takes its space once"
)
FETCHING: Mapping[str, tuple[Handling, str]] = {
    "VMImage spec.prepare.onMissing": (_HONOURED, "Import: it is fetched when a disk is to be made from it"),
    "VMImage spec.prepare.onMissing=Fail": (_HONOURED, "a VM whose image is not here already is refused"),
    "VMImage spec.prepare.onMissing=Wait": (
        _HONOURED,
        "an image that nobody has put there yet is waited for, at most for prepare.timeout, else half an hour",
    ),
    "VMImage spec.prepare.timeout": (_HONOURED, "fetching it and waiting for it are given up then; what came is kept"),
    "VMImage spec.source.http.timeout": (_HONOURED, "the download is given up then; what came is kept"),
    "VMImage spec.prepare.retries": (_HONOURED, "how often a download that breaks off is gone on with"),
    "VMImage spec.prepare.force": (
        _HONOURED,
        "a download is made again when a disk is to be made from it, once in an apply; VMs that are there keep theirs",
    ),
}
"""Of providers whose images are fetched by us."""


def refused_formats(field: str) -> Mapping[str, tuple[Handling, str]]:
    """The values of a field for the format of an image that no disk can be made from."""
    entry = (_REFUSED, "disks are made from qcow2 and raw, and images are not converted")
    return {f"{field}={name}": entry for name in ("vmdk", "vhd", "vhdx", "iso", "ova", "ovf")}


PULLED: Mapping[str, tuple[Handling, str]] = {
    "VMImage spec.source.registry.image": (
        _HONOURED,
        "where no other source is set: the disk of a containerDisk, or an artifact of one file, pulled once",
    ),
    "VMImage spec.source.registry.format": (_HONOURED, "qcow2 or raw; a disk of another format is refused"),
    **refused_formats("VMImage spec.source.registry.format"),
    "VMImage spec.source.registry.pullSecretRef.**": (
        _HONOURED,
        "the login for that registry and its server of tokens",
    ),
}
"""The same, from container registries."""

_METADATA: dict[str, tuple[Handling, str]] = {
    f"{kind} metadata.{field}": entry
    for kind in ("VMClass", "VMImage", "VirtualMachine", "Provider", "VMNetworkAttachment", "Secret")
    for field, entry in (("name", _IDENTITY), ("namespace", _IDENTITY), ("**", _OF_KUBERNETES))
}

COMMON: Mapping[str, tuple[Handling, str]] = {
    **_METADATA,
    "VMImage spec.metadata.architecture": (_REFUSED, _ARCHITECTURE),
    "VMImage spec.metadata.architecture=amd64": (_HONOURED, _ARCHITECTURE),
    "VMImage spec.metadata.architecture=x86_64": (_HONOURED, _ARCHITECTURE),
    "VMImage spec.metadata.**": FOR_PEOPLE,
    "VMImage spec.distribution.**": FOR_PEOPLE,
    "VirtualMachine metadata.annotations.nestproof.org/collector": (
        _HONOURED,
        "the agent also sends its reports there, with a token of this VM",
    ),
    "VirtualMachine spec.providerRef.**": REFERENCE,
    "VirtualMachine spec.classRef.**": REFERENCE,
    "VirtualMachine spec.imageRef.**": REFERENCE,
    "VirtualMachine spec.importedDisk.**": (_REFUSED, "nestproof starts VMs from images only"),
    "VirtualMachine spec.networks[].networkRef.**": REFERENCE,
    "VirtualMachine spec.snapshot.**": (_UNSUPPORTED, "nestproof takes and reverts no snapshots"),
    "VirtualMachine spec.lifecycle.**": (_UNSUPPORTED, "nestproof runs no hooks"),
    "Provider spec.rateLimit.**": FOR_KUBERNETES,
    "Provider spec.runtime.**": FOR_KUBERNETES,
    "Provider spec.healthCheck.**": FOR_KUBERNETES,
    "Provider spec.connectionPooling.**": FOR_KUBERNETES,
    "VMNetworkAttachment spec.metadata.**": FOR_PEOPLE,
    "Secret type": FOR_KUBERNETES,
    "Secret immutable": FOR_KUBERNETES,
    "Secret data.*": _HANDED_OVER,
    "Secret stringData.*": _HANDED_OVER,
}
"""Where a provider says something of its own about one of these fields, that counts."""
