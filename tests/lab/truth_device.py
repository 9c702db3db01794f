"""/dev/kvm on the EPYC: missing, something else, forbidden; and an agent that is kept from it or from /sys."""

from truth_scenarios import AGENT, DEGRADED, LOADED, PASS, POLICY, WARN, WORKS, WRONG, Expected, Scenario, both

AS_DEV = f"su dev -c '{AGENT}'"
# as a session that was opened before the user was put into a group
OLD_SESSION = (
    "cd / && python3 -I -S -c 'import os; os.setgroups([]); os.setgid(1000); os.setuid(1000);"
    ' os.execvp("python3", "python3 -S -m agent --json --timeout 60".split())\' 2>/dev/null'
)
IN_ONE_SESSION = f"(echo 'COMMANDS'; sleep 3; echo '{AGENT}') | su dev"
WITHOUT_SYS = f"unshare -m dash -c 'umount -l /sys; {AGENT}'"
WITHOUT_DEV = f"unshare -m dash -c 'mount -t tmpfs none /dev; {AGENT}'"
CGROUP = """mkdir -p /tmp/cg
mountpoint -q /tmp/cg || mount -t cgroup -o devices none /tmp/cg
mkdir -p /tmp/cg/box"""
# seccomp: ioctl(2), number 16, whose command is of KVM's type 0xAE, fails with EPERM (linux/filter.h, linux/seccomp.h)
WITHOUT_IOCTL = """cat > /tmp/filter.py <<'END'
import ctypes, os, struct
program = b"".join(struct.pack("HBBI", *each) for each in (
    (0x20, 0, 0, 0), (0x15, 0, 4, 16), (0x20, 0, 0, 24), (0x54, 0, 0, 0xFF00), (0x15, 0, 1, 0xAE00),
    (0x06, 0, 0, 0x50001), (0x06, 0, 0, 0x7FFF0000)))
kept = ctypes.create_string_buffer(program)
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(kept)), 0, 0) == 0
os.execvp("python3", "python3 -S -m agent --json --timeout 60".split())
END
cd / && python3 -S /tmp/filter.py 2>&1"""
FORBIDDEN = f"dash -c 'echo $$ > /tmp/cg/box/tasks; {AGENT}'"

DEVICE = (
    Scenario(
        "node-missing", "kvm_amd loaded, /dev/kvm removed", "epyc", f"{LOADED}; rm /dev/kvm",
        both(WRONG, "kvm.device"), check="kvm.device", remedy="device.remake", mended=WORKS,
    ),
    Scenario(
        "node-static", "a static node, no module behind it", "epyc", "mknod /dev/kvm c 10 232",
        both(WRONG, "kvm.module"), check="kvm.module", remedy="module.load", mended=WORKS,
    ),
    Scenario(
        "node-of-null", "/dev/kvm is the device of something else (1:3)", "epyc",
        f"{LOADED}; rm /dev/kvm; mknod /dev/kvm c 1 3", both(WRONG, "kvm.device"),
        check="kvm.device", remedy="device.replace", mended=WORKS,
    ),
    Scenario(
        "node-is-a-file", "/dev/kvm is a regular file", "epyc", f"{LOADED}; rm /dev/kvm; echo > /dev/kvm",
        both(WRONG, "kvm.device"), check="kvm.device", remedy="device.replace", mended=WORKS,
    ),
    Scenario(
        "node-0600", "mode 0600, user 1000", "epyc", f"{LOADED}; chmod 600 /dev/kvm; chgrp root /dev/kvm",
        both(POLICY, "kvm.access"), AS_DEV, check="kvm.access", remedy="device.acl", mended=WORKS,
    ),
    Scenario(
        "node-0600-rule", "mode 0600, root: QEMU's own user will not be able to", "epyc",
        f"{LOADED}; chmod 600 /dev/kvm; chgrp root /dev/kvm",
        Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", (("kvm.permissions", WARN),)),
        check="kvm.permissions", remedy="device.rule",
        mended=Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", (("kvm.permissions", PASS),)),
    ),
    Scenario(
        "node-group", "mode 0660 root:kvm, user 1000 not in the group", "epyc", LOADED, both(POLICY, "kvm.access"),
        AS_DEV, check="kvm.access", remedy="device.group", mended=WORKS,
    ),
    Scenario(
        "node-wrong-group", "mode 0660 root:audio, user 1000 in kvm", "epyc",
        f"{LOADED}; chgrp audio /dev/kvm; usermod -aG kvm dev", both(POLICY, "kvm.access"),
        AS_DEV, check="kvm.access", remedy="device.group", mended=WORKS,
    ),
    Scenario(
        "node-old-session", "user 1000 in kvm, but its session is older", "epyc", f"{LOADED}; usermod -aG kvm dev",
        both(POLICY, "kvm.access"), OLD_SESSION, check="kvm.access", remedy="device.login",
        mended=WORKS, session=IN_ONE_SESSION,
    ),
    Scenario(
        "cgroup-device", "a device cgroup forbids /dev/kvm to root", "epyc",
        f"{LOADED}; {CGROUP}; echo 'c 10:232 rwm' > /tmp/cg/box/devices.deny", both(POLICY, "kvm.access"),
        FORBIDDEN, check="kvm.access", remedy="device.allow", unmended="the lab has no systemd, which sets such rules",
    ),
    Scenario(
        "host-without-tun", "no tun module: no VM can be put on a bridge", "epyc", LOADED,
        Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", (("host.tun", WARN),)),
        check="host.tun", remedy="plumbing.load",
        mended=Expected(DEGRADED, "kvm.run", DEGRADED, "nested.run", (("host.tun", PASS),)),
    ),
    Scenario("container-no-sys", "no /sys", "epyc", LOADED, WORKS, WITHOUT_SYS),
    Scenario(
        "container-no-dev", "no /dev", "epyc", LOADED, both(WRONG, "kvm.device"), WITHOUT_DEV,
        check="kvm.device", remedy="device.remake", unmended="the next container would lack it too",
    ),
    Scenario(
        "seccomp-ioctl", "a seccomp filter answers EPERM to the ioctls of KVM", "epyc", LOADED,
        both(POLICY, "kvm.run"), WITHOUT_IOCTL,
    ),
)  # fmt: skip
