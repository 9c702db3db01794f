"""What has to be known of a host beside the agent's report: two files of ours, and who holds the KVM modules.

This source runs on that host: standard library alone, Python 3.6, one line of JSON on stdout. It only reads.
"""

import base64
import json
import os
import stat
import sys

LIMIT = 16384  # bytes of a file that are taken along
VM = "anon_inode:kvm-vm"


def file_state(path: str) -> "dict[str, object]":
    """Return what is at a path: its kind, and of a regular file the content in base64, mode and owner."""
    try:
        status = os.lstat(path)
    except OSError:
        return {"kind": "absent"}
    if not stat.S_ISREG(status.st_mode):
        return {"kind": "other"}
    if status.st_size > LIMIT:
        return {"kind": "large"}
    with open(path, "rb") as file:  # noqa: PTH123 - an old Python's os.open is all that is needed
        content = base64.b64encode(file.read(LIMIT)).decode()
    mode = stat.S_IMODE(status.st_mode)
    return {"kind": "file", "content": content, "mode": mode, "uid": status.st_uid, "gid": status.st_gid}


def use(module: str) -> "dict[str, object]":
    """Return how often a module is held (None: it is not loaded, or built in), and by which other modules."""
    base = "/sys/module/" + module
    try:
        with open(base + "/refcnt") as file:  # noqa: PTH123
            count = int(file.read())
        return {"refcnt": count, "holders": sorted(os.listdir(base + "/holders"))[:16]}  # noqa: PTH208
    except (OSError, ValueError):
        return {"refcnt": None, "holders": []}


def users() -> "list[dict[str, object]]":
    """Return the processes that have /dev/kvm or a virtual machine open: pid, name, whether it runs a VM."""
    found = []
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):  # noqa: PTH208
        links = set()  # type: set[str]
        try:
            for fd in os.listdir("/proc/%d/fd" % pid):  # noqa: PTH208, UP031
                links.add(os.readlink("/proc/%d/fd/%s" % (pid, fd)))  # noqa: PTH115, UP031
        except OSError:  # it has ended meanwhile
            pass
        if VM in links or "/dev/kvm" in links:
            found.append({"pid": pid, "name": process_name(pid), "vm": VM in links})
    return found[:256]


def process_name(pid: int) -> str:
    """Return the name that QEMU was given (-name guest=NAME or -name NAME), else the program's."""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:  # noqa: PTH123, UP031
            words = file.read(65536).decode("utf-8", "replace").split("\0")
        with open("/proc/%d/comm" % pid, "rb") as file:  # noqa: PTH123, UP031
            program = file.read(64).decode("utf-8", "replace").strip()
    except OSError:
        return ""
    for option, value in zip(words, words[1:]):  # noqa: B905, RUF007 - strict is newer than 3.6
        if option in ("-name", "--name"):
            name = value.split(",")[0]
            return (name[6:] if name.startswith("guest=") else name)[:64]
    return program


def main(conf: str, record: str) -> None:
    """Print the survey."""
    found = {
        "uid": os.getuid(),
        "conf": file_state(conf),
        "record": file_state(record),
        "use": {"kvm_intel": use("kvm_intel"), "kvm_amd": use("kvm_amd")},
        "users": users(),
    }
    sys.stdout.write("NESTPROOF-ANSWER " + json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
