"""What a guest can see of how it was provisioned: cloud-init, its seed, virtio devices."""

from agent.facts import NotOk

TYPES = {
    1: "net",
    2: "block",
    3: "console",
    4: "rng",
    5: "balloon",
    8: "scsi",
    9: "9p",
    16: "gpu",
    18: "input",
    19: "vsock",
    26: "fs",
    24: "mem",
}
SEEDS = ("cidata", "CIDATA", "config-2", "CONFIG-2")


def cloud_init(machine):
    """Return cloud-init's data source, state and errors, and which seed disks are to be seen."""
    seeds = [name for name in machine.listed("/dev/disk/by-label") if name in SEEDS]
    status, result = record(machine, "status"), record(machine, "result")
    datasource = result.get("datasource") or status.get("datasource")
    installed = machine.line("/etc/cloud/cloud.cfg") is not None
    if not status and not result and not seeds and not installed:
        raise NotOk("absent", "cloud-init has not run here")
    errors = result.get("errors") or []
    return {
        "installed": installed,
        "datasource": str(datasource)[:200] if datasource else None,
        "stage": str(status.get("stage"))[:32] if status.get("stage") else None,
        "done": bool(result),
        "errors": [str(each)[:200] for each in errors[:8]] if isinstance(errors, list) else [str(errors)[:200]],
        "seeds": seeds,
        "disabled": machine.line("/run/cloud-init/disabled") is not None,
    }


def record(machine, name):
    """Return the "v1" object of one of cloud-init's files, {} when there is none or it is none."""
    text = machine.line("/run/cloud-init/%s.json" % name)
    if not text:
        return {}
    from json import loads

    try:
        value = loads(text)["v1"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def virtio(machine):
    """Return how many virtio devices of each type there are, and the names of the virtio-serial ports."""
    count = {}  # type: dict
    for name in machine.listed("/sys/bus/virtio/devices")[:256]:
        number = machine.line("/sys/bus/virtio/devices/%s/device" % name) or ""
        try:
            kind = TYPES.get(int(number, 16), number)
        except ValueError:
            kind = "unknown"
        count[kind[:16]] = count.get(kind[:16], 0) + 1
    ports = [
        machine.line("/sys/class/virtio-ports/%s/name" % port) or ""
        for port in machine.listed("/sys/class/virtio-ports")[:64]
    ]
    return {"devices": count, "ports": sorted(name[:64] for name in ports if name)}
