"""What all proofs share: opening the device, and turning every way to fail into one word."""

import errno
import os

from agent.facts import NotOk
from agent.kvm.ioctls import opened
from agent.kvm.offered import cpuid
from agent.proof.micro import Failed, Micro, Refused


def result(kind, stages, cause=None, detail=None):
    """Return the value of a proof (docs/report.md); it is ok when nothing caused it to fail."""
    return {"ok": cause is None, "kind": kind, "stages": stages, "cause": cause, "detail": detail or {}}


def has_guest():
    """Raise NotOk where the agent has no guest for the architecture."""
    arch = os.uname().machine
    if arch not in ("x86_64", "amd64"):
        raise NotOk("unsupported", "no proof on %s: the agent's guests are for x86-64" % arch)


def attempt(machine, kind, play):
    """Make a micro-guest, let ``play(guest)`` run it and return the detail; return the proof's value.

    NotOk when it could not begin: no device, no right to it, or a step that the kernel refused.
    """
    has_guest()
    step = "open /dev/kvm"
    try:
        kvm = opened(machine)
        step = "KVM_GET_SUPPORTED_CPUID"
        supported = cpuid(machine)[0]
    except OSError as e:
        raise could_not_begin(kind, step, e)
    try:
        with Micro(kvm, supported, lambda stages: machine.note(kind + ":" + stages)) as guest:
            try:
                detail = play(guest)
                return result(kind, guest.stages, None, detail)
            except Failed as e:
                return result(kind, guest.stages, e.cause, e.detail)
    except Refused as e:
        raise could_not_begin(kind, e.step, e.error)


def could_not_begin(kind, step, error):
    """Return the NotOk for a step that the kernel refused."""
    name = errno.errorcode.get(error.errno, "E%s" % error.errno)
    status, cause = "error", "setup"
    if error.errno in (errno.EACCES, errno.EPERM):  # of a step behind open, too: seccomp
        status, cause = "denied", "denied"
    elif step.startswith("open"):
        if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
            status, cause = "absent", "no-device"
    elif step == "KVM_CREATE_VM" and error.errno in (errno.EBUSY, errno.EIO):
        cause = "busy"  # EIO: since Linux 6.12, where virtualization is switched on only when needed
    value = result(kind, "", cause, {"step": step, "errno": name})
    return NotOk(status, "%s: %s: %s" % (name, step, error.strerror), value)
