"""VMs and hosts as vCenter's API tells of them."""

from types import SimpleNamespace as Some
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostcheck.host_view import judge_view
from hostcheck.model import Asked, Status, Verdict
from provision.providers.vsphere.hosts import host_view
from provision.providers.vsphere.observe import bit, could_move, cpuid_bits, feature_of, remedies, view
from provision.providers.vsphere.properties import Read


def register(*bits: int) -> str:
    text = "".join("1" if n in bits else "0" for n in range(31, -1, -1))
    return ":".join(text[n : n + 4] for n in range(0, 32, 4))


def host(
    name: str = "esx1", *, vmx: bool = True, svm: bool = False, nested: bool | None = True, **changes: Any
) -> Read:
    leaves = [Some(level=1, ecx=register(5) if vmx else register()),
              Some(level=-2147483647, ecx=register(2) if svm else register(5))]  # fmt: skip
    values = {
        "name": name,
        "hardware.cpuFeature": leaves,
        "capability.nestedHVSupported": nested,
        "runtime.connectionState": "connected",
        "config.product.fullName": "VMware ESXi 8.0.2 build-1",
        "hardware.memorySize": 64 << 30,
        "summary.quickStats.overallMemoryUsage": 1024,
    }
    return Read(Some(_moId=name), {k: v for k, v in (values | changes).items() if v is not None})


def vm(*, nested: bool | None = True, on: bool = True, version: str = "vmx-19", **changes: Any) -> Read:
    values = {
        "name": "vm1",
        "config.nestedHVEnabled": nested,
        "config.version": version,
        "runtime.powerState": "poweredOn" if on else "poweredOff",
        "runtime.host": Some(_moId="esx1"),
    }
    return Read(Some(_moId="vm-1"), {k: v for k, v in (values | changes).items() if v is not None})


@given(st.integers(0, 31), st.integers(0, 31))
def test_bits_are_counted_from_the_right(there: int, asked: int) -> None:
    assert bit(register(there), asked) is (there == asked)


@given(st.one_of(st.none(), st.text(max_size=40)))
def test_what_is_no_register_has_no_bits(text: str | None) -> None:
    assert bit(text, 5) in (True, False)


@pytest.mark.parametrize(("vmx", "svm", "feature"), [(True, False, "vmx"), (False, True, "svm"), (False, False, "")])
def test_the_feature_is_what_cpuid_shows(vmx: bool, svm: bool, feature: str) -> None:
    assert feature_of(host(vmx=vmx, svm=svm)) == feature
    assert cpuid_bits(host(vmx=vmx, svm=svm)) == {"vmx": vmx, "svm": svm}


def test_without_cpuid_the_vendor_tells() -> None:
    silent = host(**{"hardware.cpuFeature": None, "hardware.cpuPkg": [Some(vendor="amd")]})
    assert (cpuid_bits(silent), feature_of(silent), feature_of(None)) == (None, "svm", "")


@pytest.mark.parametrize(
    ("nested", "on", "offered", "asked", "got"),
    [
        (True, True, True, Asked.ON, True),
        (True, True, False, Asked.ON, False),
        (True, True, None, Asked.ON, None),
        (True, False, True, Asked.ON, None),
        (False, True, True, Asked.OFF, False),
        (None, True, True, Asked.UNSTATED, None),
    ],
)
def test_what_a_vm_asks_for_and_what_it_has(
    nested: bool | None, on: bool, offered: bool | None, asked: Asked, got: bool | None
) -> None:
    seen = view(vm(nested=nested, on=on), host(nested=offered), "vsphere vc", "default/tiny")
    assert (seen.asked, seen.got, seen.running, seen.host) == (asked, got, on, "esx1")


def test_keys_without_effect_are_told_as_such() -> None:
    seen = view(vm(nested=False, **{"config.extraConfig": [Some(key="vhv.enable", value="TRUE")]}), host(), "p", "vm1")
    assert any(e.text == "vhv.enable: of no effect, nestedHVEnabled decides" for e in seen.evidence)


def test_the_remedy_is_quoted_and_upgrades_what_is_too_old() -> None:
    (remedy,) = remedies(vm(nested=False, version="vmx-08", name="it's"), on=True)
    assert remedy.commands == (
        "govc vm.power -s 'it'\\''s'",
        "govc vm.upgrade -version=9 -vm 'it'\\''s'",
        "govc vm.change -vm 'it'\\''s' -nested-hv-enabled=true",
        "govc vm.power -on 'it'\\''s'",
    )
    assert remedies(vm(), on=True) == ()


def test_where_a_nested_vm_could_migrate_to() -> None:
    hosts = {
        h.id: h
        for h in (
            host(),
            host("esx2"),
            host("esx3", nested=False),
            host("esx4", vmx=False, svm=True),
            host("esx5", **{"runtime.inMaintenanceMode": True}),
            host("esx6", **{"runtime.connectionState": "disconnected"}),
        )
    }
    assert could_move(vm(), hosts, tuple(hosts)) == ("esx2",)
    assert could_move(vm(nested=False), hosts, tuple(hosts)) == ("esx2", "esx3")


def test_hosts_are_judged_by_what_is_shown() -> None:
    def verdict(read: Read) -> Verdict:
        return judge_view(host_view(read, None, "vsphere vc", ())).guests_nest.verdict

    assert verdict(host()) is Verdict.CAPABLE
    assert verdict(host(nested=None)) is Verdict.UNKNOWN
    assert not verdict(host(nested=False)).works
    assert verdict(host(nested=False)) not in (Verdict.CAPABLE, Verdict.UNKNOWN)
    assert verdict(host(**{"runtime.inMaintenanceMode": True})) is Verdict.UNKNOWN


def test_capacity_evc_and_key_providers_are_findings() -> None:
    seen = host_view(host(**{"summary.currentEVCModeKey": "intel-broadwell",
                             "summary.quickStats.overallMemoryUsage": 64 << 10}), None, "p", ())  # fmt: skip
    found = {f.check: f for f in seen.findings}
    assert found["vsphere.capacity"].status is Status.WARN
    assert "intel-broadwell" in found["vsphere.evc"].summary
    assert "no VM can have a vTPM" in found["vsphere.key-provider"].summary
    silent = host_view(host(), None, "p", None)
    assert "vsphere.key-provider" not in {f.check for f in silent.findings}, "not seen is not none"
