"""The page's own words: what a symbol means, what a verdict means, and what each link has to be."""

from hostcheck.model import Link, Status, Verdict

LEGEND = {
    Status.PASS: "looked at, and it holds",
    Status.WARN: "holds, with a doubt that the evidence names",
    Status.FAIL: "does not hold; it may follow from the broken link before it",
    Status.SKIP: "does not apply here; the cell says why when it is opened",
    Status.UNKNOWN: "could not be looked at, or was not: neither good nor bad",
}
VERDICTS = {
    Verdict.PROVEN: "a guest ran",
    Verdict.DEGRADED: "a guest ran, but emulated, without EPT or NPT, or very slowly",
    Verdict.CAPABLE: "everything is there, but nothing was run",
    Verdict.MISCONFIGURED: "a setting is wrong",
    Verdict.BLOCKED_FIRMWARE: "switched off in firmware",
    Verdict.BLOCKED_POLICY: "permission, cgroup, lockdown or a confidential VM is in the way",
    Verdict.CONFLICT: "another hypervisor holds the CPU's virtualization",
    Verdict.UNSUPPORTED: "this machine cannot, whatever is set",
    Verdict.UNKNOWN: "not known",
}
EXPECTED = {
    Link.CPU: "the host's CPU has VT-x (vmx) or AMD-V (svm)",
    Link.FIRMWARE: "the firmware leaves it switched on",
    Link.MODULE: "the kernel module for this CPU is loaded",
    Link.NESTED_PARAMETER: "the module runs with nested=1 (or Y)",
    Link.OFFERED: "KVM lets a guest have vmx or svm",
    Link.VM_ASKS: "the VM's configuration asks for nested virtualization",
    Link.VM_GOT: "the running VM really has vmx or svm",
    Link.GUEST_CPU: "the CPU that the guest sees has vmx or svm",
    Link.GUEST_MODULE: "the kernel module is loaded in the guest",
    Link.DEVICE: "there is a device node /dev/kvm",
    Link.ACCESS: "this user may open /dev/kvm",
    Link.GUEST_RAN: "a guest was started, and ran to its end",
}
"""What a link is when it is whole."""
