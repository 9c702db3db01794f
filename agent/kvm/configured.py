"""What was asked of the modules (modprobe.d, kernel command line), and what the kernel was built with."""

from agent.facts import NotOk
from agent.kvm.modules import NAMES

PLACES = ("/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d")
OPTIONS = (
    "CONFIG_KVM",
    "CONFIG_VIRTUALIZATION",
    "CONFIG_HYPERVISOR_GUEST",
    "CONFIG_VHOST",
    "CONFIG_IKCONFIG",
    "CONFIG_TUN=",
    "CONFIG_X86_MSR",
    "CONFIG_X86_CPUID",
    "CONFIG_IA32_FEAT_CTL",
)


def parse(text):
    """Return (options, barred) of a modprobe.d file: {module: {parameter: value}}, and pairs of module and keyword.

    The value of a parameter without "=" is None.
    """
    options, barred = {}, []  # type: dict, list
    for line in text.replace("\\\n", " ").split("\n"):
        word = line.split("#", 1)[0].split()
        if len(word) < 2:
            continue
        module = word[1].replace("-", "_")
        if word[0] == "options":
            for each in word[2:]:
                name, equals, value = each.partition("=")
                options.setdefault(module, {})[name] = value if equals else None
        elif word[0] == "blacklist" or (
            word[0] == "install" and word[2:] and word[2].split("/")[-1] in ("false", "true")
        ):
            barred.append((module, word[0]))
    return options, barred


def configured(machine):
    """Return {"options": [...], "blacklisted": [...]}, docs/report.md.

    A later entry overrides an earlier one; the kernel command line comes last, and wins. `blacklist` stops a module's
    loading by its aliases only, `install` that by modprobe too, `module_blacklist` of the command line every one.
    """
    options, blacklisted, seen, files = [], [], set(), []
    for place in PLACES:
        for name in machine.listed(place):
            if name.endswith(".conf") and name not in seen:  # the first place wins for files of one name
                seen.add(name)
                files.append((name, place + "/" + name))
    for _, path in sorted(files)[:200]:
        try:
            found, barred = parse(machine.text(path))
        except OSError:
            continue
        options += entries(found, path)
        blacklisted += [{"module": name, "source": path, "how": how} for name, how in barred if name in NAMES]
    given = {}  # type: dict
    for word in (machine.line("/proc/cmdline") or "").split():
        key, equals, value = word.partition("=")
        module, dot, parameter = key.replace("-", "_").partition(".")
        if key in ("module_blacklist", "modprobe.blacklist"):
            how = "blacklist" if "." in key else key
            named = [each.replace("-", "_") for each in value.split(",")]
            blacklisted += [{"module": name, "source": "/proc/cmdline", "how": how} for name in named if name in NAMES]
        elif dot:
            given.setdefault(module, {})[parameter] = value if equals else None
    options += entries(given, "/proc/cmdline")
    return {"options": options[:64], "blacklisted": blacklisted[:16]}


def entries(found, source):
    """Return those options that are for KVM's modules, one entry a parameter."""
    return [
        {"module": module, "parameter": name[:64], "value": (value or "")[:64], "bare": value is None, "source": source}
        for module in sorted(found)
        if module in NAMES
        for name, value in sorted(found[module].items())
    ]


def kernel_config(machine):
    """Return {option: value} for those options of the kernel's configuration that bear on KVM."""
    release = machine.line("/proc/sys/kernel/osrelease") or ""
    for path in ("/boot/config-" + release, "/lib/modules/%s/config" % release):
        try:
            return chosen(machine.text(path, 1 << 20))
        except OSError:
            continue
    if machine.root is None:
        from zlib import decompressobj

        with open("/proc/config.gz", "rb") as packed:
            text = decompressobj(47).decompress(packed.read(1 << 20), 2 << 20).decode("ascii", "replace")
        machine.keep("/boot/config-" + release, text)
        return chosen(text)
    raise NotOk("absent", "the tree has no configuration of this kernel")


def chosen(text):
    """Return the options that matter."""
    lines = [line for line in text.split("\n") if line.startswith(OPTIONS)]
    return dict(line.split("=", 1) for line in lines[:100] if "=" in line)
