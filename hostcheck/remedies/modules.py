"""Kernel modules: have one, load it, give it other parameters."""

from hostcheck.facts import Facts
from hostcheck.model import Needs, Remedy
from hostcheck.remedies.book import Recipe, recipe
from hostcheck.shapes import Option

STOP_VMS = "stop all VMs first: the module cannot be reloaded while one runs; then start the VMs anew"
VMS_DOWN = "every VM of this machine is down meanwhile"
ETC = "/etc/modprobe.d/"
COMMAND_LINE = "/proc/cmdline"

LOAD = recipe("module.load", "load {module}", "modprobe {module}")
NESTED_ON = recipe(
    "module.nested-on",
    "switch nesting on in {module}, now and after the next boot",
    "echo options {module} nested=1 > /etc/modprobe.d/nestproof.conf",
    "modprobe -r {module} && modprobe {module}",
    then=STOP_VMS,
    needs=Needs.RELOAD,
    risk=VMS_DOWN,
)
NESTED_EDIT = recipe(
    "module.nested-edit",
    "{source} switches nesting off in {module}: change it there, and reload",
    "sed -i -E 's/\\bnested=[^ ]+/nested=1/' {source}",
    "modprobe -r {module} && modprobe {module}",
    then=STOP_VMS,
    needs=Needs.RELOAD,
    risk=VMS_DOWN,
)
NESTED_COMMAND_LINE = recipe(
    "module.nested-command-line",
    "write {module}.nested=1 on the kernel's command line, in place of what it says there of nested",
    then="in /etc/default/grub and then update-grub (Debian, Ubuntu, SUSE: grub2-mkconfig), or by grubby (Fedora, "
    "RHEL)",
    needs=Needs.REBOOT,
    risk="the machine reboots",
    applies="modules built into the kernel, or set on its command line",
)
PARAMETER_ON = recipe(
    "module.parameter-on",
    "switch {parameter} on in {module}, now and after the next boot",
    "echo options {module} {parameter}=1 > /etc/modprobe.d/nestproof-{parameter}.conf",
    "modprobe -r {module} && modprobe {module}",
    then=STOP_VMS,
    needs=Needs.RELOAD,
    risk=VMS_DOWN,
)
UNBLOCK = recipe(
    "module.unblock",
    "{source} keeps {module} from loading: take that line out, and load it",
    "sed -i -E 's/^\\s*(blacklist|install)\\s+'{pattern}'\\b/#&/' {source}",
    "modprobe {module}",
    risk="somebody wrote that line for a reason: another hypervisor, or a hardening guide",
)
OVERRIDE = recipe(
    "module.override",
    "{source} keeps {module} from loading: override that file by one of its name without the line, and load it",
    "sed -E 's/^\\s*(blacklist|install)\\s+'{pattern}'\\b/#&/' {source} > /etc/modprobe.d/{name}",
    "modprobe {module}",
    then="the file came with a package, whose next version would bring it back; what is in /etc wins over it",
    risk="somebody wrote that line for a reason: another hypervisor, or a hardening guide",
)
UNBLOCK_ELSEWHERE = recipe(
    "module.unblock-elsewhere",
    "the kernel's command line keeps {module} from loading: take that out of it",
    then="in /etc/default/grub and then update-grub (Debian, Ubuntu, SUSE: grub2-mkconfig), or by grubby (Fedora, "
    "RHEL)",
    needs=Needs.REBOOT,
    risk="somebody wrote that for a reason: another hypervisor, or a hardening guide; the machine reboots",
)
RELOAD = recipe(
    "module.reload",
    "reload {module}, so that it runs with what is configured",
    "modprobe -r {module} && modprobe {module}",
    then=STOP_VMS,
    needs=Needs.RELOAD,
    risk=VMS_DOWN,
)
PERSIST = recipe(
    "module.persist",
    "write down what runs now, before the next boot loses it",
    "echo options {module} {parameter}={value} > /etc/modprobe.d/nestproof-{parameter}.conf",
    then="and take the other value out of {source}",
)
FIX_OPTION = recipe(
    "module.fix-option",
    "write {parameter}=1 in {source}: {module} refuses to load with {parameter}={value}",
    "sed -i -E 's/\\b'{parameter}'=[^ ]+/'{parameter}'=1/' {source}",
    then="it takes effect when {module} is loaded again",
    needs=Needs.RELOAD,
)
KERNEL_DEBIAN = recipe(
    "kernel.debian",
    "install Debian's own kernel, which has {module}, and boot it",
    "apt-get install linux-image-amd64",
    needs=Needs.REBOOT,
    risk="the machine reboots",
    applies="Debian",
)
KERNEL_UBUNTU = recipe(
    "kernel.ubuntu",
    "install Ubuntu's generic kernel, which has {module}, and boot it",
    "apt-get install linux-image-generic",
    needs=Needs.REBOOT,
    risk="the machine reboots",
    applies="Ubuntu",
)
KERNEL_FEDORA = recipe(
    "kernel.fedora",
    "install the distribution's kernel with its modules, and boot it",
    "dnf install kernel kernel-modules",
    needs=Needs.REBOOT,
    risk="the machine reboots",
    applies="Fedora, RHEL, CentOS Stream, Rocky Linux, AlmaLinux",
)
KERNEL_SUSE = recipe(
    "kernel.suse",
    "install the default kernel, which has {module} where kernel-default-base has not, and boot it",
    "zypper install kernel-default",
    needs=Needs.REBOOT,
    risk="the machine reboots",
    applies="SUSE Linux Enterprise, openSUSE",
)
KERNEL_OTHER = recipe(
    "kernel.other",
    "run a kernel that has {module}",
    "modinfo {module}",
    then="install a distribution kernel with KVM and boot it",
    needs=Needs.REBOOT,
    risk="the machine reboots",
)
KERNELS: dict[str, Recipe] = {
    "debian": KERNEL_DEBIAN,
    "ubuntu": KERNEL_UBUNTU,
    "fedora": KERNEL_FEDORA,
    "rhel": KERNEL_FEDORA,
    "suse": KERNEL_SUSE,
    "opensuse": KERNEL_SUSE,
}


