"""A Proxmox cluster to try the provider on, and VMs to want there."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pve_server import AMD, SECRET, TOKEN, Pve, documented, running
from vm_factory import IMAGE, image, wanted

pytest.importorskip("fakepve", reason="fakepve is not installed (pip install fakepve)")
pytest.importorskip("proxmoxer", reason="proxmoxer is not installed (pip install 'nestproof[proxmox]')")

from provision.model import AccelPolicy, Credentials, ImageSpec, ProviderSpec, VmSpec
from provision.provider import Plan
from provision.providers.proxmox.provider import ProxmoxProvider, open_endpoint

TEMPLATE = 900
PVE_7, PVE_8, PVE_9_0, PVE_9_1 = "7.4-17", "8.4.1", "9.0.10", "9.1.16"
VERSIONS = (PVE_7, PVE_8, PVE_9_0, PVE_9_1)
TEMPLATES = [{"vmid": TEMPLATE, "name": "debian-12", "node": "pve1", "storage": "local-lvm", "size_gib": 1}]


@dataclass
class PveLab:
    """One cluster and the provider that a user with the documented privileges has of it."""

    pve: Pve
    provider: ProxmoxProvider
    disk: Path
    version: str
    spec: ProviderSpec
    tells = False
    """With the documented privileges QEMU may not be asked what a VM with cpu=host got."""

    @property
    def endpoint(self) -> str:
        return self.pve.endpoint

    def remains(self) -> set[str]:
        """VMs that are no templates, their disks, and everything that was uploaded."""
        state = self.pve.state()
        volumes = {volume for volume in state["disks"] if f"base-{TEMPLATE}" not in volume}
        return volumes | {vm["name"] for vm in state["vms"] if not vm["template"]}

    def vm(self, **changes: Any) -> VmSpec:
        """A VM of an uploaded image where the version takes one, else of the template."""
        source = image(self.disk) if self.version >= "8.4" else template()
        return wanted(source, self.pve.endpoint, **{"provider": self.spec, "accel": AccelPolicy.KVM, **changes})

    def apply(self, vm: VmSpec) -> tuple[Plan, list[str]]:
        """Plan and apply; the plan and what was said meanwhile."""
        said: list[str] = []
        plan = self.provider.plan(vm)
        self.provider.apply(plan, said.append)
        return plan, said


def template(number: int = TEMPLATE, **changes: Any) -> ImageSpec:
    values: dict[str, Any] = {"template_id": number, **changes}
    return ImageSpec("debian", None, None, "", None, IMAGE, **values)


@contextlib.contextmanager
def lab(place: Path, disk: Path, version: str, **scenario: Any) -> Iterator[PveLab]:
    """At the end nothing may have been asked that the API's own definition refuses, or that nobody has modelled."""
    told = {"templates": TEMPLATES, "nodes": {"pve1": AMD}, "grants": documented(version), **scenario}
    with running(place, version, **told) as pve:
        found = Credentials("test", token_id=TOKEN, token_secret=SECRET)
        spec = ProviderSpec("pve", "proxmox", pve.endpoint, None, credentials=found, ca=pve.ca.read_text())
        provider = open_endpoint(spec)
        yield PveLab(pve, provider, disk, version, spec)
        provider.close()
        if pve.process.poll() is None:
            state = pve.state()
            assert state["violations"] == []
            assert state["synthetic"] == []


def actions(plan: Plan) -> list[str]:
    return [f"{step.action} {step.what}" for step in plan.steps]


def quiet(_line: str) -> None:
    return
