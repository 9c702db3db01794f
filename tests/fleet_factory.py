"""Fleets of any size for tests, benchmarks and pictures: made from the recorded reports, the same every time.

The recorded machines were emulated. Here they are dressed up as bare metal, or as VMs on it, with CPUs, kernels and
costs of exits that such machines have; what is broken in them was broken in the recording. The mix is one that a data
centre could have: some hosts are off in firmware, some have nesting off, some VMs are silent, some hosts do not answer.
"""

import json
import random
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from hostcheck.chain import host_chain, unreached_chain, vm_chain
from hostcheck.host_view import judge_view, view_chain
from hostcheck.judge import judge
from hostcheck.model import (
    Accelerator,
    Asked,
    Chain,
    ChainLink,
    Evidence,
    Finding,
    HostView,
    Judgement,
    Link,
    Machine,
    Remedy,
    Setting,
    Status,
    Timing,
    VmView,
    Where,
)
from hostcheck.report import decode

RECORDED = Path(__file__).parent / "fixtures/reports"
NOW = 1763800000.0
DAY = 86400.0
GIB = 1 << 30

CPUS = (
    ("amd", "AMD EPYC 7763 64-Core Processor", 128, 1010.0, 7900.0),
    ("amd", "AMD EPYC 9454 48-Core Processor", 96, 820.0, 6100.0),
    ("intel", "Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz", 64, 1240.0, 9600.0),
    ("intel", "Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz", 40, 1420.0, 13800.0),
)
"""Vendor, name, CPUs, and the usual cost of an exit and of a nested one in nanoseconds."""
KERNELS = (
    ("6.1.0-40-amd64", "debian 12"),
    ("6.12.48+deb13-amd64", "debian 13"),
    ("6.8.0-85-generic", "ubuntu 24.04"),
    ("5.14.0-570.el9.x86_64", "rhel 9.6"),
    ("6.8.12-15-pve", "debian 12"),
)
GOOD = {"amd": "amd-nested", "intel": "intel-cannon-lake-nested"}
WRONG = {
    "amd": ("amd-nested-off", "amd-nested-off-configured", "amd-blacklisted", "node-0600", "amd-npt-off", "amd-busy"),
    "intel": ("intel-nested-off", "intel-firmware-off", "intel-ept-off", "intel-shadow-vmcs-off", "vm-without-vmx"),
}
VM_WRONG = {"amd": ("vm-without-svm", "node-0600", "amd-nothing-loaded"), "intel": ("vm-without-vmx", "node-missing")}
HOT_ADD = (Setting("VMClass spec.performanceProfile.cpuHotAddEnabled", "on", "on", "QEMU monitor"),)
PLACES = ("fra1", "ams2", "iad3", "sin1")
TEAMS = ("ci", "build", "lab", "kubevirt", "training")
NAMES = (
    "サーバー", "сервер", "خادم", "שרת", "服务器", "서버", "διακομιστής", "सर्वर", "máquina", "เซิร์ฟเวอร์",
)  # fmt: skip
"""`Server` in ten languages, two of them written from right to left."""


def fleet(size: int, seed: int = 1) -> list[Chain]:
    """So many chains. The same size and seed give the same chains."""
    dice = random.Random(seed)
    chains: list[Chain] = []
    number = 0
    while len(chains) < size:
        number += 1
        chains.extend(_host_with_vms(dice, number, size - len(chains)))
    return chains[:size]


def one_host(recorded: str = "amd-nested", name: str = "kvm07") -> Chain:
    """One dressed-up machine by the name of its recording."""
    return host_chain(_named(_bare(recorded, 0), name, _machine(random.Random(7), CPUS[0], KERNELS[0], False)))


def worse(chains: list[Chain], seed: int = 2) -> list[Chain]:
    """The same fleet a week earlier: other machines were broken, one was not there yet, one has gone since."""
    dice = random.Random(seed)
    before = [chain for chain in chains if dice.random() > 0.02]
    swapped = []
    for chain in before:
        if chain.kind == "host" and chain.machine and not chain.provider and dice.random() < 0.08:
            recorded = GOOD["amd"] if not chain.verdict.works else WRONG["amd"][0]
            swapped.append(host_chain(_named(_bare(recorded, 0), chain.subject, chain.machine)))
        else:
            swapped.append(chain)
    return [*swapped, one_host("amd-nested", "kvm-retired.fra1.example.org")]