def kernel_with_module(facts: Facts, module: str) -> tuple[Remedy, ...]:
    """The running kernel was built or packaged without KVM: the package of this distribution, where it is known."""
    system = facts.os.known
    for name in (system.id, *system.id_like) if system else ():
        if name in KERNELS:
            return (KERNELS[name].fill(facts, module=module),)
    return (KERNEL_OTHER.fill(facts, module=module),)


def load_module(facts: Facts, module: str) -> tuple[Remedy, ...]:
    """Load it, after taking out of the way what keeps it from loading."""
    configured = facts.configured.known
    barred = [entry.source for entry in configured.blacklisted if entry.module == module] if configured else []
    if not barred:
        return (LOAD.fill(facts, module=module),)
    return (unblock(facts, module, barred[0]),)


def unblock(facts: Facts, module: str, source: str) -> Remedy:
    """Take out of the way what bars a module: in a file of this machine's own, of a package's, on the command line."""
    pattern = module.replace("_", "[-_]")
    if source == COMMAND_LINE:
        return UNBLOCK_ELSEWHERE.fill(facts, module=module)
    if source.startswith(ETC):
        return UNBLOCK.fill(facts, module=module, source=source, pattern=pattern)
    return OVERRIDE.fill(facts, module=module, source=source, pattern=pattern, name=source.rpartition("/")[2])


def switch_nested_on(facts: Facts, module: str, builtin: bool) -> tuple[Remedy, ...]:
    """`nested=1` is understood by the bool of kvm_intel and by the int of kvm_amd; Y is not by the latter."""
    option = configured_option(facts, module, "nested")
    if builtin or (option and option.source == COMMAND_LINE):
        return (NESTED_COMMAND_LINE.fill(facts, module=module),)
    if option and option.source.startswith(ETC) and option.value in ("0", "N", "n"):
        return (NESTED_EDIT.fill(facts, module=module, source=option.source),)
    return (NESTED_ON.fill(facts, module=module),)


def parameter_on(facts: Facts, module: str, parameter: str) -> tuple[Remedy, ...]:
    """Switch a feature on, where the CPU has it: the kernel also prints N for what the hardware lacks."""
    shown = {*(facts.flags.known or ()), *(facts.vmx_flags.known or ())}
    return (PARAMETER_ON.fill(facts, module=module, parameter=parameter),) if parameter in shown else ()


def configured_option(facts: Facts, module: str, parameter: str) -> Option | None:
    """The entry that decides a parameter: the last one."""
    configured = facts.configured.known
    options = configured.options if configured else []
    return next((o for o in reversed(options) if (o.module, o.parameter) == (module, parameter)), None)
