"""How a hypervisor is reached, and where at it VMs go."""

import msgspec

from provision.guarded import Guarded
from provision.model.origin import Origin


class Credentials(Guarded, frozen=True):
    """What a provider logs in with; whatever was not given is None. `repr` tells only where it came from."""

    kept_back = frozenset(
        {
            "username", "password", "token_id", "token_secret", "ssh_private_key", "known_hosts", "certificate",
            "certificate_key",
        }
    )  # fmt: skip

    source: str
    """For people: `Secret default/vcenter` or `environment (GOVC_USERNAME, GOVC_PASSWORD)`."""
    username: str | None = None
    password: str | None = None
    token_id: str | None = None
    """Proxmox: `user@realm!name`."""
    token_secret: str | None = None
    ssh_private_key: str | None = None
    known_hosts: str | None = None
    certificate: str | None = None
    """PEM, for libvirt by TLS."""
    certificate_key: str | None = None


class Placement(msgspec.Struct, frozen=True):
    """Where at the provider a VM goes, each by name; None: the provider decides, or the only one there is."""

    datacenter: str | None = None
    """vSphere."""
    cluster: str | None = None
    host: str | None = None
    """A vSphere host or a Proxmox node."""
    datastore: str | None = None
    """A vSphere datastore, a Proxmox storage, a libvirt storage pool."""
    storage_pod: str | None = None
    """vSphere: a cluster of datastores."""
    folder: str | None = None
    resource_pool: str | None = None
    """A vSphere resource pool, a Proxmox pool."""

    def over(self, other: "Placement") -> "Placement":
        """This one, and what it leaves open from `other`."""
        return Placement(*(getattr(self, f) or getattr(other, f) for f in self.__struct_fields__))


class ProviderSpec(Guarded, frozen=True):
    """How to reach the hypervisor."""

    kept_back = frozenset({"ca"})

    name: str
    type: str
    """libvirt, vsphere or proxmox."""
    endpoint: str
    """As it was written; from the command line also `vsphere://host` or `proxmox://host`."""
    origin: Origin | None
    """None when the endpoint came from the command line."""
    credentials: Credentials | None = None
    """None when neither a Secret nor the environment gives any."""
    insecure: bool = False
    """Do not verify the server's certificate."""
    ca: str | None = None
    """PEM of the certificates to trust instead of the system's."""
    defaults: Placement = msgspec.field(default_factory=Placement)
    """Already part of every VM's own placement."""
