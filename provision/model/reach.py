"""How a hypervisor is reached, and where at it VMs go."""

from dataclasses import dataclass, field

import msgspec

from provision.model.origin import Origin


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a provider logs in with; whatever was not given is None. `repr` tells only where it came from."""

    source: str
    """For people: `Secret default/vcenter` or `environment (GOVC_USERNAME, GOVC_PASSWORD)`."""
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    token_id: str | None = field(default=None, repr=False)
    """Proxmox: `user@realm!name`."""
    token_secret: str | None = field(default=None, repr=False)
    ssh_private_key: str | None = field(default=None, repr=False)
    known_hosts: str | None = field(default=None, repr=False)


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


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """How to reach the hypervisor."""

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
    ca: str | None = field(default=None, repr=False)
    """PEM of the certificates to trust instead of the system's."""
    defaults: Placement = field(default_factory=Placement)
    """Already part of every VM's own placement."""