def _host_with_vms(dice: random.Random, number: int, room: int) -> Iterator[Chain]:
    place = PLACES[number % len(PLACES)]
    if number % 23 == 0:
        yield unreached_chain(
            f"kvm{number:04}.{place}.example.org", "ssh: connect to host port 22: timed out after 60 s"
        )
        return
    if number % 11 == 5:
        yield from _estate(dice, number, place, room)
        return
    which = dice.randrange(len(CPUS))
    cpu, kernel = CPUS[which], KERNELS[dice.randrange(len(KERNELS))]
    vendor = cpu[0]
    recorded = dice.choice(WRONG[vendor]) if dice.random() < 0.12 else GOOD[vendor]
    word = NAMES[number // 17 % len(NAMES)] if number % 17 == 3 else "kvm"
    name = f"{word}{number:04}.{place}.example.org"
    machine = _machine(dice, cpu, kernel, False, fast="nested" in recorded and "off" not in recorded)
    host = _named(_bare(recorded, which), name, machine)
    yield host_chain(host)
    for index in range(min(dice.randrange(2, 7), room - 1)):
        yield _vm(dice, host, cpu, f"{TEAMS[dice.randrange(len(TEAMS))]}/runner-{number:04}-{index}")


def _vm(dice: random.Random, host: Judgement, cpu: tuple[Any, ...], name: str) -> Chain:
    vendor, feature = cpu[0], {"amd": "svm", "intel": "vmx"}[cpu[0]]
    chance = dice.random()
    broken = not host.guests_nest.verdict.works
    asked = Asked.OFF if chance < 0.05 else Asked.ON
    got = asked is Asked.ON and not broken
    view = VmView(
        name=name,
        provider="libvirt qemu:///system",
        running=True,
        asked=asked,
        asked_where="runners.yaml:14:31",
        feature=feature,
        got=got,
        accelerator=Accelerator.KVM,
        evidence=(Evidence("live XML of the domain", f"<feature policy='require' name='{feature}'/>"),),
        product="QEMU 8.2.2" if "24.04" in (host.machine or Machine()).system else "QEMU 7.2.17",
        settings=HOT_ADD if name.startswith("kubevirt/") else (),
    )
    if chance > 0.96:
        return vm_chain(view, None, host, "the VM sent no report within 300 s")
    recorded = {"amd": "vm-without-svm", "intel": "vm-without-vmx"}[vendor]
    if got:
        recorded = dice.choice(VM_WRONG[vendor]) if chance > 0.93 else GOOD[vendor]
    machine = _machine(dice, cpu, KERNELS[dice.randrange(3)], True, fast=recorded == GOOD[vendor])
    return vm_chain(view, _named(_inside(recorded, CPUS.index(cpu)), name, machine), host)


def _estate(dice: random.Random, number: int, place: str, room: int) -> Iterator[Chain]:
    """A host that only its API spoke of, with a VM or two; every second one is an ESXi."""
    vsphere = number % 2 == 0
    name = f"esx{number:04}.{place}.example.org" if vsphere else f"cluster1/pve{number:04}"
    provider = f"vsphere vc.{place}.example.org" if vsphere else "proxmox pve.example.org"
    product = "VMware ESXi 8.0.3 build-24280767" if vsphere else "Proxmox VE 9.0.3"
    old = dice.random() < 0.2
    says = (
        ChainLink(
            Link.CPU,
            Status.PASS,
            "the CPU has VT-x (vmx)",
            "cpu.virtualization",
            (Evidence("hardware.cpuFeature", "vmx"),),
        ),
        ChainLink(
            Link.OFFERED,
            Status.FAIL if old else Status.PASS,
            "the API says that VMs may not be given VT-x" if old else "VMs may be given VT-x",
            "nested.offered",
            (Evidence("capability.nestedHVSupported", str(not old).lower()),),
            (Remedy("move the VM to a host whose CPU has EPT", Where.HYPERVISOR),) if old else (),
        ),
    )
    view = HostView(name, provider, product, "vmx", "", says)
    yield view_chain(view)
    for index in range(min(dice.randrange(1, 4), room - 1)):
        asked = Asked.OFF if dice.random() < 0.4 else Asked.ON
        vm = VmView(
            name=f"templates/hv-{number:04}-{index}",
            provider=provider,
            running=True,
            asked=asked,
            feature="vmx",
            got=asked is Asked.ON and not old,
            evidence=(Evidence("config.nestedHVEnabled", str(asked is Asked.ON).lower()),),
            host=name,
            product=product,
        )
        if vsphere and asked is Asked.ON and not old and index == 0:
            machine = _machine(dice, CPUS[2], KERNELS[2], True, under="VMware")
            yield vm_chain(vm, _named(_inside(GOOD["intel"], 2), vm.name, machine), judge_view(view))
        else:
            yield vm_chain(vm, None, judge_view(view), "only the hypervisor was asked: nothing ran inside")


def _machine(
    dice: random.Random, cpu: tuple[Any, ...], kernel: tuple[str, str], vm: bool, under: str = "KVM", fast: bool = True
) -> Machine:
    """A machine with costs around those of its CPU; one in forty is much slower than its peers."""
    _, name, cpus, exit_ns, inner_ns = cpu
    slow = dice.choice((1.9, 2.6)) if dice.random() < 0.025 else 1.0
    usual = inner_ns if vm else exit_ns
    median = usual * slow * dice.uniform(0.94, 1.09)
    inner = (inner_ns * 4.6 if vm else inner_ns) * slow * dice.uniform(0.93, 1.1)
    measured = fast and dice.random() < 0.8
    return Machine(
        looked=NOW - dice.choice((0.02, 0.02, 0.03, 0.5, 6.0)) * DAY - dice.randrange(3000),
        cpu=name,
        cpus=dice.choice((4, 8, 16)) if vm else cpus,
        memory=(dice.choice((8, 16, 32)) if vm else 512) * GIB,
        kernel=kernel[0],
        system=kernel[1],
        under=under if vm else "",
        virtual=vm,
        uefi=True,
        secure_boot=dice.random() < 0.3 if vm else True,
        tpm=dice.random() < 0.5 if vm else True,
        iommu=dice.random() < 0.2 if vm else True,
        nested_paging=True,
        exit=Timing(round(median), round(median * 0.96), round(median * 1.3)) if measured else None,
        inner_exit=Timing(round(inner), round(inner * 0.95), round(inner * 1.4)) if measured else None,
    )


def _named(judgement: Judgement, name: str, machine: Machine) -> Judgement:
    """Under its own name, with figures of its own in its evidence: no two machines have the same memory free."""
    own = random.Random(name)
    findings = tuple(_own(finding, own) for finding in judgement.findings)
    return msgspec.structs.replace(judgement, name=name, machine=machine, findings=findings, emulated_cpu=False)


def _own(finding: Finding, dice: random.Random) -> Finding:
    if not finding.check.startswith("capacity."):
        return finding
    evidence = tuple(Evidence(e.source, f"{e.text}, {dice.randrange(1 << 34)} free") for e in finding.evidence)
    return msgspec.structs.replace(finding, evidence=evidence)


@cache
def _bare(recorded: str, cpu: int) -> Judgement:
    """A recorded machine without the emulator under it."""
    return _judged(recorded, cpu, lambda facts: _dress(facts, cpu, []))


@cache
def _inside(recorded: str, cpu: int) -> Judgement:
    """A recorded machine as a VM under KVM."""
    return _judged(recorded, cpu, lambda facts: _dress(facts, cpu, [{"leaf": 0x40000000, "signature": "KVMKVMKVM"}]))


def _judged(recorded: str, cpu: int, dress: Callable[[dict[str, Any]], None]) -> Judgement:
    document = json.loads((RECORDED / f"{recorded}.json").read_bytes())
    dress(document["facts"])
    return judge(decode(json.dumps(document).encode()), recorded)


def _dress(facts: dict[str, Any], cpu: int, under: list[dict[str, Any]]) -> None:
    facts["hypervisor.signatures"] = {"status": "ok", "source": "CPUID 0x40000000", "value": under}
    if facts["cpu.cpuid"].get("value"):
        facts["cpu.cpuid"]["value"]["hypervisor"] = bool(under)
    flags = facts["cpu.flags"].get("value") or []
    facts["cpu.flags"]["value"] = sorted({*flags, "hypervisor"} if under else set(flags) - {"hypervisor"})
    facts["cpu.identity"]["value"] |= {"model_name": CPUS[cpu][1], "cpus": CPUS[cpu][2]}
    facts["machine.dmi"]["value"] |= {"sys_vendor": "Example Inc.", "product_name": "R7525"} if not under else {}
    facts["capacity.memory"]["value"] |= {"total": 64 * GIB, "available": 48 * GIB}
    facts["capacity.cpu"]["value"] |= {"usable": 16}
