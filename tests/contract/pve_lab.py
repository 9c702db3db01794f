"""A Proxmox cluster to try the provider on, and VMs to want there."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from pve_server import AMD, Pve, documented, running
from vm_factory import IMAGE, image, wanted

from provision.model import AccelPolicy, ImageSpec, ProviderSpec, VmSpec
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

    def vm(self, **changes: Any) -> VmSpec:
        """A VM of an uploaded image where the version takes one, else of the template."""
        source = image(self.disk) if self.version >= "8.4" else template()
        spec = ProviderSpec("pve", "proxmox", self.pve.endpoint, None)
        return wanted(source, self.pve.endpoint, **{"provider": spec, "accel": AccelPolicy.KVM, **changes})

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
    with running(place, version, **told) as pve, mock.patch.dict(os.environ, pve.environment):
        provider = open_endpoint(ProviderSpec("pve", "proxmox", pve.endpoint, None))
        yield PveLab(pve, provider, disk, version)
        provider.close()
        if pve.process.poll() is None:
            state = pve.state()
            assert state["violations"] == []
            assert state["synthetic"] == []


def actions(plan: Plan) -> list[str]:
    return [f"{step.action} {step.what}" for step in plan.steps]


def quiet(_line: str) -> None:
    return
