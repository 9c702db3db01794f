"""Newer software, where what runs the VMs is too old for nested virtualization."""

from hostcheck.model import Needs
from hostcheck.remedies.book import recipe

UPDATE_LIBVIRT = recipe(
    "host.update-libvirt",
    "update libvirt to 1.2.13 or later, which every distribution that still gets updates has",
    risk="a release upgrade of the distribution stops every VM of this host",
)
UPDATE_PROXMOX = recipe(
    "host.update-proxmox",
    "upgrade this node to a release of Proxmox VE that still gets updates, one major version after the other",
    needs=Needs.REBOOT,
    risk="the node's VMs have to be moved or stopped",
    applies="Proxmox VE",
)
