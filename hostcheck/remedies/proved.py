"""Which remedies were carried out for real: remedy id -> the lab scenario in which its commands turned the verdict.

A remedy that is not here was never run by a test, and the reader is told so.
"""

PROVED: dict[str, str] = {
    "device.acl": "node-0600",
    "device.group": "node-group",
    "device.login": "node-old-session",
    "device.make": "amd-nothing-loaded-no-node",
    "device.remake": "node-missing",
    "device.replace": "node-of-null",
    "device.rule": "node-0600-rule",
    "hide.libvirt": "libvirt-svm-unused",
    "module.fix-option": "amd-option-refused",
    "module.load": "amd-nothing-loaded",
    "module.nested-command-line": "amd-nested-off-command-line",
    "module.nested-edit": "amd-nested-off-configured",
    "module.nested-on": "amd-nested-off",
    "module.override": "amd-install-false-by-package",
    "module.parameter-on": "amd-npt-off",
    "module.persist": "amd-running-not-configured",
    "module.reload": "amd-configured-not-reloaded",
    "module.unblock": "amd-blacklisted",
    "plumbing.load": "host-without-tun",
    "rivals.virt-at-load": "amd-6.12-virtualbox-7.2.10",
    "rivals.virt-on-demand": "amd-6.12-virtualbox-7.0",
    "vm.libvirt": "libvirt-cpu-without-svm",
}

NOT_PROVED: dict[str, str] = {
    "arch.": "the labs emulate x86-64 only",
    "device.allow": "the lab has no systemd, which sets such rules",
    "device.container": "the lab has no container engine",
    "firmware.": "a firmware's set-up is a menu that no command reaches; with virtualization on in it, the same lab "
    "machine runs guests",
    "guest.": "cloud-init runs once at a boot, and the lab's machines have none",
    "hide.": "it is carried out on a hypervisor of that product, which the lab does not have",
    "host.": "a release upgrade of the host",
    "kernel.": "a kernel is installed from a distribution's mirror, and booted",
    "libvirt.": "the lab has no systemd, by which it restarts libvirt's service",
    "module.unblock-elsewhere": "the machine has to be booted with another command line",
    "plumbing.iommu": "the lab's machines have no IOMMU",
    "rivals.stop": "the lab sets EFER.SVME by hand, as another hypervisor would: there is none to stop",
    "vm.": "it is carried out on a hypervisor of that product, which the lab does not have",
}
"""Why none of the others was run: the remedies whose ids begin so -> the reason."""


def why_not_proved(remedy_id: str) -> str:
    """Why no test has run a remedy; empty for one that a test has."""
    if remedy_id in PROVED:
        return ""
    return next((why for begin, why in NOT_PROVED.items() if remedy_id.startswith(begin)), "no test has run it")
